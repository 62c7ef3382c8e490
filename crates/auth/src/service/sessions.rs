//! Sessions of API v2: opened by credentials, kept by refresh tokens that are good once, ended here or everywhere.

use std::sync::Arc;
use std::time::Duration;

use effects::Effects;
use kernel::error::Unauthenticated;
use kernel::{Actor, Error, Timestamp, Uuid};
use platform::telemetry::metrics;

use super::{ATTEMPTS, Auth, others_change_it, outcomes};
use crate::events::{self, Cause, Ended};
use crate::model::{Account, Credentials, Session, UsedBy};
use crate::store::{Opening, Refresh, Refreshed};
use crate::tickets::Ticket;
use crate::tokens::{Audience, Claims};

/// How long the refresh token before is taken again: a client that lost the answer repeats its question.
const LEEWAY: Duration = Duration::from_secs(10);
/// Live sessions that are listed.
const MAX_LISTED: i64 = 100;

/// What a client needs to act in its session.
pub struct Opened {
    pub access_token: String,
    /// Seconds until the access token is over.
    pub expires_in: u64,
    pub refresh_token: String,
    /// Tells the next log-in that this device is known.
    pub device: Option<String>,
}

impl Auth {
    /// Checks credentials and opens a session. `device` is what an earlier log-in left on the device.
    ///
    /// # Errors
    /// As [`Auth::prove`].
    pub async fn open_session(
        &self,
        credentials: &Credentials,
        used_by: UsedBy,
        device: Option<&str>,
        request_id: Option<String>,
    ) -> Result<Opened, Error> {
        let known = device.and_then(|text| match self.tokens.read_ticket(text)? {
            Ticket::Device { account, device } => Some((account, device)),
            _ => None,
        });
        let (account, session) = self.prove(credentials, Audience::V2, used_by, known, request_id).await?;
        let same = known.filter(|(known, _)| *known == account.id).map(|(_, device)| device);
        let device = match same {
            Some(device) => device,
            None => self.context.id()?,
        };
        let device = self.tokens.write_ticket(Ticket::Device { account: account.id, device })?;
        Ok(Opened { device: Some(device), ..self.tokens_of(account.id, session.id, 0, session.created_at)? })
    }

    /// Checks credentials and opens a session. `device` is one on which an account is known to have logged in.
    ///
    /// # Errors
    /// As [`Auth::check_credentials`].
    pub(super) async fn prove(
        &self,
        credentials: &Credentials,
        api: Audience,
        used_by: UsedBy,
        device: Option<(Uuid, Uuid)>,
        request_id: Option<String>,
    ) -> Result<(Account, Session), Error> {
        let proved = self.try_to_prove(credentials, api, used_by, device, request_id).await;
        metrics().log_ins.count(outcomes::log_in(&proved));
        proved
    }

    async fn try_to_prove(
        &self,
        credentials: &Credentials,
        api: Audience,
        used_by: UsedBy,
        device: Option<(Uuid, Uuid)>,
        request_id: Option<String>,
    ) -> Result<(Account, Session), Error> {
        for _ in 0..ATTEMPTS {
            let (account, whereabouts) = self.check_credentials(credentials, used_by.address, device).await?;
            let session = self.new_session(account.id, api, used_by.clone())?;
            let cause = Cause::of(account.id, request_id.clone());
            let effects = Effects::event(events::session_opened(&self.context, &session, &cause)?);
            let network = whereabouts.and_then(|whereabouts| whereabouts.unrecorded(session.created_at));
            let opening = Opening { session: session.clone(), network };
            let (store, version) = (Arc::clone(&self.store), account.version);
            let open = async move { Ok(store.create_session(opening, version, effects).await?) };
            if self.tasks.run(open).await? {
                return Ok((account, session));
            }
            // The account changed after its password was read, which may hold no longer.
        }
        Err(others_change_it())
    }

