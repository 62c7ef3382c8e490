//! `GET /.well-known/jwks.json`: the keys that verify our tokens, for whoever checks them without asking us.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use utoipa::ToSchema;

use crate::Auth;

/// Short: a new key signs at once. Who meets an unknown `kid` asks again.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];

/// A JSON Web Key Set (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct KeySet {
    keys: Vec<JsonWebKey>,
}

/// An Ed25519 key (RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct JsonWebKey {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(example = "Ed25519")]
    crv: String,
    #[schema(example = "sig")]
    r#use: String,
    #[schema(example = "EdDSA")]
    alg: String,
    /// As in the header of the tokens that it verifies.
    kid: String,
    /// The public key, in base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: String,
}

/// The keys that verify access tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "get_key_set", tag = "sessions",
    responses((status = 200, body = KeySet, content_type = "application/jwk-set+json", description = "A JSON Web Key Set (RFC 7517)")))]
pub(super) async fn handle(State(auth): State<Arc<Auth>>) -> impl IntoResponse {
    (HEADERS, auth.key_set().to_string())
}
