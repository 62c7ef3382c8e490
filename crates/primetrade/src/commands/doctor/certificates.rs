//! Certificates: whether they can be used, for whom and how long they are, and whether those who ask trust them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kernel::{Clock, SystemClock};
use node::config::Config;
use node::roles::{GATEWAY, Roles};
use tls::{Certificate, Clients, Pair, Roots, Side, TlsServer};

use super::{Check, Finding};
use crate::commands::absolute;

const DAY: Duration = Duration::from_secs(86_400);
/// Days before its end when a certificate should have been replaced.
const SOON: u64 = 14;

pub fn checks(config: &Config, roles: Roles) -> Vec<Check> {
    let public = node::tls::public_pair(config)
        .filter(|_| roles.has(GATEWAY))
        .map(|pair| ("http.tls_cert", pair, Roots::System));
    // Where nobody says whom processes trust, the authorities of the machine are a guess.
    let ca = config.internal.tls_ca.clone().map_or(Roots::System, Roots::File);
    let internal = node::tls::internal_pair(config).map(|pair| ("internal.tls_cert", pair, ca));
    let check = |(setting, pair, roots)| Check::new(setting, async move { look(setting, &pair, &roots) });
    public.into_iter().chain(internal).map(check).collect()
}

fn look(setting: &'static str, pair: &Pair, roots: &Roots) -> Vec<Finding> {
    const REPLACE: &str = "Put a new one there: it is read within a second, and nothing has to be restarted.";
    let usable = TlsServer::open(pair.clone(), Clients::Anybody, &[]);
    let certificate = match usable.and_then(|_| Certificate::read(&pair.certificate)) {
        Ok(certificate) => certificate,
        Err(error) => return vec![Finding::failed(setting, error.to_string(), "Correct the files, or the settings.")],
    };
    let names = if certificate.names.is_empty() { "no name".into() } else { certificate.names.join(", ") };
    let file = absolute(&pair.certificate);
    let lasts = certificate.lasts(Duration::from_micros(SystemClock.now().0.unsigned_abs()));
    let mut findings = vec![match lasts.map(|left| left.as_secs() / DAY.as_secs()) {
        None => Finding::failed(setting, format!("{file}, for {names}, has expired"), REPLACE),
        Some(days) if days < SOON => {
            Finding::warning(setting, format!("{file}, for {names}, expires in {days} days"), REPLACE)
        }
        Some(days) => Finding::ok(setting, format!("{file}, for {names}, valid for {days} days")),
    }];
    // Other processes show theirs as clients, too.
    let sides = if matches!(roots, Roots::File(_)) { &[Side::Server, Side::Client][..] } else { &[Side::Server] };
    if lasts.is_some() {
        findings.extend(sides.iter().find_map(|side| mistrusted(setting, *side, pair, roots)));
    }
    findings.extend(exposed(setting, &pair.key));
    findings
}

/// Whether whoever trusts these authorities takes it.
fn mistrusted(setting: &'static str, side: Side, pair: &Pair, roots: &Roots) -> Option<Finding> {
    let objection = tls::objection(side, pair, roots).unwrap_or_else(|error| Some(error.to_string()))?;
    Some(match roots {
        Roots::File(file) => Finding::failed(
            setting,
            format!("who trusts {} says: {objection}", absolute(file)),
            "Put all that lead to the authority behind it in its file, or correct internal.tls_ca.",
        ),
        // Who else asks may know its authority.
        Roots::System => Finding::warning(
            setting,
            format!("who trusts the authorities of this machine says: {objection}"),
            "Clients need its authority; put all that lead to it behind it in its file.",
        ),
    })
}

fn exposed(setting: &'static str, key: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        let found = format!("its key {} can be read by everybody here (mode {mode:03o})", absolute(key));
        Finding::warning(setting, found, format!("Run `chmod o= {}`.", key.display()))
    })
}
