//! The front door.

use std::sync::Arc;

use api::openapi::Api;
use auth::Auth;
use axum::Router;
use gateway::proxy::{self, Proxy, Sticky};
use gateway::{Callers, EdgeSettings, Remembered};
use kernel::SystemClock;
use platform::Context;
use storage::StoreError;
use storage::clock::StoreClock;

use super::{Deps, Role};
use crate::{Failure, app};

pub struct GatewayRole {
    callers: Callers,
    context: Context,
    edge: EdgeSettings,
    /// That of auth's database, where auth runs elsewhere.
    clock: Option<Arc<StoreClock>>,
}

impl GatewayRole {
    /// `auth`: if this process has it.
    pub fn create(deps: &Deps, auth: Option<&Arc<Auth>>) -> Result<Self, Failure> {
        let context = deps.context.clone();
        let (callers, clock) = match auth {
            Some(auth) => (Callers::Here(Arc::clone(auth)), None),
            None => {
                let clock = Arc::new(StoreClock::start("auth", Arc::new(SystemClock)));
                // What it asks of others is as good as its time.
                deps.clock.follow(&clock);
                let remote = auth::Remote(deps.peer(Role::Auth, Role::Gateway)?);
                let feed = auth::follow(deps.auth_feed()?, Arc::clone(&clock));
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
    pub fn pass(&self, deps: &Deps, role: Role, described: &Api) -> Result<Router, Failure> {
        let mesh::Peer { upstream, envoy, .. } = deps.peer(role, Role::Gateway)?;
        let (sticky, harmless) = match role {
            Role::Auth => (Sticky::Changes, auth::HARMLESS),
            Role::Products => (Sticky::V1Sessions, [].as_slice()),
            _ => (Sticky::Clients, [].as_slice()),
        };
        Ok(proxy::routes(described, harmless, Arc::new(Proxy::new(upstream, envoy, self.callers.clone(), sticky))))
    }

    /// The public's listener: `services` are the endpoints of all of them.
    pub fn router(&self, services: Router) -> Router {
        gateway::router(services, app::described, self.callers.clone(), self.context.clone(), &self.edge)
    }
}
