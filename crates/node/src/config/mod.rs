//! What the operator decides: read once at start, checked as a whole, then passed down as plain values.
//!
//! `settings` is the table where a setting is added; the file, the environment, the flags, `config print` and
//! docs/settings.md all come from it. A value from a later source replaces one from an earlier: default, file,
//! environment, flag.

#[cfg(test)]
mod docs;
mod help;
mod print;
mod settings;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use kernel::Currency;
use mesh::upstream::{Address, Balance, Protocol};
use net::collector::Endpoint;
use platform::trace_context::SampleRatio;
use storage::DatabaseUrl;

pub use help::{help, sections};
pub use settings::{DeclaredService, Setting, declare, find, nearest, settings};
pub use source::Sources;
pub use value::redact;

use source::Given;

/// Every setting, checked. The fields hold numbers and a few short strings: a clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub http: Http,
    pub admin: Admin,
    pub database: Database,
    pub auth: Auth,
    pub products: Products,
    pub services: Services,
    pub upstreams: Upstreams,
    pub internal: Internal,
    pub mail: Mail,
    pub shop: Shop,
    pub jobs: Jobs,
    pub log: Log,
    pub telemetry: Telemetry,
    pub limits: Limits,
}

/// The public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub listen: SocketAddr,
    /// As browsers send them in `Origin`: lower case, without the scheme's own port.
    pub cors_origins: Vec<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub drain_delay: Duration,
    /// Bytes.
    pub body_limit: usize,
    pub request_timeout: Duration,
    pub max_connections: usize,
    pub max_requests: usize,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

/// The listener of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: SocketAddr,
}

/// Where services keep their data unless they have a database of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub url: DatabaseUrl,
    /// The more privileged PostgreSQL account of migrations, if there is one.
    pub migrate_url: Option<DatabaseUrl>,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    /// Connections per service for transactions.
    pub pool_size: usize,
    /// Connections per service that reads share.
    pub shared_connections: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    pub v1_token_lifetime: Duration,
    pub access_token_lifetime: Duration,
    pub refresh_token_lifetime: Duration,
    /// As set; [`Config::key_file`] is the one in use.
    pub key_file: Option<PathBuf>,
    pub hash_threads: usize,
    pub hash_queue: usize,
}

/// What is mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// A folder for development, into which they are written.
    pub sink: Option<PathBuf>,
    pub from: String,
    /// None: the pages of this server.
    pub link_base: Option<String>,
}

/// What is sold here is sold by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shop {
    pub name: String,
}

/// Work that is done some time after the change that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Attempts before a job is parked.
    pub tries: usize,
    /// After the first failure; it doubles with each.
    pub pause: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Products {
    pub currency: Currency,
}

/// How services that this process has not are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstreams {
    pub protocol: Protocol,
    pub balance: Balance,
}

/// What each service has settings of its own for, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services(BTreeMap<&'static str, Service>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Of its own; [`Config::database_of`] is the one in use.
    pub database: Option<DatabaseUrl>,
    /// The processes that have it.
    pub upstreams: Vec<Address>,
}

impl Services {
    /// Nothing of its own, if nothing is set.
    pub fn of(&self, service: &str) -> &Service {
        static NOTHING: Service = Service { database: None, upstreams: Vec::new() };
        self.0.get(service).unwrap_or(&NOTHING)
    }
}

/// How processes of one deployment speak with each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Internal {
    /// Of a gateway's services; other processes have none but `http.listen`.
    pub listen: Option<SocketAddr>,
    pub key_file: PathBuf,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Those of other processes.
    pub tls_ca: Option<PathBuf>,
    pub require_tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: tracing::Level,
}

/// What is told to collectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telemetry {
    pub otlp_endpoint: Option<Endpoint>,
    pub sample_ratio: SampleRatio,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    #[default]
    Auto,
    Json,
    Pretty,
}

