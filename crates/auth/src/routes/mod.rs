//! HTTP, by API version.

pub mod v1;

use std::sync::Arc;

use axum::Router;

use crate::Auth;

pub(crate) fn router(auth: Arc<Auth>) -> Router {
    Router::new().nest("/api/v1/auth", v1::router()).with_state(auth)
}
