//! The caller, as the edge's token check left it in the request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kernel::error::{Needed, Unauthenticated};
use kernel::{Caller, Error, Principal};
use platform::RequestId;
use serde::{Deserialize, Serialize};

use super::v1;
use super::v2::Refusal;

/// The verdict of the token check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenCheck {
    Known(Principal),
    Unknown(Unauthenticated),
    /// The check itself could not be made; a token is never accepted unseen.
    Unchecked(String),
}

impl TokenCheck {
    fn principal(parts: &Parts) -> Result<Principal, Error> {
        match parts.extensions.get::<TokenCheck>() {
            Some(TokenCheck::Known(principal)) => Ok(principal.clone()),
            Some(TokenCheck::Unknown(reason)) => Err(Error::Unauthenticated(*reason)),
            Some(TokenCheck::Unchecked(why)) => Err(Error::Unavailable(why.clone())),
            None => Err(Error::Unauthenticated(Unauthenticated::Missing)),
        }
    }

    fn admin(parts: &Parts) -> Result<Principal, Error> {
        let caller = Self::principal(parts)?;
        if caller.is_admin() { Ok(caller) } else { Err(Error::Forbidden(Needed::Admin)) }
    }
}

/// Any authenticated caller of API v1.
pub struct V1User(pub Principal);

/// An administrator, in API v1.
pub struct V1Admin(pub Principal);

/// Who asks API v2, where anyone may: a token that is sent must be good all the same.
pub struct V2Caller(pub Option<Principal>);

/// Any authenticated caller of API v2, and in which request.
pub struct V2User {
    pub principal: Principal,
    pub request_id: Option<RequestId>,
}

/// An administrator, in API v2.
pub struct V2Admin(pub V2User);

impl<S: Sync> FromRequestParts<S> for V1User {
    type Rejection = v1::Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, v1::Failure> {
        TokenCheck::principal(parts).map(V1User).map_err(v1::Failure::from)
    }
}

impl<S: Sync> FromRequestParts<S> for V1Admin {
    type Rejection = v1::Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, v1::Failure> {
        let words = v1::Words { forbidden: "Access denied. Admin privileges required.", ..v1::Words::NONE };
        TokenCheck::admin(parts).map(V1Admin).map_err(|error| words.failure(error))
    }
}

impl<S: Sync> FromRequestParts<S> for V2Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match TokenCheck::principal(parts) {
            Ok(principal) => Ok(V2Caller(Some(principal))),
            Err(Error::Unauthenticated(Unauthenticated::Missing)) => Ok(V2Caller(None)),
            Err(error) => Err(error.into()),
        }
    }
}

impl V2User {
    fn new(principal: Principal, parts: &Parts) -> Self {
        V2User { principal, request_id: parts.extensions.get().cloned() }
    }

    /// The request's id, for events.
    pub fn request_id(&self) -> Option<String> {
        self.request_id.as_ref().map(|id| id.as_str().to_owned())
    }
}

impl From<V2User> for Caller {
    fn from(user: V2User) -> Self {
        Caller { request_id: user.request_id(), principal: user.principal, told_of_hidden: false }
    }
}

impl<S: Sync> FromRequestParts<S> for V2User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(V2User::new(TokenCheck::principal(parts)?, parts))
    }
}

impl<S: Sync> FromRequestParts<S> for V2Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(V2Admin(V2User::new(TokenCheck::admin(parts)?, parts)))
    }
}