impl LogFormat {
    /// Whether to write for human eyes, given whether stderr is a terminal.
    pub fn is_pretty(self, on_terminal: bool) -> bool {
        match self {
            LogFormat::Auto => on_terminal,
            LogFormat::Json => false,
            LogFormat::Pretty => true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    pub enabled: bool,
}

impl Config {
    /// The database of a service: its own, or the common one.
    pub fn database_of(&self, service: &str) -> &DatabaseUrl {
        self.services.of(service).database.as_ref().unwrap_or(&self.database.url)
    }

    /// The key ring file: as set, else beside the accounts.
    pub fn key_file(&self) -> PathBuf {
        match (&self.auth.key_file, self.database_of("auth")) {
            (Some(file), _) => file.clone(),
            (None, DatabaseUrl::Sqlite(folder)) => folder.join("keys.json"),
            (None, DatabaseUrl::Postgres(_)) => PathBuf::from("./primetrade-keys.json"),
        }
    }

    /// A place to apply values to; nothing here is a default, the table overwrites every field.
    fn unset() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            http: Http {
                listen: nowhere,
                cors_origins: Vec::new(),
                trusted_proxies: Vec::new(),
                drain_delay: Duration::ZERO,
                body_limit: 0,
                request_timeout: Duration::ZERO,
                max_connections: 0,
                max_requests: 0,
                tls_cert: None,
                tls_key: None,
            },
            admin: Admin { listen: nowhere },
            database: Database {
                url: DatabaseUrl::Sqlite(PathBuf::new()),
                migrate_url: None,
                read_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                pool_size: 0,
                shared_connections: 0,
            },
            auth: Auth::default(),
            products: Products { currency: Currency::USD },
            services: Services::default(),
            upstreams: Upstreams { protocol: Protocol::Http1, balance: Balance::LeastLoaded },
            internal: Internal::default(),
            mail: Mail { sink: None, from: String::new(), link_base: None },
            shop: Shop::default(),
            jobs: Jobs { tries: 0, pause: Duration::ZERO },
            log: Log { format: LogFormat::default(), level: tracing::Level::INFO },
            telemetry: Telemetry::default(),
            limits: Limits::default(),
        }
    }

    /// Where links in mails lead to.
    pub fn link_base(&self) -> String {
        let scheme = if self.http.tls_cert.is_some() { "https" } else { "http" };
        let own = || match self.http.listen {
            // Nobody can go to all networks at once.
            listen if listen.ip().is_unspecified() => format!("{scheme}://localhost:{}", listen.port()),
            listen => format!("{scheme}://{listen}"),
        };
        self.mail.link_base.clone().unwrap_or_else(own)
    }

    /// Rules between settings, as the setting to blame and what is wrong with it.
    fn conflicts(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let (public, admin) = (self.http.listen, self.admin.listen);
        // Port 0 asks the system for any free port; an unspecified address covers all the others.
        let overlap = public.ip() == admin.ip() || public.ip().is_unspecified() || admin.ip().is_unspecified();
        if public.port() == admin.port() && public.port() != 0 && overlap {
            found.push(("admin.listen", format!("{admin} is taken by http.listen ({public}): choose another port")));
        }
        if self.database.migrate_url.is_some() && matches!(self.database.url, DatabaseUrl::Sqlite(_)) {
            let problem = "expected to be empty, because database.url is SQLite, which has no accounts to choose from";
            found.push(("database.migrate_url", problem.into()));
        }
        let (http, internal) = (&self.http, &self.internal);
        for (cert, key, has_cert, has_key) in [
            ("http.tls_cert", "http.tls_key", http.tls_cert.is_some(), http.tls_key.is_some()),
            ("internal.tls_cert", "internal.tls_key", internal.tls_cert.is_some(), internal.tls_key.is_some()),
        ] {
            match (has_cert, has_key) {
                (true, false) => found.push((cert, format!("expected its key in {key}, found none"))),
                (false, true) => found.push((key, format!("expected its certificate in {cert}, found none"))),
                _ => {}
            }
        }
        if internal.require_tls && (internal.tls_cert.is_none() || internal.tls_ca.is_none()) {
            let problem = "expected to be false, because internal.tls_cert, tls_key and tls_ca are not all set";
            found.push(("internal.require_tls", problem.into()));
        }
        found
    }
}

impl Default for Config {
    /// The defaults of the table.
    fn default() -> Self {
        let mut config = Config::unset();
        for setting in settings() {
            let applied = (setting.apply)(&mut config, setting.default);
            debug_assert_eq!(applied, Ok(()), "the default of {}", setting.key);
        }
        config
    }
}

/// A configuration, with the source of each value for `config print`.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// One for each setting, in the order of the table.
    values: Vec<Given>,
}

/// Reads every source and checks every value.
///
/// # Errors
/// All that is wrong, at once: an unreadable file, unknown names, values that do not fit. An overridden value is checked
/// too, so that removing the override never uncovers a surprise.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let (given, mut errors) = sources.read();
    let mut config = Config::default();
    let mut values: Vec<Given> = settings().iter().map(Given::default_of).collect();
    for given in given {
        match (given.setting.apply)(&mut config, &given.text) {
            Ok(()) => values
                .iter_mut()
                .filter(|value| value.setting.key == given.setting.key)
                .for_each(|value| *value = given.clone()),
            Err(expected) => errors.push(given.refused(&expected)),
        }
    }
    // Rules between settings would only confuse while one of them is still wrong.
    if errors.is_empty() {
        for (key, problem) in config.conflicts() {
            let source = values.iter().find(|value| value.setting.key == key).map(Given::describe_source);
            errors.push(format!("{key}: {problem} ({})", source.unwrap_or_default()));
        }
    }
    if errors.is_empty() { Ok(Loaded { config, values }) } else { Err(ConfigErrors(errors)) }
}

/// Everything that is wrong with a configuration; displays as one line each, without secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}
