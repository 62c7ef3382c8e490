//! HTTP, by API version.

mod jwks;
pub mod v1;
pub mod v2;

use std::sync::Arc;

use platform::http::openapi::Api;
use utoipa_axum::routes;

use crate::Auth;

pub(crate) fn api() -> Api<Arc<Auth>> {
    let v2 = v2::router().routes(routes!(jwks::handle));
    Api { v1: v1::router(), v2 }
}
