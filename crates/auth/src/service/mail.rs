//! Mails that are waiting in the event log, for whoever sends them.

use kernel::Error;
use platform::db::events as log;
use serde::Deserialize;

use super::Auth;
use crate::events::{MAIL_REQUESTED, MailRequest, Personal, Template};
use crate::model::Purpose;
use crate::tickets::Ticket;

/// A mail, ready to send.
#[derive(Debug)]
pub struct Mail {
    /// The event that asks for it: the same mail has the same id, however often it is read.
    pub id: kernel::Uuid,
    pub to: String,
    pub subject: &'static str,
    pub text: String,
}

#[derive(Deserialize)]
struct Envelope {
    data: MailRequest,
}

impl Auth {
    /// The mails after a position of the log, and the position to go on from. Those of accounts that were erased meanwhile are
    /// gone with their addresses.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` for an event that cannot be read.
    pub async fn mails_after(&self, position: i64, limit: i64) -> Result<(Vec<Mail>, i64), Error> {
        let logged = self.database.events_after(position, limit).await?;
        let next = logged.last().map_or(position, |event| event.position);
        let mut mails = Vec::new();
        for event in logged.iter().filter(|event| event.kind == MAIL_REQUESTED) {
            // Without personal fields its account is erased: nobody is there to be mailed.
            let Some(personal) = log::personal_of(&self.database, event.id).await? else { continue };
            let read = serde_json::from_slice::<Envelope>(&event.bytes);
            match read.and_then(|request| Ok((request.data, serde_json::from_slice(&personal)?))) {
                Ok((request, to)) => mails.push(self.mail(event.id, &request, to)?),
                // Others must not wait for it.
                Err(error) => {
                    tracing::error!(event = "mail.unreadable", position = event.position, %error, "a mail is left out");
                }
            }
        }
        Ok((mails, next))
    }

    fn mail(&self, id: kernel::Uuid, request: &MailRequest, to: Personal) -> Result<Mail, Error> {
        let (subject, words, purpose) = match request.template {
            Template::VerifyEmail => (
                "Please confirm your e-mail address",
                "Confirm that this address is yours with the token below, within a day: POST /api/v2/email-verifications.",
                Some(Purpose::VerifyEmail),
            ),
            Template::ResetPassword => (
                "Choose another password",
                "Choose another password with the token below, within an hour: POST /api/v2/password-resets/confirm. \
                 If you did not ask for it, ignore this mail: your password stays.",
                Some(Purpose::ResetPassword),
            ),
            Template::AlreadyRegistered => (
                "You have an account",
                "Somebody tried to register with your address, which has an account. If it was you, log in, or ask for \
                 another password. If it was not, there is nothing to do.",
                None,
            ),
            Template::AddressChanged => (
                "Your account has another e-mail address",
                "Your account has another e-mail address now. If it was not you, tell the shop at once: this address can \
                 no longer choose another password.",
                None,
            ),
            Template::PasswordChanged => (
                "Your password was changed",
                "The password of your account was changed. If it was not you, ask for another one at once.",
                None,
            ),
        };
        let mut text = format!("Hello {},\n\n{words}\n", to.username);
        if let (Some(token), Some(purpose)) = (request.token, purpose) {
            let ticket = self.tokens.write_ticket(Ticket::OneTime { token, purpose })?;
            text.push_str(&format!("\nToken: {ticket}\n"));
        }
        Ok(Mail { id, to: to.email, subject, text })
    }
}
