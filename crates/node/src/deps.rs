//! What the roles of a process are made of: its settings, its time, the way to other processes, and what they offer each other.

use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex, MutexGuard};

use ::gateway::EdgeSettings;
use ::tls::TlsClient;
use effects::jobs::{JobAdmin, JobAdmins};
use effects::log::reader::{EventLog, LocalLog};
use effects::log::{Follower, Source, When};
use mesh::feed;
use mesh::jobs::RemoteJobAdmin;
use mesh::log::RemoteLog;
use mesh::upstream::{self, Balance, Upstream};
use mesh::{Peer, StatementKeys};
use platform::Context;
use platform::tasks::WriteTasks;
use storage::Database;
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
    pub context: Context,
    /// What `context` goes by.
    pub clock: Arc<ProcessClock>,
    pub tasks: WriteTasks,
    pub purpose: Purpose,
    /// Signs what this process asks of others, and knows what they sign. A process that has all roles has nobody to speak with.
    pub statement_keys: Option<Arc<StatementKeys>>,
    /// How those are asked.
    tls: Option<Arc<TlsClient>>,
    upstreams: Vec<(&'static str, Arc<Upstream>)>,
    offers: Mutex<Offers>,
    job_admins: Mutex<JobAdmins>,
    feeds: Mutex<Vec<(&'static str, Database, Arc<Source>)>>,
}

impl Deps {
    /// `asked`: the services that are asked in other processes. `is_alone`: this process has nobody to speak with.
    ///
    /// # Errors
    /// When the key that processes share cannot be read or made.
    pub fn new(
        config: &Config,
        asked: impl Iterator<Item = &'static str>,
        is_alone: bool,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        let clock = Arc::<ProcessClock>::default();
        let context = Context::new(Arc::clone(&clock) as _);
        let statement_keys = if is_alone || purpose == Purpose::Command {
            None
        } else {
            Some(Arc::new(StatementKeys::open(&config.internal.key_file, context.clone())?))
        };
        let tls = crate::tls::caller(config)?;
        let elsewhere = asked.filter(|service| !config.services.of(service).upstreams.is_empty());
        let upstream = |service| upstream::Settings {
            statement_keys: statement_keys.clone(),
            tls: tls.clone(),
            ..upstream_settings(config, service)
        };
        let upstreams = elsewhere.map(|service| (service, Upstream::start(upstream(service)))).collect();
        let tasks = WriteTasks::new(WRITES, config.http.request_timeout);
        let (offers, job_admins, feeds) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self {
            config: config.clone(),
            context,
            clock,
            tasks,
            purpose,
            statement_keys,
            tls,
            upstreams,
            offers,
            job_admins,
            feeds,
        })
    }

    /// Has those who are made later find this.
    pub fn offer<T: Send + Sync + 'static>(&self, offer: T) {
        lock(&self.offers).add(offer);
    }

    /// What a role of this process offers, if it has that.
    pub fn here<T: Clone + 'static>(&self) -> Option<T> {
        lock(&self.offers).find()
    }

    /// Has others of this process hear what changes in a service.
    pub fn offer_feed(&self, service: &'static str, database: Database, changes: Arc<Source>) {
        lock(&self.feeds).push((service, database, changes));
    }

    /// The changes of a service that is here or can be asked, followed while somebody of the role `from` wants to know.
    ///
    /// # Errors
    /// As [`Deps::peer`].
    pub fn follow(&self, service: &'static str, from: &'static str) -> Result<Arc<Follower>, Failure> {
        if let Some((_, database, changes)) = lock(&self.feeds).iter().find(|(known, _, _)| *known == service) {
            return Ok(Follower::beside(database, Arc::clone(changes)));
        }
        Ok(feed::follow(self.feed_peer(service, from)?, When::Wanted, None))
    }

    /// The event log of a service that is here or can be asked, as the role `from` reads it.
    ///
    /// # Errors
    /// As [`Deps::peer`].
    pub fn log(&self, service: &'static str, from: &'static str) -> Result<Arc<dyn EventLog>, Failure> {
        if let Some((_, database, _)) = lock(&self.feeds).iter().find(|(known, _, _)| *known == service) {
            return Ok(Arc::new(LocalLog::of(database.clone())));
        }
        Ok(Arc::new(RemoteLog(self.peer(service, from)?)))
    }

    /// Has administrators reach the jobs of a service.
    pub fn offer_jobs(&self, service: &'static str, jobs: Arc<dyn JobAdmin>) {
        lock(&self.job_admins).push((service, jobs));
    }

    /// The jobs of the services that are here or can be asked, as `from` asks them.
    ///
    /// # Errors
    /// As [`Deps::peer`].
    pub fn all_jobs(&self, services: &[&'static str], from: &'static str) -> Result<JobAdmins, Failure> {
        let here = lock(&self.job_admins);
        let of = |service: &'static str| -> Result<Arc<dyn JobAdmin>, Failure> {
            match here.iter().find(|(known, _)| *known == service) {
                Some((_, jobs)) => Ok(Arc::clone(jobs)),
                None => Ok(Arc::new(RemoteJobAdmin(self.peer(service, from)?))),
            }
        };
        services.iter().map(|service| Ok((*service, of(service)?))).collect()
    }

    /// A service that runs elsewhere, as `from` asks it.
    ///
    /// # Errors
    /// When no address of it is set.
    pub fn peer(&self, service: &'static str, from: &'static str) -> Result<Peer, Failure> {
        let upstream =
            self.upstreams.iter().find(|(known, _)| *known == service).map(|(_, upstream)| Arc::clone(upstream));
        let unset = || format!("{from} needs {service}, which is not a role of this process: set upstreams.{service}");
        let upstream = upstream.ok_or_else(unset)?;
        let statement_keys = Arc::clone(self.statement_keys.as_ref().ok_or("a process with all roles asks no others")?);
        Ok(Peer { to: service, upstream, statement_keys, from })
    }

    /// A service, as `from` hears of its changes: by calls that wait on purpose, which would make it look slow to the others.
    ///
    /// # Errors
    /// As [`Deps::peer`].
    pub fn feed_peer(&self, service: &'static str, from: &'static str) -> Result<Peer, Failure> {
        let peer = self.peer(service, from)?;
        let settings = upstream_settings(&self.config, service);
        let (statement_keys, tls) = (self.statement_keys.clone(), self.tls.clone());
        // One a service, and there are few.
        let name = format!("{service}-changes").leak();
        let settings = upstream::Settings { name, balance: Balance::RoundRobin, statement_keys, tls, ..settings };
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

/// How a service in other processes is asked.
pub fn upstream_settings(config: &Config, service: &'static str) -> upstream::Settings {
    upstream::Settings {
        name: service,
        addresses: config.services.of(service).upstreams.clone(),
        protocol: config.upstreams.protocol,
        // Who tries to log in is counted by the process that is asked: it has to be the same one each time, see `gateway::proxy`.
        balance: if service == "auth" { Balance::Sticky } else { config.upstreams.balance },
        // One service that hangs leaves room for the others.
        max_in_flight: (config.http.max_requests / 2).max(64),
        statement_keys: None,
        tls: None,
    }
}

/// What the roles of a process offer each other, by type.
#[derive(Default)]
struct Offers(Vec<(TypeId, Box<dyn Any + Send + Sync>)>);

impl Offers {
    fn add<T: Send + Sync + 'static>(&mut self, offer: T) {
        self.0.push((TypeId::of::<T>(), Box::new(offer)));
    }

    fn find<T: Clone + 'static>(&self) -> Option<T> {
        let (_, found) = self.0.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        found.downcast_ref::<T>().cloned()
    }
}

/// Whole values are put in under these locks: a poisoned one is usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
