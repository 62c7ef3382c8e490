//! Services in other processes, as their callers see them: one thing to call, whichever of its instances answers. Calls are spread,
//! bounded in number and time, kept away from what is not well, and tried again where that does no harm.

mod address;
mod attempt;
mod balance;
mod body;
mod breaker;
mod budget;
mod connections;
mod health;
mod instance;
mod load;
mod resolve;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use kernel::Error;
use prometheus::IntCounter;
use tls::TlsClient;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use address::{Address, AddressError};

use attempt::{Failure, Template, Why, attempt};
use balance::{Choice, Tried};
use body::{Answered, Counted, InFlight, Places};
use breaker::Breaker;
use budget::Budget;
use health::Pace;
use instance::{Health, Instance, Target};
use platform::telemetry::metrics;
use platform::telemetry::trace::Outgoing;

use crate::StatementKeys;

/// Attempts that one call makes at most.
const ATTEMPTS: usize = 3;
/// How long a look at every instance waits for names to be looked up.
const RESOLVE: Duration = Duration::from_secs(3);

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A connection for each call under way, which later calls use again.
    Http1,
    /// HTTP/2 without TLS: one connection for all calls.
    H2c,
}

/// Which instance a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Of two at random, the one with less to do: its latency times its calls. Not for calls that wait on purpose (long polls).
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// Calls with the same [`Affinity`] go to the same instance, for as long as it is well; those without one, to the less loaded.
    Sticky,
}

/// What keeps calls at the same instance, for as long as it is well: those with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// With [`Balance::Sticky`].
    Preferred(u64),
    /// Whatever the balance: the instance remembers something of earlier calls.
    Needed(u64),
}

impl Affinity {
    /// The key, if this balance heeds it.
    fn under(self, balance: Balance) -> Option<u64> {
        match self {
            Self::Needed(key) => Some(key),
            Self::Preferred(key) => (balance == Balance::Sticky).then_some(key),
        }
    }
}

/// What an [`Upstream`] is.
#[derive(Clone)]
pub struct Settings {
    /// The service, for metrics, logs and errors.
    pub name: &'static str,
    pub addresses: Vec<Address>,
    pub protocol: Protocol,
    pub balance: Balance,
    /// Calls of this process at a time, until the bodies of their answers ended. More are refused.
    pub max_in_flight: usize,
    /// Signs looks, so that an instance which would not believe our calls gets none. Without it looks are not signed, and who calls
    /// is answered that they are not believed.
    pub statement_keys: Option<Arc<StatementKeys>>,
    /// How TLS is spoken with them, if it is: with what [`Protocol`] says inside.
    pub tls: Option<Arc<TlsClient>>,
}

/// One call of a service.
#[derive(Debug)]
pub struct Call {
    /// Its URI is a path and a query; which host is asked is decided here. Headers that are about one connection are for the caller
    /// to leave out.
    pub request: Request<Bytes>,
    /// When the answer's head must be there.
    pub deadline: Instant,
    /// Whether doing it twice is as good as once.
    pub repeatable: bool,
    pub affinity: Option<Affinity>,
}

/// What [`Call`] says beside its request.
#[derive(Clone, Copy)]
struct Terms {
    deadline: Instant,
    repeatable: bool,
    affinity: Option<Affinity>,
}

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceState {
    /// As configured.
    pub address: String,
    /// Where that leads.
    pub socket: SocketAddr,
    /// Whether it is asked.
    pub healthy: bool,
    /// In words.
    pub reason: Cow<'static, str>,
}

/// A service in other processes.
pub struct Upstream {
    shared: Arc<Shared>,
    task: AbortHandle,
}

type Instances = Arc<[Arc<Instance>]>;

/// What calls and the task that looks after the instances have in common.
struct Shared {
    name: &'static str,
    protocol: Protocol,
    balance: Balance,
    max_in_flight: usize,
    /// `None` until names have been looked up.
    instances: watch::Sender<Option<Instances>>,
    places: Arc<Places>,
    budget: Budget,
    exhausted: IntCounter,
    breaker: Arc<Breaker>,
    turn: AtomicUsize,
}

