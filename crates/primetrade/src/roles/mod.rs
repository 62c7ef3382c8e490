//! The roles of a deployment. A process has all of them, or some; what it has not, it asks of the processes that have it.
//!
//! Each role is a struct: `create` opens what it needs, `start` begins what runs beside requests.

mod about;
mod auth;
mod data;
mod gateway;
mod notifications;
mod products;
mod set;
mod users;

pub use self::about::{About, ready};
pub use self::auth::AuthRole;
pub use self::data::ServiceData;
pub use self::gateway::GatewayRole;
pub use self::notifications::NotificationsRole;
pub use self::products::ProductsRole;
pub use self::set::{Role, Roles};
pub use self::users::UsersRole;

use std::sync::Arc;

use ::gateway::EdgeSettings;
use mesh::upstream::{self, Balance, Upstream};
use mesh::{Envoy, Peer};
use platform::Context;
use platform::tasks::WriteTasks;
use storage::clock::ProcessClock;

use crate::Failure;
use crate::config::Config;

/// Writes in progress at most, per process.
const WRITES: u32 = 8_192;

/// What the roles are opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Brings the schema up to date first, or refuses one that is not.
    Serve { migrate: bool },
    /// One piece of work; tokens are neither issued nor checked.
    Command,
}

/// What roles are made of.
pub struct Deps {
    pub config: Config,
    pub roles: Roles,
    pub context: Context,
    /// What `context` goes by.
    pub clock: Arc<ProcessClock>,
    pub tasks: WriteTasks,
    pub purpose: Purpose,
    /// Signs what this process asks of others, and knows what they sign. A process that has all roles has nobody to speak with.
    pub envoy: Option<Arc<Envoy>>,
    upstreams: Vec<(Role, Arc<Upstream>)>,
}

impl Deps {
    /// # Errors
    /// When the key that processes share cannot be read or made.
    pub fn new(config: &Config, roles: Roles, purpose: Purpose) -> Result<Self, Failure> {
        let clock = Arc::<ProcessClock>::default();
        let context = Context::new(Arc::clone(&clock) as _);
        let envoy = match roles.are_alone(config) || purpose == Purpose::Command {
            true => None,
            false => Some(Arc::new(Envoy::open(&config.internal.key_file, context.clone())?)),
        };
        let elsewhere = roles.asked().filter(|role| !config.upstreams.of(*role).is_empty());
        let upstream = |role| upstream::Settings { envoy: envoy.clone(), ..upstream_settings(config, role) };
        let upstreams = elsewhere.map(|role| (role, Upstream::start(upstream(role)))).collect();
        let tasks = WriteTasks::new(WRITES, config.http.request_timeout);
        Ok(Self { config: config.clone(), roles, context, clock, tasks, purpose, envoy, upstreams })
    }

    /// A service that runs elsewhere, as `from` asks it.
    ///
    /// # Errors
    /// When no address of it is set.
    pub fn peer(&self, role: Role, from: Role) -> Result<Peer, Failure> {
        let upstream =
            self.upstreams.iter().find(|(known, _)| *known == role).map(|(_, upstream)| Arc::clone(upstream));
        let unset = || format!("{from} needs {role}, which is not a role of this process: set upstreams.{role}");
        let upstream = upstream.ok_or_else(unset)?;
        let envoy = Arc::clone(self.envoy.as_ref().ok_or("a process with all roles asks no others")?);
        Ok(Peer { upstream, envoy, from: from.as_str() })
    }

    /// Auth, as the gateway hears of its changes: by calls that wait on purpose, which would make it look slow to the others.
    ///
    /// # Errors
    /// As [`Deps::peer`].
    pub fn auth_feed(&self) -> Result<Peer, Failure> {
        let peer = self.peer(Role::Auth, Role::Gateway)?;
        let settings = upstream_settings(&self.config, Role::Auth);
        let envoy = self.envoy.clone();
        let settings = upstream::Settings { name: "auth-changes", balance: Balance::RoundRobin, envoy, ..settings };
        Ok(Peer { upstream: Upstream::start(settings), ..peer })
    }

    /// How a listener bounds what it takes.
    pub fn edge(&self) -> EdgeSettings {
        let http = &self.config.http;
        EdgeSettings {
            body_limit: http.body_limit,
            request_timeout: http.request_timeout,
            max_requests: http.max_requests,
            trusted_proxies: http.trusted_proxies.clone(),
            // Validated as origins, so they are header values.
            cors_origins: http.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect(),
        }
    }
}

pub fn upstream_settings(config: &Config, role: Role) -> upstream::Settings {
    upstream::Settings {
        name: role.as_str(),
        addresses: config.upstreams.of(role).to_vec(),
        protocol: config.upstreams.protocol,
        // Who tries to log in is counted by the process that is asked: it has to be the same one each time, see `gateway::proxy`.
        balance: if role == Role::Auth { Balance::Sticky } else { config.upstreams.balance },
        // One service that hangs leaves room for the others.
        max_in_flight: (config.http.max_requests / 2).max(64),
        envoy: None,
    }
}
