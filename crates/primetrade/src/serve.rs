//! `primetrade serve`: opens, listens, drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::future::join_all;
use mesh::STATEMENT;
use net::pinned::PinnedThreads;
use net::server as http_server;
use net::server::Protocols;
use node::app::App;
use node::config::Config;
use node::roles::{self, GATEWAY, Roles};
use node::{Failure, Purpose, stores};
use platform::telemetry::metrics::{TEXT_FORMAT, metrics};
use platform::telemetry::{Recurring, trace};
use storage::StoreError;
use storage::sqlite::servers::{self, Attendance};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::{Outcome, commands};

/// Connections of operators and probes at most.
const ADMIN_CONNECTIONS: usize = 256;
/// What the listener of clients is called.
const SERVING: &str = "PrimeTrade is serving";
/// How long `/metrics` waits for the databases.
const MEASURE_TIME: Duration = Duration::from_secs(1);

/// What `serve` is told beside its settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Fill an example shop first.
    pub demo: bool,
    /// Serve a store although everybody knows the password of its administrator.
    pub allow_demo_accounts: bool,
    /// Leave the schema as it is.
    pub no_migrate: bool,
}

pub async fn run(config: &Config, roles: Roles, flags: Flags) -> Result<Outcome, Failure> {
    let (service, version) = (roles.service_name(), env!("CARGO_PKG_VERSION"));
    metrics().describe(&service, version, env!("BUILD_REVISION"));
    metrics().http.know(roles::described().endpoints());
    if let Some(collector) = config.telemetry.otlp_endpoint.clone() {
        trace::start(trace::Service { name: service.into(), version }, collector, config.telemetry.sample_ratio);
    }
    let app = Arc::new(App::create(config, roles, Purpose::Serve { migrate: !flags.no_migrate }).await?);
    let (_attendances, warnings) = attend(config, roles);
    let demo = if flags.demo { Some(commands::seed_demo(&app).await?) } else { None };
    if demo.is_none() && !flags.allow_demo_accounts {
        commands::refuse_demo_accounts(&app).await?;
    }
    // Before anybody is told that it serves: whoever stops it at once is to find it drained.
    let asked_to_stop = asked_to_stop()?;
    app.start();
    let (stop, stopping) = watch::channel(false);
    let (ready, readiness) = watch::channel(true);
    let probes = Probes { app: Arc::clone(&app), ready: readiness, unready: Arc::default() };
    // Only now: whoever gets a connection gets a server that is ready.
    let mut listeners = Vec::new();
    for resource in resources(config, roles, &app, probes)? {
        listeners.push((bind(resource.address, resource.setting)?, resource));
    }
    // All or none: who reads that it serves may rely on it.
    let mut serving = Vec::new();
    let mut banner = Vec::new();
    for (listener, resource) in listeners {
        let (address, scheme) = (listener.local_addr()?, resource.scheme());
        let Resource { words, router, settings, .. } = resource;
        banner.push(format!("{words} on {scheme}://{address}"));
        if words == SERVING && roles.has(GATEWAY) {
            banner.push(format!("API page: {scheme}://{}/api-docs", reachable(address)));
        }
        serving.push(http_server::serve(listener, router, settings, stopping.clone()));
    }
    banner.extend(about(config, roles, demo.as_ref()));
    banner.extend(warnings);
    // All of it at once, so that no line of the log is in between.
    crate::print(std::io::stdout(), format_args!("{}", banner.join("\n")));
    tracing::info!(event = "server.started", %roles, version, "serving");
    let drain_delay = config.http.drain_delay;
    let shutdown = async {
        asked_to_stop.await;
        // Load balancers see the readiness go before connections are refused.
        let _ = ready.send(false);
        tracing::info!(event = "server.draining", "shutting down");
        let drain = async {
            tokio::time::sleep(drain_delay).await;
            let _ = stop.send(true);
        };
        tokio::join!(drain, app.stop_jobs());
    };
    tokio::join!(join_all(serving), shutdown);
    app.close().await;
    trace::flush().await;
    tracing::info!(event = "server.stopped", "drained");
    Ok(Outcome::Done)
}

/// Says to other servers that this one works on the SQLite folders of its roles, and returns what the operator is to know if others do.
fn attend(config: &Config, roles: Roles) -> (Vec<Attendance>, Vec<String>) {
    let (name, mut warnings) = (platform::process_name(), Vec::new());
    let attended = stores::folders(config, roles).into_iter().map(|folder| {
        let (attendance, others) = servers::attend(&folder, &name)?;
        if !others.is_empty() {
            let (folder, others) = (folder.display(), others.join(", "));
            let message = "another server works on this folder: stop one of them, SQLite wants one process";
            tracing::warn!(event = "store.shared", %folder, server = name, others, "{message}");
            warnings.push(format!(
                "Warning: {folder} is served by {others} too. Stop one of them: SQLite wants one process"
            ));
        }
        Ok(attendance)
    });
    let known = attended.filter_map(|attended: std::io::Result<Attendance>| {
        // A network file system without locks, for example.
        let unknown = |error| tracing::info!(event = "store.unattended", %error, "other servers cannot be known");
        attended.map_err(unknown).ok()
    });
    (known.collect(), warnings)
}

/// Something that is served.
struct Resource {
    /// What it is called to the operator.
    words: &'static str,
    setting: &'static str,
    address: SocketAddr,
    router: Router,
    settings: http_server::Settings,
}

