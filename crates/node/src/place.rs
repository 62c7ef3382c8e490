//! Where a service keeps its data, and why it may not be worked with. `serve` and the commands refuse what is wrong with the words of
//! `doctor`.

use std::fmt;
use std::path::PathBuf;

use storage::checkup::{Checkup, Effort, Kind, Schema};
use storage::migrate::Migrations;
use storage::{DatabaseUrl, Limits, StoreError, inspect};

use crate::config::{self, Config};

/// What a role keeps in its database.
pub struct Keeps {
    /// Its schema.
    pub migrations: &'static Migrations,
    /// What it holds, for people.
    pub holds: &'static str,
    /// Whether all of that is made of the logs of other services, so that one that is lost is made anew.
    pub derived: bool,
}

/// The database of one service, as the settings name it.
#[derive(Clone)]
pub struct Place {
    pub service: &'static str,
    pub url: DatabaseUrl,
    /// The setting that says where it is.
    pub setting: String,
    pub migrations: &'static Migrations,
    /// See [`Keeps::derived`].
    pub derived: bool,
    /// The account of migrations, where it is another.
    pub privileged: Option<DatabaseUrl>,
}

impl Place {
    /// A database of this name, which belongs to the service.
    pub fn of(config: &Config, service: &'static str, keeps: &Keeps) -> Self {
        let own = config.services.of(service).database.as_ref();
        let common = &config.database;
        let url = own.unwrap_or(&common.url).clone();
        // It leads to the common database, not to one that a service has of its own.
        let privileged = common.migrate_url.clone().filter(|_| url == common.url);
        let setting = if own.is_some() { format!("{service}.database.url") } else { "database.url".into() };
        let Keeps { migrations, derived, .. } = *keeps;
        Self { service, url, setting, migrations, derived, privileged }
    }

    /// What a process opens of it. A database that only readers of logs write to needs little.
    pub fn limits(&self, settings: &config::Database) -> Limits {
        /// Connections of one.
        const DERIVED: usize = 4;
        let pool_size = if self.derived { settings.pool_size.min(DERIVED) } else { settings.pool_size };
        Limits {
            pool_size,
            shared_connections: settings.shared_connections,
            read_timeout: settings.read_timeout,
            write_timeout: settings.write_timeout,
        }
    }

    pub fn check(&self) -> String {
        format!("database {}", self.service)
    }

    /// On SQLite.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.url {
            DatabaseUrl::Sqlite(folder) => Some(folder.join(format!("{}.db", self.service))),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// When it cannot be reached or read.
    pub async fn look(&self, effort: Effort) -> Result<Checkup, PlaceError> {
        let found = inspect::checkup(&self.url, self.service, self.migrations, effort).await;
        found.map_err(|error| {
            let advice = match &self.url {
                DatabaseUrl::Sqlite(_) => format!(
                    "Look at its rights; if it is damaged, keep a copy of it and bring a backup back; or correct {}.",
                    self.setting
                ),
                DatabaseUrl::Postgres(_) => {
                    format!("Start the server, make the account or database, or correct {}.", self.setting)
                }
            };
            self.refusal(words(&error), advice)
        })
    }

    /// What the account lacks to work there.
    pub fn rights(&self, found: &Checkup) -> Option<PlaceError> {
        let why = found.read_only.as_ref()?;
        let remedy = match &found.kind {
            Kind::Sqlite { .. } => "Give this user the right".to_owned(),
            Kind::Postgres(account) => {
                format!("Have the tables' owner grant it to {}, as grant_rows in docs/growing.md does", account.name)
            }
        };
        Some(self.refusal(format!("cannot be written to: {why}"), format!("{remedy}, or correct {}.", self.setting)))
    }

    /// Why the account of the database may not make or change the schema, if that is to be done, and by no other.
    pub fn may_not_migrate(&self, found: &Checkup) -> Option<PlaceError> {
        let Kind::Postgres(account) = &found.kind else { return None };
        let is_needed = matches!(found.schema, Schema::Empty | Schema::Pending(_)) && self.privileged.is_none();
        (is_needed && !account.superuser && !account.may_migrate).then(|| {
            self.refusal(
                format!("the account {} may not make or change the schema", account.name),
                "Name one that may in database.migrate_url.".into(),
            )
        })
    }

    /// Whether anybody is logged in, by what auth's database says. What cannot be read is told of elsewhere.
    pub async fn has_sessions(&self) -> bool {
        const ANY: &str = "select 'one' from sessions limit 1";
        inspect::text(&self.url, self.service, ANY).await.is_ok_and(|any| any.is_some())
    }

    pub fn refusal(&self, found: String, advice: String) -> PlaceError {
        PlaceError { check: self.check(), found, advice }
    }
}

/// Why a database is not worked with.
#[derive(Debug, Clone)]
pub struct PlaceError {
    pub check: String,
    pub found: String,
    pub advice: String,
}

impl std::error::Error for PlaceError {}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.check, self.found, self.advice)
    }
}

/// Without the introduction that is for logs.
pub fn words(error: &StoreError) -> String {
    let text = error.to_string();
    text.strip_prefix("the database is unavailable: ").map_or(text.clone(), str::to_owned)
}
