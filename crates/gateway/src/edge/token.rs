//! Who calls, by the token of the request. The outcome goes with the request; endpoints that need a caller refuse without one.

use api::bearer;
use api::caller::TokenCheck;
use auth::Audience;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use kernel::error::{Error, Unauthenticated};

use super::{Door, Listener, WaitingStep};
use crate::callers::Callers;

pub struct Token {
    /// None between our own processes, who say for whom they ask.
    callers: Option<Callers>,
}

/// The account behind a request, handed up to its log line.
#[derive(Clone)]
pub struct LoggedUser(pub kernel::Uuid);

impl Token {
    pub fn new(listener: &Listener) -> Self {
        let callers = match &listener.door {
            Door::Public(callers) => Some(callers.clone()),
            Door::Internal(_) => None,
        };
        Self { callers }
    }

    async fn check(&self, request: &mut Request) {
        let Some(callers) = &self.callers else { return };
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return;
        }
        let audience = if request.uri().path().starts_with("/api/v1/") { Audience::V1 } else { Audience::V2 };
        let checked = match bearer(request.headers()) {
            None => TokenCheck::Unknown(Unauthenticated::Malformed),
            Some(token) => match callers.find(token, audience).await {
                Ok(principal) => TokenCheck::Known(principal),
                Err(Error::Unauthenticated(reason)) => TokenCheck::Unknown(reason),
                Err(error) => TokenCheck::Unchecked(error.to_string()),
            },
        };
        request.extensions_mut().insert(checked);
    }
}

impl WaitingStep for Token {
    type Held<'s> = Option<LoggedUser>;

    async fn enter(&self, request: &mut Request) -> Result<Option<LoggedUser>, Response> {
        self.check(request).await;
        Ok(match request.extensions().get() {
            Some(TokenCheck::Known(principal)) => Some(LoggedUser(principal.account_id)),
            _ => None,
        })
    }

    fn leave(&self, user: Option<LoggedUser>, answer: &mut Response) {
        if let Some(user) = user {
            answer.extensions_mut().insert(user);
        }
    }
}