impl Resource {
    fn scheme(&self) -> &'static str {
        if self.settings.tls.is_some() { "https" } else { "http" }
    }
}

fn resources(config: &Config, roles: Roles, app: &App, probes: Probes) -> Result<Vec<Resource>, Failure> {
    let pinned = if roles.is_gateway() { Some(PinnedThreads::start()?) } else { None };
    let bounded = |max_connections, protocols, tls| http_server::Settings {
        max_connections,
        protocols,
        tls,
        pinned: pinned.clone(),
    };
    let (http, connections) = (config.http.listen, config.http.max_connections);
    let (first, mut resources) = (SERVING, Vec::new());
    let public = app.public()?;
    let internal_at = match public {
        Some(_) => config.internal.listen.map(|address| ("Services for other processes", "internal.listen", address)),
        None => Some((first, "http.listen", http)),
    };
    if let Some(router) = public {
        let settings = bounded(connections, Protocols::Http1, node::tls::public(config)?);
        resources.push(Resource { words: first, setting: "http.listen", address: http, router, settings });
    }
    if let Some(((words, setting, address), router)) = internal_at.zip(app.internal()) {
        // What tells gateways whether to go on asking needs no statement: it says nothing else.
        let router = router.merge(health(probes.clone()));
        let settings = bounded(connections, Protocols::Http1AndH2c, node::tls::internal(config)?);
        resources.push(Resource { words, setting, address, router, settings });
    }
    let settings = http_server::Settings { pinned: None, ..bounded(ADMIN_CONNECTIONS, Protocols::Http1, None) };
    let router = admin(probes);
    let (words, setting) = ("Admin (health, metrics)", "admin.listen");
    resources.push(Resource { words, setting, address: config.admin.listen, router, settings });
    Ok(resources)
}

/// What the operator is to know at once. `demo`: of the demo shop.
fn about(config: &Config, roles: Roles, demo: Option<&commands::LogIns>) -> Vec<String> {
    let mut lines = vec![format!("Shop: {}", config.shop.name)];
    if !roles.is_all() {
        lines.push(format!("Roles: {roles}"));
    }
    if roles.has("auth") || roles.has("products") {
        lines.push(format!("Data: {:?}", config.database.url));
    }
    match &config.mail.sink {
        _ if !roles.has("auth") => {}
        Some(folder) => lines.push(format!("Mails: files in {}", folder.display())),
        None => lines.push("No mails are written: name a folder for them with mail.sink".into()),
    }
    match demo {
        Some(log_ins) => lines.extend(log_ins.lines()),
        None if roles.has("auth") => {
            let command = "primetrade admin create --username NAME --email ADDRESS --password-stdin";
            lines.push(format!("To become administrator: {command}"));
        }
        None => {}
    }
    lines.push("Settings: primetrade help settings, primetrade config print".into());
    lines
}

/// An address that a browser on this machine may open.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn bind(address: SocketAddr, setting: &str) -> Result<tokio::net::TcpListener, Failure> {
    http_server::bind(address).map_err(|error| {
        let port = if setting == "http.listen" { ", or --port" } else { "" };
        format!("cannot listen on {address}: {error}; choose another address with the setting {setting}{port}").into()
    })
}

/// Ends with the first signal that asks to stop. They are heard from now on, whenever it is waited for.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[derive(Clone)]
struct Probes {
    app: Arc<App>,
    ready: watch::Receiver<bool>,
    unready: Arc<Recurring>,
}

/// Whether gateways may go on sending requests here. Those that show a statement are told if it is not believed.
fn health(state: Probes) -> Router {
    let look = async |State(state): State<Probes>, method: Method, uri: Uri, headers: HeaderMap| {
        let shown = headers.get(STATEMENT).zip(state.app.statement_keys());
        let doubt =
            shown.and_then(|(statement, statement_keys)| statement_keys.verify(statement, &method, uri.path()).err());
        match doubt {
            Some(doubt) => doubt.into_response(),
            None if !*state.ready.borrow() => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
            None if state.app.check_clocks().is_err() => {
                (StatusCode::SERVICE_UNAVAILABLE, "its clock is wrong\n").into_response()
            }
            None => "ok\n".into_response(),
        }
    };
    Router::new().route("/internal/health", get(look)).with_state(state)
}

fn admin(state: Probes) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        // Nobody listens before the start is over, see above.
        .route("/startupz", get(async || "ok\n"))
        .route("/metrics", get(tell))
        .with_state(state)
}

async fn readyz(State(state): State<Probes>) -> (StatusCode, &'static str) {
    if !*state.ready.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    match state.app.ready().await {
        Ok(()) => {
            state.unready.recovered();
            (StatusCode::OK, "ok\n")
        }
        Err(error) => {
            if let Some(failures) = state.unready.failed() {
                tracing::warn!(event = "readiness.failed", %error, failures, "a database is not as it should be");
            }
            let why = match error {
                StoreError::Clock(_) => "the clock of this machine is not that of a database\n",
                StoreError::Moved(_) => "the file of a database was removed or replaced\n",
                _ => "a database does not answer\n",
            };
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
}

async fn tell(State(state): State<Probes>) -> impl IntoResponse {
    // A database that hangs must not hide the rest, least of all then.
    let _ = tokio::time::timeout(MEASURE_TIME, state.app.measure()).await;
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics().text())
}
