//! What a process says of itself to others of its deployment that ask: nothing is done for it, so `primetrade doctor` may.

use axum::Router;
use axum::routing::get;
use platform::internal::{Answer, OfService};
use serde::{Deserialize, Serialize};

use super::Roles;

/// Who answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// As `--role` takes them.
    pub roles: Vec<String>,
    pub version: String,
}

impl About {
    pub const PATH: &str = "/internal/about";

    /// The endpoint, behind the edge that asks for a statement.
    pub fn routes(roles: Roles) -> Router {
        let roles = roles.iter().map(|role| role.to_string()).collect();
        let about = About { roles, version: env!("CARGO_PKG_VERSION").into() };
        Router::new().route(About::PATH, get(async move |_: OfService| Answer(Ok(about))))
    }
}
