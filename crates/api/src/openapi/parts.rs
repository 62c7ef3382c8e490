//! Parts of operations that many have: headers and ids that are read, and refusals.

use std::collections::BTreeMap;

use utoipa::openapi::{self, RefOr};
use utoipa::{IntoParams, IntoResponses};
use uuid::Uuid;

use super::{Version, refusal};

/// The `{id}` of a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
pub struct IdInPath {
    id: Uuid,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub struct IfMatchHeader {
    /// The ETag of the version that is to be changed, as the last answer gave it (of a product such as `"1-managed"`, of an account
    /// `"1-account"`), or several, separated by commas. Only the version counts: `"1"`, and what a proxy made weak (`W/"1-managed"`), do
    /// too. `*`, alone, for any. What is no entity tag is refused as `malformed-header`, another version as `stale-version`.
    #[param(rename = "If-Match", example = "\"1-managed\"")]
    if_match: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub struct IfNoneMatchHeader {
    /// The ETag of what the client has.
    #[param(rename = "If-None-Match", required = false, nullable = false)]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub struct IdempotencyKeyHeader {
    /// 1 to 255 visible ASCII characters. The same request with the same key has one effect, and gets the same answer for
    /// 24 hours, then with `Idempotent-Replayed: true`. Two keys that differ are refused as `malformed-header`.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// Declares that an endpoint of v2 refuses what belongs to others, though the caller may see it.
pub struct NotTheirs;

impl IntoResponses for NotTheirs {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        declared(403)
    }
}

/// Declares that an endpoint of v2 refuses what the present state does not allow.
pub struct InConflict;

impl IntoResponses for InConflict {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        declared(409)
    }
}

/// Declares how a batch is refused as a whole, for what its items are refused for.
pub struct RefusedBatch;

impl IntoResponses for RefusedBatch {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        [403, 404, 409, 412].into_iter().flat_map(declared).collect()
    }
}

fn declared(status: u16) -> BTreeMap<String, RefOr<openapi::Response>> {
    BTreeMap::from([(status.to_string(), RefOr::T(refusal(status, Version::V2)))])
}
