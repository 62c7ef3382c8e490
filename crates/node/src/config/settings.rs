//! What a setting is, and all of them by name: those of the table, and those that services declare.

use std::fmt;
use std::sync::OnceLock;

use super::table::COMMON;
use super::{Config, value};

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its name: section and key of the file, joined by dots.
    pub key: &'static str,
    /// In the same notation as the operator's.
    pub default: &'static str,
    /// One sentence, with the unit where a number has one.
    pub doc: &'static str,
    /// Whether the whole value is secret. Passwords inside URLs are hidden everywhere, whatever this says.
    pub secret: bool,
    /// Reads a value into its field; an error says what is expected, and never repeats the value, which may be secret.
    pub apply: &'static Apply,
}

/// See [`Setting::apply`].
pub type Apply = dyn Fn(&mut Config, &str) -> Result<(), String> + Sync;

/// A service, as far as the settings know it.
pub struct DeclaredService {
    pub name: &'static str,
    /// What its database holds; none if it keeps nothing.
    pub holds: Option<&'static str>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl Setting {
    /// The variable that sets it: `PRIMETRADE_HTTP__LISTEN`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }

    /// The flag that sets it, without its dashes: `http-listen`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// Section and key: `http`, `listen`.
    pub fn section_and_name(&self) -> (&'static str, &'static str) {
        self.key.rsplit_once('.').unwrap_or(("", self.key))
    }
}

/// What the names of our environment variables begin with.
pub const PREFIX: &str = "PRIMETRADE_";

static TABLE: OnceLock<Vec<Setting>> = OnceLock::new();

/// Every setting: the common ones, and those that each declared service has.
pub fn settings() -> &'static [Setting] {
    TABLE.get_or_init(undeclared)
}

#[cfg(not(test))]
fn undeclared() -> Vec<Setting> {
    with_services(&[])
}

#[cfg(test)]
use super::tests::table as undeclared;

/// Says which services there are. Before anything else: what is asked for the settings meanwhile hears of none.
pub fn declare(services: &[DeclaredService]) {
    TABLE.get_or_init(|| with_services(services));
}

/// The table with the rows of services: where one keeps its data after its other settings, where it is asked before how.
pub(super) fn with_services(services: &[DeclaredService]) -> Vec<Setting> {
    let mut table = COMMON.to_vec();
    let behind = |table: &[Setting], section: &str| {
        table.iter().rposition(|setting| setting.key.starts_with(section)).map(|last| last + 1)
    };
    let first_upstream = |table: &[Setting]| table.iter().position(|setting| setting.key.starts_with("upstreams."));
    for DeclaredService { name, holds } in services {
        if let Some(holds) = holds {
            let at = behind(&table, &format!("{name}.")).or_else(|| first_upstream(&table)).unwrap_or(table.len());
            table.insert(at, own_database(name, holds));
        }
    }
    let at = first_upstream(&table).unwrap_or(table.len());
    table.splice(at..at, services.iter().map(|service| upstreams(service.name)));
    table
}

// The rows live as long as the process, of which each is made once: they are leaked on purpose.
fn own_database(service: &'static str, holds: &str) -> Setting {
    let apply = move |config: &mut Config, text: &str| {
        let own = &mut config.services.0.entry(service).or_default().database;
        put(own, value::optional(text, value::database))
    };
    Setting {
        key: format!("{service}.database.url").leak(),
        default: "",
        doc: format!("A database for {holds} alone; empty uses database.url.").leak(),
        secret: true,
        apply: Box::leak(Box::new(apply)),
    }
}

fn upstreams(service: &'static str) -> Setting {
    let apply = move |config: &mut Config, text: &str| {
        put(&mut config.services.0.entry(service).or_default().upstreams, value::addresses(text))
    };
    Setting {
        key: format!("upstreams.{service}").leak(),
        default: "",
        doc: format!("Addresses (host:port) of processes with the role {service}; a host name may stand for several.")
            .leak(),
        secret: false,
        apply: Box::leak(Box::new(apply)),
    }
}

/// The setting of that exact key.
pub fn find(key: &str) -> Option<&'static Setting> {
    settings().iter().find(|setting| setting.key == key)
}

/// What settings are called elsewhere.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("http.listen", &["port", "host", "bind", "address", "addr", "listen", "http", "server"]),
    ("http.cors_origins", &["cors", "origins", "origin", "allowed"]),
    ("database.url", &["db", "database", "dsn", "sqlite", "postgres", "postgresql", "data", "dir", "store", "pg"]),
    ("mail.sink", &["smtp", "email", "mails"]),
    ("log.level", &["verbose", "debug", "quiet", "loglevel", "v"]),
    ("log.format", &["color", "colour", "pretty"]),
    ("shop.name", &["name", "title"]),
];

/// What is less alike is not meant.
const LIKE: f64 = 0.4;

/// The setting that is meant by a key: by what it is called elsewhere, else that whose key looks most like it; a right name in a wrong
/// section, or a section alone, counts too.
pub fn nearest(key: &str) -> Option<&'static Setting> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let first = key.split(['.', '_']).next().unwrap_or(key);
    let known = |word: &str| ELSEWHERE.iter().find(|(_, words)| words.contains(&word));
    if let Some((meant, _)) = known(key).or_else(|| known(last)).or_else(|| known(first))
        && settings().iter().all(|setting| alike(key, setting.key) < 0.8)
    {
        return find(meant);
    }
    let score = |setting: &Setting| {
        let (section, name) = setting.section_and_name();
        let whole = alike(key, setting.key);
        // The small share of `whole` decides between sections that hold the same name.
        whole.max(0.7 * alike(last, name).max(alike(key, section)) + 0.1 * whole)
    };
    settings().iter().max_by(|a, b| score(a).total_cmp(&score(b))).filter(|near| score(near) >= LIKE)
}

/// From 0, nothing in common, to 1, equal.
fn alike(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(a, b)
}

pub(super) fn put<T>(field: &mut T, parsed: Result<T, String>) -> Result<(), String> {
    *field = parsed?;
    Ok(())
}