    /// Exchanges a refresh token for the next one. The same token again, within ten seconds, gives the same successor; an older
    /// one ends the session, because somebody else has it.
    ///
    /// # Errors
    /// `Unauthenticated` (`Invalid`, `Ended`); `Unavailable`, `Overloaded`.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        used_by: UsedBy,
        request_id: Option<String>,
    ) -> Result<Opened, Error> {
        let exchanged = self.exchange(refresh_token, used_by, request_id).await;
        metrics().refreshes.count(outcomes::refresh(&exchanged));
        exchanged?.ok_or(Error::Unauthenticated(Unauthenticated::Ended))
    }

    /// `None` when the token came twice.
    async fn exchange(
        &self,
        refresh_token: &str,
        used_by: UsedBy,
        request_id: Option<String>,
    ) -> Result<Option<Opened>, Error> {
        let Some(Ticket::Refresh { session, generation }) = self.tokens.read_ticket(refresh_token) else {
            return Err(Error::Unauthenticated(Unauthenticated::Invalid));
        };
        let now = self.context.now();
        let expires_at = now.after(self.refresh_token_lifetime);
        let refresh = Refresh { session_id: session, generation, now, expires_at, leeway: LEEWAY, used_by };
        let (store, context) = (Arc::clone(&self.store), self.context.clone());
        let refresh = async move {
            let refreshed = store.refresh(refresh).await?;
            if let Refreshed::Replayed(account) = refreshed {
                let (ids, cause) = ((account, session), Cause { actor: Actor::System, request_id });
                let ended = events::session_ended(&context, ids, Ended::Replayed, now, &cause)?;
                store.end_session(account, session, now, Effects::event(ended)).await?;
            }
            Ok(refreshed)
        };
        match self.tasks.run(refresh).await? {
            Refreshed::To(generation) => {
                let found = self.store.session_with_account(session).await?;
                let (_, account) = found
                    .filter(|(session, account)| session.is_live(now) && account.active)
                    .ok_or(Error::Unauthenticated(Unauthenticated::Ended))?;
                self.tokens_of(account.id, session, generation, now).map(Some)
            }
            Refreshed::Replayed(_) => {
                tracing::warn!(event = "auth.refresh.reused", session.id = %session, "a refresh token came twice");
                Ok(None)
            }
            Refreshed::Ended => Err(Error::Unauthenticated(Unauthenticated::Ended)),
        }
    }

    fn tokens_of(&self, account: Uuid, session: Uuid, generation: i64, now: Timestamp) -> Result<Opened, Error> {
        let (lifetime, jti) = (self.access_token_lifetime, self.context.id()?);
        let claims = Claims::new(account, session, Audience::V2, now, lifetime, jti);
        Ok(Opened {
            access_token: self.tokens.sign(&claims)?,
            expires_in: lifetime.as_secs(),
            refresh_token: self.tokens.write_ticket(Ticket::Refresh { session, generation })?,
            device: None,
        })
    }

    /// The live sessions of an account, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sessions(&self, account_id: Uuid) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions_of(account_id, self.context.now(), MAX_LISTED).await?)
    }

    /// Ends one session of an account; its tokens are dead from now on.
    ///
    /// # Errors
    /// `NotFound` when it has no such live session; `Unavailable`, `Overloaded`.
    pub async fn end_session(&self, account_id: Uuid, session_id: Uuid, cause: &Cause) -> Result<(), Error> {
        let (store, now) = (Arc::clone(&self.store), self.context.now());
        let ids = (account_id, session_id);
        let effects = Effects::event(events::session_ended(&self.context, ids, Ended::LoggedOut, now, cause)?);
        let end = async move { Ok(store.end_session(account_id, session_id, now, effects).await?) };
        if self.tasks.run(end).await? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Ends all sessions of an account; returns how many were open.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Overloaded`.
    pub async fn log_out_everywhere(&self, account_id: Uuid, cause: &Cause) -> Result<u64, Error> {
        let account = self.store.account(account_id).await?.ok_or(Error::NotFound)?;
        let (store, now) = (Arc::clone(&self.store), self.context.now());
        let effects = Effects::event(events::sessions_ended(&self.context, &account, None, now, cause)?);
        let end = async move { Ok(store.end_sessions(account_id, now, effects).await?) };
        self.tasks.run(end).await
    }
}
