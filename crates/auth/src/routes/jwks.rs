//! `GET /.well-known/jwks.json`: the keys that verify our tokens, for whoever checks them without asking us.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

use crate::Auth;

/// Short: a new key signs at once. Who meets an unknown `kid` asks again.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];

/// The keys that verify access tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "key_set", tag = "sessions",
    responses((status = 200, body = Object, content_type = "application/jwk-set+json", description = "A JSON Web Key Set (RFC 7517)")))]
pub(super) async fn handle(State(auth): State<Arc<Auth>>) -> impl IntoResponse {
    (HEADERS, auth.key_set().to_string())
}
