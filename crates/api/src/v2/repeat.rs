//! Requests of API v2 that may be repeated with an `Idempotency-Key`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use effects::idempotency::{Answer, Repeat};
use kernel::{Error, Principal, Timestamp};
use platform::RequestId;

use super::Refusal;
use super::refusal::PROBLEM_JSON;
use crate::idempotency;

/// What of a request matters when it is repeated, beside its body.
pub struct Repeatable {
    headers: HeaderMap,
    request_id: Option<RequestId>,
}

impl<S: Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { headers: parts.headers.clone(), request_id: parts.extensions.get().cloned() })
    }
}

impl Repeatable {
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
    }

    /// The repeat of a request that carries a key. `path`: what was asked, in the one form that it has. `404`, `409 conflict` and
    /// `insufficient-stock` are as final as success: who repeats the request learns the same.
    ///
    /// # Errors
    /// When the key is not of its form, or there are several.
    pub fn by(self, caller: &Principal, path: String, body: &[u8], now: Timestamp) -> Result<Option<Repeat>, Refusal> {
        let Some(claim) = idempotency::claim(&self.headers, caller, &path, body, now)? else { return Ok(None) };
        let refusal = move |error: &Error| {
            let is_final = matches!(
                error,
                Error::NotFound | Error::ReferenceNotFound(_) | Error::Conflict(_) | Error::InsufficientStock(_)
            );
            is_final.then(|| {
                let refusal = Refusal::from(error.clone());
                (refusal.status().as_u16(), refusal.document(&path, self.request_id.as_ref()))
            })
        };
        Ok(Some(Repeat { claim, refusal: Box::new(refusal) }))
    }
}

/// The response of an answer: of a success as `success` has it, of a kept refusal as it was written.
pub fn response(answer: Answer, success: impl FnOnce(&Answer) -> Response) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if status.is_success() {
        success(&answer)
    } else {
        let mut response = super::private_json(status, answer.body);
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        response
    };
    if answer.replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
