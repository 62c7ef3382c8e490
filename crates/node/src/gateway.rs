//! The front door.

use std::sync::Arc;

use ::gateway::proxy::{self, Proxy};
use ::gateway::{Callers, EdgeSettings, Remembered};
use api::openapi::Api;
use auth::Auth;
use axum::Router;
use effects::log::When;
use kernel::SystemClock;
use mesh::feed;
use platform::Context;
use storage::StoreError;
use storage::clock::StoreClock;

use crate::Failure;
use crate::deps::Deps;
use crate::role::Role;
use crate::roles::{self, GATEWAY};

pub struct Gateway {
    callers: Callers,
    context: Context,
    edge: EdgeSettings,
    /// That of auth's database, where auth runs elsewhere.
    clock: Option<Arc<StoreClock>>,
}

impl Gateway {
    /// # Errors
    /// When auth is neither here nor elsewhere.
    pub fn create(deps: &Deps) -> Result<Self, Failure> {
        let context = deps.context.clone();
        let (callers, clock) = match deps.here::<Arc<Auth>>() {
            Some(auth) => (Callers::Here(auth), None),
            None => {
                let clock = Arc::new(StoreClock::start("auth", Arc::new(SystemClock)));
                // What it asks of others is as good as its time.
                deps.clock.follow(&clock);
                let remote = auth::Remote(deps.peer("auth", GATEWAY)?);
                let peer = deps.feed_peer("auth", GATEWAY)?;
                let feed = feed::follow(peer, When::Always, Some(Arc::clone(&clock)));
                (Callers::Elsewhere(Arc::new(Remembered::new(remote, feed, context.clone()))), Some(clock))
            }
        };
        Ok(Self { callers, context, edge: deps.edge(), clock })
    }

    /// # Errors
    /// `Clock` when this process's clock is too far from that of auth's database.
    pub fn check_clock(&self) -> Result<(), StoreError> {
        self.clock.iter().try_for_each(|clock| clock.check())
    }

    /// The endpoints of a service that runs elsewhere.
    ///
    /// # Errors
    /// When no address of it is set.
    pub fn pass(&self, deps: &Deps, role: &Role, described: &Api) -> Result<Router, Failure> {
        let mesh::Peer { upstream, statement_keys, .. } = deps.peer(role.name, GATEWAY)?;
        let proxy = Proxy::new(upstream, statement_keys, self.callers.clone(), role.sticky);
        Ok(proxy::routes(described, role.repeatable_posts, Arc::new(proxy)))
    }

    /// The public's listener: `services` are the endpoints of all of them.
    pub fn router(&self, services: Router) -> Router {
        ::gateway::router(services, roles::described, self.callers.clone(), self.context.clone(), &self.edge)
    }
}
