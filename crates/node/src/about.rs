//! What a process says of itself to others of its deployment that ask: nothing is done for it, so `primetrade doctor` may.

use axum::Router;
use axum::routing::get;
use mesh::{Answer, OfService};
use serde::{Deserialize, Serialize};
use storage::{Database, StoreError};

use crate::roles::Roles;

/// Who answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// As `--role` takes them.
    pub roles: Vec<String>,
    pub version: String,
    /// Why it is not ready, if it is not.
    #[serde(default)]
    pub unready: Option<String>,
}

impl About {
    pub const PATH: &str = "/internal/about";

    /// The endpoint, behind the edge that asks for a statement.
    pub fn routes(roles: Roles, databases: Vec<Database>) -> Router {
        let about = async move |_: OfService| {
            let roles = roles.iter().map(str::to_owned).collect();
            let unready = ready(databases.iter()).await.err().map(|error| error.to_string());
            Answer(Ok(About { roles, version: env!("CARGO_PKG_VERSION").into(), unready }))
        };
        Router::new().route(About::PATH, get(about))
    }
}

/// Whether every database answers, and has about the time of this process.
///
/// # Errors
/// `Unavailable`, `Clock`.
pub async fn ready(databases: impl Iterator<Item = &Database>) -> Result<(), StoreError> {
    for database in databases {
        database.ping().await?;
        database.check_clock()?;
    }
    Ok(())
}
