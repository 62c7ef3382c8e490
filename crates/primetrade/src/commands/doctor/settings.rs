//! What is valid, and yet deserves a second thought.

use std::path::Path;

use node::config::Config;
use node::roles::{GATEWAY, Roles};
use storage::DatabaseUrl;

use super::{Check, Finding};

pub fn check(config: Config, roles: Roles) -> Check {
    Check::new("settings", async move {
        let mut findings = vec![Finding::ok("settings", format!("valid for the roles {roles}"))];
        findings.extend(exposed(&config, roles));
        findings.extend(relative(&config, roles));
        findings
    })
}

fn exposed(config: &Config, roles: Roles) -> Vec<Finding> {
    let mut findings = Vec::new();
    let public = config.http.listen;
    if roles.has(GATEWAY) && !public.ip().is_loopback() && !config.limits.enabled {
        findings.push(Finding::warning(
            "http.listen",
            format!("{public} can be reached from other machines, and limits.enabled is false: passwords can be guessed at will"),
            "Leave limits.enabled out.",
        ));
    }
    let admin = config.admin.listen;
    if admin.ip().is_unspecified() {
        findings.push(Finding::warning(
            "admin.listen",
            format!("{admin} is on every network of this machine, and tells /metrics to anyone"),
            "Bind it to a private address, or keep others from the port.",
        ));
    }
    findings
}

/// Key files whose place depends on where a process is started.
fn relative(config: &Config, roles: Roles) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut warn = |setting: &str, file: &Path| {
        if file.is_relative() {
            findings.push(Finding::warning(
                setting,
                format!(
                    "{} is looked for in the working directory: started elsewhere, a process makes another",
                    file.display()
                ),
                "Name it by its whole path, the same file for every process.",
            ));
        }
    };
    let on_postgres = matches!(config.database_of("auth"), DatabaseUrl::Postgres(_));
    if roles.has("auth") && (on_postgres || config.auth.key_file.is_some()) {
        warn("auth.key_file", &config.key_file());
    }
    if !roles.are_alone(config) {
        warn("internal.key_file", &config.internal.key_file);
    }
    findings
}