impl Upstream {
    /// Starts to look for the instances, and after them, on the runtime that this is called on; until it is dropped. None of them
    /// needs to be there yet.
    pub fn start(settings: Settings) -> Arc<Self> {
        Self::start_at(settings, Pace::default())
    }

    fn start_at(settings: Settings, pace: Pace) -> Arc<Self> {
        let clients = &metrics().clients;
        let (name, now) = (settings.name, Instant::now());
        let targets = settings.addresses.into_iter().map(|address| {
            let series = clients.server(address.as_str());
            let tls = settings.tls.clone();
            Arc::new(Target { service: name, address, series, statement_keys: settings.statement_keys.clone(), tls })
        });
        let targets: Vec<_> = targets.collect();
        let shared = Arc::new(Shared {
            name,
            protocol: settings.protocol,
            balance: settings.balance,
            max_in_flight: settings.max_in_flight,
            instances: watch::Sender::new(None),
            places: Places::new(settings.max_in_flight),
            budget: Budget::start(now),
            exhausted: clients.retries_exhausted(name),
            breaker: Arc::new(Breaker::new(name, clients.breaker(name), now)),
            turn: AtomicUsize::new(0),
        });
        shared.instances.send_replace(resolve::literal(&shared, &targets));
        let task = tokio::spawn(resolve::run(Arc::clone(&shared), targets, pace)).abort_handle();
        Arc::new(Self { shared, task })
    }

    /// The head of the answer, whatever its status; its body is still under way, and for the caller to bound. An answer that switches
    /// protocols can be upgraded as one of hyper's, and is in flight no more then.
    ///
    /// # Errors
    /// `Overloaded` when too many calls are under way; `Unavailable` when there is nobody to ask, or no answer came in time. Whether
    /// the service has done what it was asked is then unknown.
    pub fn call(&self, call: Call) -> impl Future<Output = Result<Response<Body>, Error>> + use<> {
        let Call { request, deadline, repeatable, affinity } = call;
        let mut template = Template::new(request, self.shared.protocol);
        let shared = Arc::clone(&self.shared);
        // An async function would have room for the request twice.
        async move { shared.call(&mut template, Terms { deadline, repeatable, affinity }).await }
    }

    /// The service.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// What is known of the instances.
    pub fn state(&self) -> Vec<InstanceState> {
        let instances = self.shared.instances.borrow().clone();
        instances.iter().flat_map(|all| all.iter()).map(|instance| state(instance, instance.health())).collect()
    }

