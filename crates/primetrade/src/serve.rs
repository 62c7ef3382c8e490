//! `primetrade serve`: opens, listens, drains.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use platform::http::server::{self, Protocols};
use platform::telemetry::metrics::{TEXT_FORMAT, metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, Purpose, Schema};
use crate::commands;
use crate::config::Config;
use crate::{Failure, Outcome};

/// Connections of operators and probes at most.
const ADMIN_CONNECTIONS: usize = 256;
/// How long `/metrics` waits for the databases.
const MEASURE_TIME: Duration = Duration::from_secs(1);

pub async fn run(config: &Config, demo: bool, no_migrate: bool) -> Result<Outcome, Failure> {
    metrics().describe(env!("CARGO_PKG_VERSION"), env!("PRIMETRADE_REVISION"));
    let schema = if no_migrate { Schema::Require } else { Schema::Migrate };
    let app = Arc::new(App::open(config, Purpose::Serve(schema)).await?);
    app.start_background(config);
    if demo {
        commands::seed_demo(&app).await?;
    }
    // Only now: whoever gets a connection gets a server that is ready.
    let public = bind(config.http.listen, "http.listen")?;
    let admin = bind(config.admin.listen, "admin.listen")?;
    say!("PrimeTrade is serving on http://{}", public.local_addr()?);
    say!("Admin (health, metrics) on http://{}", admin.local_addr()?);
    say!("Data: {:?}", config.database.url);
    match demo {
        true => commands::print_demo_credentials(),
        false => {
            say!("To become administrator: primetrade admin create --username NAME --email ADDRESS --password-stdin")
        }
    }
    let (stop, stopping) = watch::channel(false);
    let (ready, readiness) = watch::channel(true);
    let settings = |max_connections| server::Settings { max_connections, protocols: Protocols::Http1 };
    let public_settings = settings(config.http.max_connections);
    let public = server::serve(public, app.router(config), public_settings, stopping.clone());
    let probes = probes(Probes { app: Arc::clone(&app), ready: readiness });
    let admin = server::serve(admin, probes, settings(ADMIN_CONNECTIONS), stopping);
    let drain_delay = config.http.drain_delay;
    let shutdown = async {
        let asked = asked_to_stop().await;
        // Load balancers see the readiness go before connections are refused.
        let _ = ready.send(false);
        tracing::info!(event = "server.draining", "shutting down");
        tokio::time::sleep(drain_delay).await;
        let _ = stop.send(true);
        asked
    };
    let ((), (), asked) = tokio::join!(public, admin, shutdown);
    app.close().await;
    asked.map(|()| Outcome::Done).map_err(Into::into)
}

fn bind(address: std::net::SocketAddr, setting: &str) -> Result<tokio::net::TcpListener, Failure> {
    server::bind(address).map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another address with the setting {setting}").into()
    })
}

async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[derive(Clone)]
struct Probes {
    app: Arc<App>,
    ready: watch::Receiver<bool>,
}

fn probes(state: Probes) -> Router {
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
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(event = "readiness.failed", error = %error, "a database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "a database does not answer\n")
        }
    }
}

async fn tell(State(state): State<Probes>) -> impl IntoResponse {
    // A database that hangs must not hide the rest, least of all then.
    let _ = tokio::time::timeout(MEASURE_TIME, state.app.measure()).await;
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics().text())
}
