//! Examples of requests and answers.

use std::time::Duration;

use axum::http::HeaderValue;
use kernel::Error;
use kernel::error::{Needed, Unauthenticated};
use platform::RequestId;
use serde_json::{Map, Value};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr};

use super::{Version, takes_header};
use crate::body::BodyError;
use crate::conditional::IfMatch;
use crate::v1::Failure;
use crate::v2::Refusal;
use crate::v2::body::MERGE_PATCH;

/// What a real server was sent and answered, by operation and `request` or status. The scenario `crate::examples` writes it, and
/// fails when a server answers something else.
pub struct Examples {
    version: Version,
    told: Map<String, Value>,
}

impl Examples {
    pub fn of(version: Version) -> Self {
        let told = match version {
            Version::V1 => include_str!("../../../../docs/openapi/examples-v1.json"),
            Version::V2 => include_str!("../../../../docs/openapi/examples-v2.json"),
        };
        // Without examples the same scenario fails.
        Self { version, told: serde_json::from_str(told).unwrap_or_default() }
    }

    /// Adds them to the operation at `path`. Refusals that were not told are worded alike everywhere, or cannot be provoked at
    /// will: those are in the words of the code that answers.
    pub fn add_to(&self, operation: &mut Operation, path: &str) {
        let name = operation.operation_id.clone().unwrap_or_default();
        let told = |what: &str| self.told.get(&format!("{name} {what}")).cloned();
        let repeatable = takes_header(operation, "Idempotency-Key");
        let mut patch = false;
        let conditional = takes_header(operation, "If-Match") && operation.request_body.is_none();
        let for_admins = operation.tags.iter().flatten().any(|tag| FOR_ADMINS.contains(&tag.as_str()));
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            patch = body.content.contains_key(MERGE_PATCH);
            show(body.content.values_mut(), told("request"));
        }
        for (status, response) in &mut operation.responses.responses {
            let (RefOr::T(response), Ok(number)) = (response, status.parse()) else { continue };
            let worded = || match self.version {
                Version::V1 => v1_example(number, repeatable),
                Version::V2 => v2_example(number, path, (patch, conditional, for_admins)),
            };
            show(response.content.values_mut(), told(status).or_else(worded));
        }
    }
}

fn show<'a>(contents: impl Iterator<Item = &'a mut RefOr<Content>>, example: Option<Value>) {
    for content in contents {
        if let RefOr::T(content) = content {
            content.example.clone_from(&example);
        }
    }
}

/// Of these operations only administrators are allowed any.
const FOR_ADMINS: [&str; 2] = ["users", "jobs"];

/// `conditional`: nothing of the request can be malformed but its `If-Match`.
fn v2_example(status: u16, path: &str, (patch, conditional, for_admins): (bool, bool, bool)) -> Option<Value> {
    let request_id = RequestId::sent(&HeaderValue::from_static("0195ea1b-41f7-8e55-8000-5c2f1d0a9b3e"));
    let refusal = match status {
        400 if conditional => IfMatch::malformed().into(),
        403 if for_admins => Error::Forbidden(Needed::Admin).into(),
        415 if patch => Refusal::UnsupportedMediaType(MERGE_PATCH),
        status => Refusal::example(status)?,
    };
    refusal.with_document(path, request_id.as_ref(), |document| serde_json::to_value(document).ok())
}

fn v1_example(status: u16, repeatable: bool) -> Option<Value> {
    let error = match status {
        401 => Error::Unauthenticated(Unauthenticated::Invalid),
        409 if repeatable => Error::IdempotencyInFlight,
        413 => return serde_json::to_value(Failure::from(BodyError::TooLarge(1 << 20)).body()).ok(),
        422 => Error::IdempotencyKeyReused,
        429 => Error::RateLimited { policy: "login".into(), retry_after: Duration::from_secs(2) },
        500 => Error::Internal(String::new()),
        503 => Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) },
        _ => return None,
    };
    serde_json::to_value(Failure::from(error).body()).ok()
}
