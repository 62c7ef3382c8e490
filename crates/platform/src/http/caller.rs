//! The caller, as the edge's token check left it in the request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kernel::error::Unauthenticated;
use kernel::{Error, Principal};

use super::{v1, v2};

/// The verdict of the token check.
#[derive(Debug, Clone)]
pub enum Caller {
    Known(Principal),
    Unknown(Unauthenticated),
    /// The check itself could not be made; a token is never accepted unseen.
    Unchecked(String),
}

impl Caller {
    fn principal(parts: &Parts) -> Result<Principal, Error> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Known(principal)) => Ok(principal.clone()),
            Some(Caller::Unknown(reason)) => Err(Error::Unauthenticated(*reason)),
            Some(Caller::Unchecked(why)) => Err(Error::Unavailable(why.clone())),
            None => Err(Error::Unauthenticated(Unauthenticated::Missing)),
        }
    }

    fn admin(parts: &Parts) -> Result<Principal, Error> {
        Self::principal(parts).and_then(|caller| if caller.is_admin() { Ok(caller) } else { Err(Error::Forbidden) })
    }
}

/// Any authenticated caller of API v1.
pub struct V1User(pub Principal);

/// An administrator, in API v1.
pub struct V1Admin(pub Principal);

/// Who asks API v2, where anyone may: a token that is sent must be good all the same.
pub struct V2Caller(pub Option<Principal>);

impl<S: Sync> FromRequestParts<S> for V1User {
    type Rejection = v1::Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, v1::Failure> {
        Caller::principal(parts).map(V1User).map_err(v1::Failure::from)
    }
}

impl<S: Sync> FromRequestParts<S> for V1Admin {
    type Rejection = v1::Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, v1::Failure> {
        let words = v1::Words { forbidden: "Access denied. Admin privileges required.", ..v1::Words::NONE };
        Caller::admin(parts).map(V1Admin).map_err(|error| words.failure(error))
    }
}

impl<S: Sync> FromRequestParts<S> for V2Caller {
    type Rejection = v2::Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, v2::Problem> {
        match Caller::principal(parts) {
            Ok(principal) => Ok(V2Caller(Some(principal))),
            Err(Error::Unauthenticated(Unauthenticated::Missing)) => Ok(V2Caller(None)),
            Err(error) => Err(v2::Problem::of(error, parts)),
        }
    }
}
