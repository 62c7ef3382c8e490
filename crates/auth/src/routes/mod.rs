//! HTTP, by API version.

mod jwks;
pub mod v1;
pub mod v2;

use std::sync::Arc;

use api::openapi::Api;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use platform::RequestId;
use platform::client::{ClientAddress, Https};
use utoipa_axum::routes;

use crate::{Auth, UsedBy};

/// Characters that are kept of how a device names itself.
const MAX_DEVICE: usize = 200;

pub(crate) fn api() -> Api<Arc<Auth>> {
    let v2 = v2::router().routes(routes!(jwks::handle));
    Api { v1: v1::router(), v2 }
}

/// Who uses a session, as the request tells.
struct Client(UsedBy);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let device = agent.map(|agent| agent.chars().take(MAX_DEVICE).collect());
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        Ok(Client(UsedBy { device, address }))
    }
}

/// Whether the client speaks TLS.
struct Encrypted(bool);

impl<S: Sync> FromRequestParts<S> for Encrypted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Encrypted(parts.extensions.get::<Https>().is_some()))
    }
}

/// The request's id, where nobody is logged in.
struct InRequest(Option<String>);

impl<S: Sync> FromRequestParts<S> for InRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(InRequest(RequestId::of(parts).map(str::to_owned)))
    }
}
