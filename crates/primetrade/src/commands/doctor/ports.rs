//! Where this process listens, or would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use net::dialer::Dialer;
use net::server;
use node::config::Config;
use node::roles::{GATEWAY, Roles};
use storage::DatabaseUrl;
use tls::{Pair, TlsClient, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Check, Finding, clocks};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer at most.
const ANSWER: u64 = 1 << 20;

/// Whether the server runs whose settings these are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Runs,
    Absent,
    Unknown,
}

/// What is at an address.
enum There {
    Free,
    /// It cannot be listened on, for this reason.
    Unusable(String),
    /// Somebody listens.
    Taken,
}

pub fn check(config: Config, roles: Roles) -> Check {
    Check::new("listeners", async move {
        let (admin, own) = admin(&config, &roles.service_name()).await;
        let mut findings = Vec::new();
        let (http, internal) = (config.http.listen, config.internal.listen);
        let between = by_tls(node::tls::internal_pair(&config));
        if roles.has(GATEWAY) {
            let public = by_tls(node::tls::public_pair(&config));
            findings.push(listener("http.listen", http, "/health", public, own).await);
            if let Some(internal) = internal {
                findings.push(listener("internal.listen", internal, "/internal/health", between, own).await);
            }
        } else {
            findings.push(listener("http.listen", http, "/internal/health", between, own).await);
        }
        findings.extend(admin);
        findings
    })
}

/// How a listener with this certificate is asked: whatever it shows, which is looked at elsewhere.
fn by_tls(own: Option<Pair>) -> Option<Arc<TlsClient>> {
    TlsClient::open(Trust::Anybody, Some(own?), &[tls::HTTP1]).ok().map(Arc::new)
}

/// The listener that tells who runs.
async fn admin(config: &Config, service: &str) -> (Vec<Finding>, Own) {
    let (setting, address) = ("admin.listen", config.admin.listen);
    if address.port() == 0 {
        return (vec![Finding::ok(setting, format!("{address} takes any free port"))], Own::Unknown);
    }
    match there(address).await {
        There::Free => {
            return (vec![Finding::ok(setting, format!("{address} is free: no server runs here"))], Own::Absent);
        }
        There::Unusable(why) => return (vec![unusable(setting, address, &why)], Own::Absent),
        There::Taken => {}
    }
    let metrics = get(address, "/metrics", None).await.map(|(_, text)| text).unwrap_or_default();
    let Some(runs) = service_of(&metrics) else {
        let found = format!("{address} is taken by something that does not answer as a PrimeTrade does");
        return (vec![Finding::failed(setting, found, advice(setting))], Own::Absent);
    };
    if runs != service {
        let found = format!("{address} is taken by {runs}, which has other roles than these");
        return (vec![Finding::failed(setting, found, advice(setting))], Own::Absent);
    }
    let (lives, ready) = tokio::join!(get(address, "/livez", None), get(address, "/readyz", None));
    let words = |answer: Option<(u16, String)>| answer.map_or("no answer".into(), |(_, text)| text.trim().to_owned());
    let is_ready = ready.as_ref().is_some_and(|(status, _)| *status == 200);
    let found = format!("{service} runs on {address}: /livez says {}, /readyz says {}", words(lives), words(ready));
    let finding = if is_ready {
        Finding::ok(setting, found)
    } else {
        Finding::failed(setting, found, "It gets no requests until /readyz says ok: its log has the reason.")
    };
    let mut findings = vec![finding];
    // Beside SQLite, what leapt is noted in its folder.
    if matches!(config.database_of("auth"), DatabaseUrl::Postgres(_)) {
        findings.extend(clocks::of_server(setting, &metrics));
    }
    (findings, Own::Runs)
}

async fn listener(
    setting: &'static str,
    address: SocketAddr,
    path: &str,
    tls: Option<Arc<TlsClient>>,
    own: Own,
) -> Finding {
    if address.port() == 0 {
        return Finding::ok(setting, format!("{address} takes any free port"));
    }
    match there(address).await {
        There::Unusable(why) => return unusable(setting, address, &why),
        There::Free if own == Own::Runs => {
            let found = format!("nobody listens on {address}, though the server runs");
            return Finding::failed(setting, found, "It is stopping, or was started with other settings.");
        }
        There::Free => return Finding::ok(setting, format!("{address} is free")),
        There::Taken => {}
    }
    let answers = get(address, path, tls).await.filter(|(status, _)| *status == 200 || *status == 503);
    match (answers, own) {
        (Some((200, _)), Own::Runs) => Finding::ok(setting, format!("the server answers on {address}")),
        (Some((200, _)), Own::Unknown) => Finding::ok(setting, format!("a PrimeTrade answers on {address}")),
        (Some(_), Own::Runs) => {
            let advice = "It is stopping, or has too much to do: its log has the reason.";
            Finding::failed(setting, format!("the server on {address} takes no requests"), advice)
        }
        (Some(_), _) => {
            let found = format!("{address} is taken by another PrimeTrade, whose admin.listen is another");
            let advice =
                format!("{} If it is the server that these settings are of, say its --admin-listen.", advice(setting));
            Finding::failed(setting, found, advice)
        }
        (None, Own::Runs) => {
            let advice = "It hangs, or was started with other settings.";
            Finding::failed(setting, format!("the server does not answer {path} on {address}"), advice)
        }
        (None, _) => {
            let found = format!("{address} is taken by something that does not answer as a PrimeTrade does");
            Finding::failed(setting, found, advice(setting))
        }
    }
}

fn advice(setting: &str) -> String {
    format!("Stop what runs there, or choose another address with {setting}.")
}

fn unusable(setting: &str, address: SocketAddr, why: &str) -> Finding {
    Finding::failed(setting, format!("{address} cannot be listened on: {why}"), format!("Correct {setting}."))
}

async fn there(address: SocketAddr) -> There {
    if tokio::time::timeout(PATIENCE, connect(address)).await.is_ok_and(|tried| tried.is_ok()) {
        return There::Taken;
    }
    // Given back at once.
    match server::bind(address) {
        Ok(_) => There::Free,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => There::Taken,
        Err(error) => There::Unusable(error.to_string()),
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    TcpStream::connect((ip, address.port())).await
}

/// Status and body of an answer.
async fn get(address: SocketAddr, path: &str, tls: Option<Arc<TlsClient>>) -> Option<(u16, String)> {
    let exchange = async {
        let mut stream = Dialer::new(tls, "localhost").secure(connect(address).await.ok()?).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        stream.take(ANSWER).read_to_end(&mut bytes).await.ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((status, body.to_owned()))
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}

/// Whose metrics these are.
fn service_of(metrics: &str) -> Option<String> {
    let line = metrics.lines().find(|line| line.starts_with("target_info{"))?;
    line.split("service_name=\"").nth(1)?.split('"').next().map(str::to_owned)
}
