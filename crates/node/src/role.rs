//! What a role is: a service that a process may have, and that others may ask.

use ::gateway::proxy::Sticky;
use api::openapi::Api;
use async_trait::async_trait;
use axum::Router;
use futures_util::future::BoxFuture;
use kernel::Error;

use crate::Failure;
use crate::data::ServiceData;
use crate::deps::Deps;
use crate::place::Keeps;

/// A role, before any process has it.
pub struct Role {
    /// As `--role` and the settings have it, and the name of its database.
    pub name: &'static str,
    /// The services that it asks, in this process or another.
    pub needs: &'static [&'static str],
    pub keeps: Option<&'static Keeps>,
    /// What describes the endpoints that the public has of it, if any. Nothing is opened for it.
    pub described: Option<fn() -> Api>,
    /// Which requests a gateway passes on to the same process each time.
    pub sticky: Sticky,
    /// Paths on which a gateway may send POST twice.
    pub repeatable_posts: &'static [&'static str],
    pub create: Create,
}

/// Makes the role of a process. It offers to those after it what they ask of it.
pub type Create = for<'d> fn(&'d Deps) -> BoxFuture<'d, Result<Box<dyn Service>, Failure>>;

/// A role, as a process has it.
#[async_trait]
pub trait Service: Send + Sync {
    /// Begins what runs beside requests.
    fn start(&self) {}

    /// The public's endpoints.
    fn api(&self) -> Router {
        Router::new()
    }

    /// Those of other processes, beside what each database of a service has.
    fn internal(&self) -> Router {
        Router::new()
    }

    /// Its databases.
    fn data(&self) -> Vec<&ServiceData> {
        Vec::new()
    }

    /// Tells the metrics what only a look shows.
    async fn measure(&self) -> Result<(), Error> {
        Ok(())
    }
}
