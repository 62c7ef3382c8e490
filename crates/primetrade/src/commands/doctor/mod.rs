//! `primetrade doctor`: what a process with some roles would find, why not, and what to do. It changes nothing, and works beside
//! servers that run.

mod certificates;
mod clocks;
mod databases;
mod keys;
mod outside;
mod ports;
mod settings;
mod upstreams;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::SystemClock;
use node::config::Config;
use node::roles::Roles;
use platform::Context;
use serde::Serialize;

use crate::Outcome;

/// How long one check may take. What it waits for has less.
const LIMIT: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    state: State,
    /// What was looked at.
    check: String,
    found: String,
    /// What to do; empty if nothing is.
    advice: String,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { state: State::Ok, check: check.into(), found: found.into(), advice: String::new() }
    }

    fn warning(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, check: check.into(), found: found.into(), advice: advice.into() }
    }

    fn failed(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Failed, check: check.into(), found: found.into(), advice: advice.into() }
    }

    fn tell(&self, json: bool) {
        match json.then(|| serde_json::to_string(self)) {
            Some(Ok(line)) => say!("{line}"),
            _ => say!("{self}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
        };
        // What databases and other machines say may have several lines.
        let line = format!("{state:<9}{}: {}. {}", self.check, self.found, self.advice);
        f.write_str(line.replace(['\r', '\n', '\t'], " ").trim_end())
    }
}

/// Something to look at.
struct Check {
    what: String,
    look: BoxFuture<'static, Vec<Finding>>,
}

impl Check {
    fn new(what: impl Into<String>, look: impl Future<Output = Vec<Finding>> + Send + 'static) -> Self {
        Self { what: what.into(), look: Box::pin(look) }
    }

    async fn done(self) -> Vec<Finding> {
        let Self { what, look } = self;
        tokio::time::timeout(LIMIT, look).await.unwrap_or_else(|_| {
            let advice = "Something that it waits for hangs.";
            vec![Finding::failed(what, format!("not done within {} s", LIMIT.as_secs()), advice)]
        })
    }
}

/// Looks at everything at once, and tells it in one order, as soon as it is known.
pub async fn run(config: &Config, roles: Roles, json: bool) -> Outcome {
    let checks: Vec<Check> = checks(config, roles);
    let style = ProgressStyle::with_template("{spinner} {pos} of {len} looked at").ok();
    let bar = ProgressBar::new(checks.len() as u64);
    let bar = style.into_iter().fold(bar, ProgressBar::with_style);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut findings: FuturesOrdered<_> = checks.into_iter().map(|check| tokio::spawn(check.done())).collect();
    let mut failed = 0;
    while let Some(found) = findings.next().await {
        bar.inc(1);
        let broken = |error: tokio::task::JoinError| vec![Finding::failed("doctor", error.to_string(), "")];
        for finding in found.unwrap_or_else(broken) {
            failed += usize::from(finding.state == State::Failed);
            bar.suspend(|| finding.tell(json));
        }
    }
    bar.finish_and_clear();
    if failed == 0 { Outcome::Done } else { Outcome::Finding }
}

/// The report on settings that are wrong, beyond which nothing can be looked at.
pub fn tell_settings(errors: &str, json: bool) {
    for error in errors.lines() {
        let advice = "docs/settings.md has all settings, `primetrade config print` those in force.";
        Finding::failed("settings", error, advice).tell(json);
    }
}

fn checks(config: &Config, roles: Roles) -> Vec<Check> {
    let context = Context::new(Arc::new(SystemClock));
    let mut checks = vec![settings::check(config.clone(), roles)];
    checks.push(databases::check(config, roles));
    checks.extend(keys::checks(config, roles, &context));
    checks.extend(certificates::checks(config, roles));
    checks.push(ports::check(config.clone(), roles));
    checks.extend(upstreams::checks(config, roles, &context));
    checks.extend(outside::collector(config));
    if roles.has("auth") {
        checks.push(outside::mail_sink(config));
    }
    checks
}
