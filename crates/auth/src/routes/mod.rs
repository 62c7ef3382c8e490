//! HTTP, by API version.

mod jwks;
pub mod v1;
pub mod v2;

use std::sync::Arc;

use platform::http::openapi::Api;
use utoipa_axum::routes;

use crate::Auth;

pub(crate) fn api(auth: Arc<Auth>) -> Api {
    let v2 = v2::router().routes(routes!(jwks::handle));
    Api { v1: v1::router().with_state(Arc::clone(&auth)), v2: v2.with_state(auth) }
}
