//! The processes that this one asks: each is looked up, reached, and asked with a statement.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use kernel::Timestamp;
use mesh::upstream::{self, Address, Call, Upstream};
use mesh::{STATEMENT, Speaker, StatementError, StatementKeys};
use node::about::About;
use node::config::Config;
use node::roles::Roles;
use node::upstream_settings;
use platform::Context;
use platform::keys::{KeyRing, Seed};
use tokio::time::Instant;

use super::{Check, Finding};

const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer at most.
const ANSWER: usize = 64 * 1024;
/// Seconds that two clocks may be apart without a word. A statement is refused at thirty.
const APART: i64 = 5;

/// One service, as it is asked.
struct Instance {
    config: Config,
    role: &'static str,
    /// None when there is no key to sign with.
    statement_keys: Option<Arc<StatementKeys>>,
    context: Context,
}

pub fn checks(config: &Config, roles: Roles, context: &Context) -> Vec<Check> {
    let file = &config.internal.key_file;
    // To open an statement_keys would make the key.
    let there = KeyRing::<Seed>::load(file).is_ok();
    let statement_keys = there.then(|| StatementKeys::open(file, context.clone()).ok()).flatten().map(Arc::new);
    let mut checks = Vec::new();
    for role in roles.asked() {
        for address in config.services.of(role).upstreams.iter() {
            let address = address.clone();
            let asked = Instance {
                config: config.clone(),
                role,
                statement_keys: statement_keys.clone(),
                context: context.clone(),
            };
            checks.push(Check::new(asked.name(&address, None), async move { asked.look(&address).await }));
        }
    }
    checks
}

impl Instance {
    fn name(&self, address: &Address, socket: Option<SocketAddr>) -> String {
        let (role, address) = (self.role, address.as_str());
        match socket.map(|socket| socket.to_string()).filter(|socket| socket != address) {
            Some(socket) => format!("upstreams.{role} {address} at {socket}"),
            None => format!("upstreams.{role} {address}"),
        }
    }

    async fn look(&self, address: &Address) -> Vec<Finding> {
        match address.look_up().await {
            Ok(sockets) if !sockets.is_empty() => {
                let looks = sockets
                    .into_iter()
                    .map(|socket| self.instance(self.name(address, Some(socket)), address.clone().at(socket)));
                futures_util::future::join_all(looks).await
            }
            found => {
                let why = found.err().map_or("it stands for no address".into(), |error| error.to_string());
                let advice = format!("Correct the name in upstreams.{}, or what resolves it.", self.role);
                vec![Finding::failed(self.name(address, None), format!("the name is not found: {why}"), advice)]
            }
        }
    }

    async fn instance(&self, name: String, address: Address) -> Finding {
        let tls = match node::tls::caller(&self.config) {
            Ok(tls) => tls,
            Err(error) => return Finding::failed(name, error.to_string(), "Correct the files of internal.tls_ca."),
        };
        // An upstream of its own, so that no other instance answers for this one.
        let settings =
            upstream::Settings { addresses: vec![address], tls, ..upstream_settings(&self.config, self.role) };
        let upstream = Upstream::start(settings);
        let looked = upstream.probe_now().await;
        if let Some(state) = looked.iter().find(|state| !state.healthy) {
            let advice =
                format!("Start the process with the role {} there, or correct upstreams.{}.", self.role, self.role);
            return match &*state.reason {
                "draining" => Finding::warning(name, "is stopping, and gets no requests", "Start it again."),
                "does not answer as it should" => Finding::failed(
                    name,
                    "answers, but not as a service of PrimeTrade does",
                    format!(
                        "Correct upstreams.{}: it may be an admin port, a gateway or another program; services are reached \
                         where they say that they are serving.",
                        self.role
                    ),
                ),
                reason => Finding::failed(name, reason.to_owned(), advice),
            };
        }
        let Some(statement_keys) = &self.statement_keys else {
            let advice = "Bring the file that its processes share; see internal.key_file.";
            return Finding::warning(name, "answers; whether it believes us cannot be told without a key", advice);
        };
        match ask(&upstream, statement_keys).await {
            Ok((status, headers, body)) => self.judge(name, status, &headers, &body),
            Err(why) => Finding::failed(name, format!("is well, but does not answer: {why}"), "Look at its log."),
        }
    }

    fn judge(&self, name: String, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Finding {
        let apart = self.apart(headers);
        match StatementError::told(headers) {
            Some(StatementError::Key) => {
                let file = self.config.internal.key_file.display();
                let found = format!("does not believe this process: its key is not that of {file}");
                return Finding::failed(name, found, "Give both the same internal.key_file, and only that.");
            }
            Some(StatementError::Clock) => {
                let found = format!("does not believe this process: its clock is {}", by(apart));
                return Finding::failed(name, found, "Have both machines keep time by NTP.");
            }
            None => {}
        }
        let strange = |why: &str| {
            let found = format!("answers, but not as a PrimeTrade of this deployment: {status}{why}");
            Finding::failed(name.clone(), found, format!("Correct upstreams.{}: it is something else.", self.role))
        };
        if status == StatusCode::NOT_FOUND {
            let advice = "Renew it with the other processes.";
            return Finding::warning(name, "believes this process, and is of an older release", advice);
        }
        let Ok(about) = kernel::json::from_slice::<About>(body) else { return strange("") };
        if !about.roles.iter().any(|role| role == self.role) {
            return strange(&format!(", with the roles {}", about.roles.join(", ")));
        }
        if let Some(why) = about.unready {
            let advice = format!("Run `primetrade doctor --role {}` with its settings.", about.roles.join(","));
            return Finding::failed(name, format!("answers, but is not ready: {why}"), advice);
        }
        let found = format!("answers and believes this process; release {}", about.version);
        if apart.is_some_and(|apart| apart.abs() > APART) {
            let advice = "Beyond 30 s it is not believed any more: have both machines keep time by NTP.";
            Finding::warning(name, format!("{found}; its clock is {}", by(apart)), advice)
        } else {
            Finding::ok(name, found)
        }
    }

    /// Seconds that the clock of who answered is ahead of ours.
    fn apart(&self, headers: &HeaderMap) -> Option<i64> {
        let there = Timestamp::parse_http(headers.get(header::DATE)?.to_str().ok()?)?;
        Some(there.as_secs() - self.context.now().as_secs())
    }
}

fn by(apart: Option<i64>) -> String {
    match apart {
        Some(ahead) if ahead >= 0 => format!("{ahead} s ahead of this one's"),
        Some(behind) => format!("{} s behind this one's", -behind),
        None => "another".into(),
    }
}

async fn ask(upstream: &Upstream, statement_keys: &StatementKeys) -> Result<(StatusCode, HeaderMap, Bytes), String> {
    let statement = statement_keys.sign(Speaker::Service("doctor".into()), &Method::GET, About::PATH, &[]);
    let statement = statement.ok_or("the question could not be signed")?;
    let request = Request::get(About::PATH).header(STATEMENT, statement).body(Bytes::new());
    let request = request.map_err(|error| error.to_string())?;
    let call = Call { request, deadline: Instant::now() + PATIENCE, repeatable: true, affinity: None };
    let answer = upstream.call(call).await.map_err(|error| error.to_string())?;
    let (parts, body) = answer.into_parts();
    let body = tokio::time::timeout(PATIENCE, body::to_bytes(body, ANSWER)).await;
    let body = body.map_err(|_| "its answer does not end")?.map_err(|error| error.to_string())?;
    Ok((parts.status, parts.headers, body))
}
