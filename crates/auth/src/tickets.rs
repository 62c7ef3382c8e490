//! Tickets: opaque texts that we hand out and recognise later by our own signature, so that nothing secret is ever stored. What
//! a ticket is good for is told by a row that it names; the row holds nothing from which the ticket could be made.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer};
use kernel::{Error, Uuid};

use crate::keys::KeyRing;
use crate::model::Purpose;
use crate::tokens::Tokens;

/// Longer texts are not ours.
const MAX_TICKET: usize = 512;

/// What a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticket {
    /// The refresh token of a session, good for the refresh after this generation.
    Refresh { session: Uuid, generation: i64 },
    /// A mailed permission.
    OneTime { token: Uuid, purpose: Purpose },
    /// A device on which this account has logged in.
    Device { account: Uuid, device: Uuid },
}

impl Ticket {
    /// The kind is signed with the rest: no ticket passes for one of another kind.
    fn kind(&self) -> u8 {
        match self {
            Ticket::Refresh { .. } => b'r',
            Ticket::OneTime { purpose: Purpose::VerifyEmail, .. } => b'v',
            Ticket::OneTime { purpose: Purpose::ResetPassword, .. } => b'p',
            Ticket::Device { .. } => b'd',
        }
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.kind()];
        match self {
            Ticket::Refresh { session, generation } => {
                bytes.extend_from_slice(session.as_bytes());
                bytes.extend_from_slice(&generation.to_be_bytes());
            }
            Ticket::OneTime { token, .. } => bytes.extend_from_slice(token.as_bytes()),
            Ticket::Device { account, device } => {
                bytes.extend_from_slice(account.as_bytes());
                bytes.extend_from_slice(device.as_bytes());
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (first, rest) = rest.split_first_chunk()?;
        let first = Uuid::from_bytes(*first);
        let one_time = |purpose| rest.is_empty().then_some(Ticket::OneTime { token: first, purpose });
        match kind {
            b'r' => Some(Ticket::Refresh { session: first, generation: i64::from_be_bytes(rest.try_into().ok()?) }),
            b'v' => one_time(Purpose::VerifyEmail),
            b'p' => one_time(Purpose::ResetPassword),
            b'd' => Some(Ticket::Device { account: first, device: Uuid::from_slice(rest).ok()? }),
            _ => None,
        }
    }
}

/// What is signed. No access token begins like this.
fn signed(bytes: &[u8]) -> Vec<u8> {
    [b"primetrade ticket\0", bytes].concat()
}

impl Tokens {
    /// The text of a ticket: the same as long as the same key signs.
    ///
    /// # Errors
    /// `Internal` without a key.
    pub fn write_ticket(&self, ticket: Ticket) -> Result<String, Error> {
        let ring = self.ring.current();
        let key = ring.newest().ok_or_else(|| Error::Internal("the key ring is empty".into()))?;
        let mut bytes = ticket.to_bytes();
        let signature = key.key.signing().sign(&signed(&bytes));
        bytes.extend_from_slice(&signature.to_bytes());
        Ok(BASE64.encode(bytes))
    }

    /// `None`: not one of ours.
    pub fn read_ticket(&self, text: &str) -> Option<Ticket> {
        if text.len() > MAX_TICKET {
            return None;
        }
        let bytes = BASE64.decode(text).ok()?;
        let (said, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_LENGTH)?)?;
        let (signature, message) = (Signature::from_slice(signature).ok()?, signed(said));
        let verifies = |ring: &KeyRing| {
            ring.keys().iter().any(|key| key.key.verifying().verify_strict(&message, &signature).is_ok())
        };
        let known = verifies(&self.ring.current()) || verifies(&self.ring.latest());
        known.then(|| Ticket::from_bytes(said)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tests::tokens;

    #[test]
    fn tickets_are_read_as_written_and_in_no_other_way() {
        let tokens = tokens();
        let id = Uuid::from_u128;
        for ticket in [
            Ticket::Refresh { session: id(1), generation: 7 },
            Ticket::OneTime { token: id(2), purpose: Purpose::VerifyEmail },
            Ticket::OneTime { token: id(2), purpose: Purpose::ResetPassword },
            Ticket::Device { account: id(3), device: id(4) },
        ] {
            let text = tokens.write_ticket(ticket).unwrap();
            assert_eq!(tokens.read_ticket(&text), Some(ticket));
            assert_eq!(tokens.write_ticket(ticket).unwrap(), text);
            for position in 0..text.len() - 1 {
                let mut changed = text.clone().into_bytes();
                changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
                assert_eq!(tokens.read_ticket(&String::from_utf8(changed).unwrap()), None, "at {position}");
            }
            assert_eq!(self::tokens().read_ticket(&text), None, "another deployment's");
        }
        for wrong in ["", "x", "AAAA", &"A".repeat(200), &"A".repeat(5_000)] {
            assert_eq!(tokens.read_ticket(wrong), None);
        }
    }
}