    /// Looks at every instance once, and tells what was found. Nothing is changed by it.
    pub async fn probe_now(&self) -> Vec<InstanceState> {
        let Ok(instances) = self.shared.instances(Instant::now() + RESOLVE).await else {
            return Vec::new();
        };
        let looks = instances
            .iter()
            .map(|instance| async move { state(instance, health::look(instance, Pace::default()).await.found) });
        join_all(looks).await
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn state(instance: &Instance, health: Health) -> InstanceState {
    InstanceState {
        address: instance.target.address.as_str().to_owned(),
        socket: instance.socket,
        healthy: health.is_available(),
        reason: match instance.dialer.objection().filter(|_| health == Health::Untrusted) {
            Some(objection) => format!("{}: {objection}", health.reason()).into(),
            None => health.reason().into(),
        },
    }
}

impl Shared {
    async fn instances(&self, deadline: Instant) -> Result<Instances, Error> {
        if let Some(instances) = self.instances.borrow().clone() {
            return Ok(instances);
        }
        let mut changes = self.instances.subscribe();
        let found = tokio::time::timeout_at(deadline, changes.wait_for(Option::is_some)).await;
        let found = found.ok().and_then(|found| found.ok()?.clone());
        found.ok_or_else(|| self.unavailable("could not be found in time"))
    }

    fn choose<'i>(&self, instances: &'i [Arc<Instance>], choice: &Choice<'_>) -> Option<&'i Arc<Instance>> {
        choice.among(instances).or_else(|| choice.last_resort(instances))
    }

    async fn call(&self, template: &mut Template, terms: Terms) -> Result<Response<Body>, Error> {
        let Terms { deadline, affinity, .. } = terms;
        let instances = self.instances(deadline).await?;
        let now = Instant::now();
        if now >= deadline {
            return Err(self.unavailable("did not answer in time"));
        }
        let admission = self.breaker.admit(now).ok_or_else(|| self.unavailable("fails most calls"))?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let choice = Choice { balance: self.balance, affinity, turn, tried: &Tried::default(), now };
        let first = self.choose(&instances, &choice).ok_or_else(|| self.unavailable("has no instance that answers"))?;
        let full = Error::Overloaded { what: self.name, retry_after: Duration::from_secs(1) };
        let place = self.places.take().ok_or(full)?;
        self.budget.earn();
        let span = Outgoing::begin(template.method(), self.name);
        span.send(template.headers_mut());
        let result = self.attempts(&instances, first, template, terms, turn).await;
        admission.ended(Instant::now(), result.is_ok());
        match result {
            Ok((answer, in_flight)) => {
                span.answered(answer.status());
                Ok(answer.map(|body| Body::new(Counted::new(body, in_flight, place))))
            }
            Err(Failure { why: Why::Deadline | Why::Abandoned | Why::Hung, .. }) => {
                Err(self.unavailable("did not answer in time"))
            }
            Err(Failure { why: Why::Disbelieved(doubt), .. }) => Err(doubt.refusal(self.name)),
            Err(_) => Err(self.unavailable("cannot be reached")),
        }
    }

    /// Asks one instance after the other, as far as that is allowed.
    async fn attempts(
        &self,
        instances: &[Arc<Instance>],
        first: &Arc<Instance>,
        template: &Template,
        call: Terms,
        turn: usize,
    ) -> Result<(Response<Answered>, InFlight), Failure> {
        let mut deadline = pin!(tokio::time::sleep_until(call.deadline));
        let mut tried = Tried::default();
        let mut instance = first;
        for attempts in 1.. {
            tried.add(instance);
            let choice =
                || Choice { balance: self.balance, affinity: call.affinity, turn, tried: &tried, now: Instant::now() };
            let is_last = attempts == ATTEMPTS;
            let leaves = || !is_last && choice().among(instances).is_some() && self.may_retry(Instant::now(), false);
            let failure = match attempt(instance, template, call.repeatable, deadline.as_mut(), leaves).await {
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            let may = (call.repeatable || !failure.sent) && !matches!(failure.why, Why::Deadline | Why::Hung);
            if is_last || !may {
                return Err(failure);
            }
            instance = self.next(instances, &choice(), failure).ok_or(failure)?;
        }
        // The loop counts to three.
        Err(Failure { sent: true, why: Why::Other })
    }

    /// Where to try again. A retry costs, but a call that was never sent and can go to an instance that is well goes there in any case:
    /// it is no load on what refused it, and when an instance dies, all calls that it is lost for come at once.
    fn next<'i>(
        &self,
        instances: &'i [Arc<Instance>],
        choice: &Choice<'_>,
        failure: Failure,
    ) -> Option<&'i Arc<Instance>> {
        let well = choice.among(instances);
        let again = Choice { tried: &Tried::default(), ..*choice };
        let next = well.or_else(|| choice.last_resort(instances)).or_else(|| match failure.why {
            // Where there is nobody else, a broken connection is worth another, at the same place. A refusal is not.
            Why::Broken | Why::Other => self.choose(instances, &again),
            _ => None,
        })?;
        // One that was given up is paid for already.
        let may = failure.why == Why::Abandoned || self.may_retry(choice.now, !failure.sent && well.is_some());
        may.then_some(next)
    }

    fn may_retry(&self, now: Instant, in_any_case: bool) -> bool {
        let may = self.budget.spend(now) || in_any_case;
        if !may {
            self.exhausted.inc();
        }
        may
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::Unavailable(format!("{} {why}", self.name))
    }
}

#[cfg(test)]
mod tests;
