//! A look at a schema, on one connection that is closed again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use kernel::{Clock, SystemClock, Timestamp};
use tokio_postgres::{Client, Row};

use super::server::Server;
use super::{Postgres, belonging, describe, place};
use crate::belonging::Belonging;
use crate::checkup::{Account, Checkup, Kind, Schema, Steps};
use crate::{StoreError, clock, migrate};

const TIME: Duration = Duration::from_secs(3);

const SERVER: &str = "select current_setting('server_version'), current_user::text, \
    coalesce((select rolsuper from pg_roles where rolname = current_user), false), \
    pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', \
    has_database_privilege(current_database(), 'create'), current_setting('max_connections')::bigint";
/// Of a schema: what the account may do with it, our tables there, and those of them that the account lacks a right to. Tables of
/// another owner than ours have are not ours.
const SCHEMA: &str = "select has_schema_privilege(s.oid, 'usage'), has_schema_privilege(s.oid, 'create'), \
    coalesce(array_agg(relname::text) filter (where may_read), '{}'), \
    coalesce(array_agg(relname::text order by relname) filter (where not (may_read and (may_write or relname like 'schema\\_%'))), '{}') \
    from pg_namespace s left join lateral ( \
      select relname, has_table_privilege(oid, 'select') as may_read, has_table_privilege(oid, 'insert') \
        and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete') as may_write \
      from pg_class where relnamespace = s.oid and relkind = 'r' and relowner = \
        (select relowner from pg_class where relnamespace = s.oid and relname = 'schema_version')) as tables on true \
    where nspname = $1 group by s.oid";

pub async fn look(url: &str, service: &'static str, steps: Steps<'_>) -> Result<Checkup, StoreError> {
    in_time(async {
        let (client, place) = connect(url).await?;
        examine(&client, service, steps, &place).await
    })
    .await
}

pub async fn text(url: &str, service: &'static str, sql: &str) -> Result<Option<String>, StoreError> {
    in_time(async {
        let (client, _) = connect(url).await?;
        client.batch_execute(&format!("set search_path to {service}")).await?;
        Ok(client.query_opt(sql, &[]).await?.map(|row| row.try_get(0)).transpose()?)
    })
    .await
}

/// Waits for what is a few questions, also where the server hangs in their midst.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(3 * TIME, work).await.unwrap_or_else(|_| Err(StoreError::late()))
}

/// A connection that ends with the client, and where it goes.
pub(super) async fn connect(url: &str) -> Result<(Client, String), StoreError> {
    let mut server = Server::of(url)?;
    let config = &mut server.config;
    // Whoever looks waits for nobody.
    let options = format!("{} -c statement_timeout=3s -c lock_timeout=3s", config.get_options().unwrap_or_default());
    config.options(options).connect_timeout(TIME).application_name("primetrade-checkup");
    let place = place(config);
    let unavailable = |why: String| StoreError::Unavailable(format!("{place}: {why}"));
    let connected = tokio::time::timeout(TIME, server.connect()).await;
    let connected = connected.map_err(|_| unavailable("no answer in time".into()))?;
    let (client, connection) = connected.map_err(|error| match error.as_db_error() {
        Some(told) => unavailable(told.message().to_owned()),
        None => unavailable(describe(&error)),
    })?;
    tokio::spawn(connection);
    Ok((client, place))
}

async fn examine(client: &Client, service: &'static str, steps: Steps<'_>, place: &str) -> Result<Checkup, StoreError> {
    let asked = Instant::now();
    let time = client.query_one(concat!("select ", crate::postgres_now!()), &[]).await?;
    let clock_ahead = clock::ahead(SystemClock.now(), Timestamp(time.get(0)), asked.elapsed());
    let server = client.query_one(SERVER, &[]).await?;
    let schema = client.query_opt(SCHEMA, &[&service]).await?.map(|row| Rights::of(&row));
    let may_read = |table: &str| schema.as_ref().is_some_and(|schema| schema.may_read(table));
    let is_hidden = |table: &str| schema.as_ref().is_some_and(|schema| schema.is_hidden(table));
    let applied = if may_read("schema_version") {
        let sql = format!("select coalesce(max(version), 0) from {service}.schema_version");
        client.query_one(&sql, &[]).await?.get(0)
    } else {
        0
    };
    let additions = if may_read("schema_additions") {
        let sql = migrate::ADDITIONS.replace("schema_additions", &format!("{service}.schema_additions"));
        client.query(&sql, &[]).await?.iter().map(|row| row.get(0)).collect()
    } else {
        HashSet::new()
    };
    let store = if may_read("store") && may_read("store_services") {
        belonging::belonging(client, service).await?
    } else if is_hidden("store") || is_hidden("store_services") {
        Belonging::Hidden
    } else {
        Belonging::Unmarked
    };
    let written = may_read("events") && {
        let sql = format!("select exists (select from {service}.events)");
        client.query_one(&sql, &[]).await?.get(0)
    };
    let account = Account {
        name: server.get(1),
        superuser: server.get(2),
        may_migrate: schema.as_ref().map_or(server.get(5), |schema| schema.may_make_tables),
        max_connections: server.get(6),
        clock_ahead,
    };
    // Distributors add their own.
    let version = server.get::<_, String>(0);
    let version = version.split(' ').next().unwrap_or_default();
    Ok(Checkup {
        place: place.replacen("PostgreSQL", &format!("PostgreSQL {version}"), 1),
        schema: if is_hidden("schema_version") { Schema::Hidden } else { Schema::of(&steps, applied, &additions) },
        store,
        written,
        read_only: read_only(&server).or_else(|| schema.and_then(|schema| schema.refused(service))),
        kind: Kind::Postgres(account),
    })
}

/// What an account may do with a schema that is there.
struct Rights {
    may_use: bool,
    may_make_tables: bool,
    /// Tables that it may read, if it may use the schema.
    readable: Vec<String>,
    /// Tables to which it lacks a right.
    refused: Vec<String>,
}

impl Rights {
    fn of(row: &Row) -> Self {
        Self { may_use: row.get(0), may_make_tables: row.get(1), readable: row.get(2), refused: row.get(3) }
    }

    fn may_read(&self, table: &str) -> bool {
        self.may_use && self.readable.iter().any(|readable| readable == table)
    }

    /// All of them.
    fn tables(&self) -> HashSet<String> {
        self.readable.iter().chain(&self.refused).cloned().collect()
    }

    /// Whether a table is there that it may not read.
    fn is_hidden(&self, table: &str) -> bool {
        let is = |name: &String| name == table;
        !self.may_read(table) && (self.readable.iter().any(is) || self.refused.iter().any(is))
    }

    /// Why it is not enough.
    fn refused(&self, service: &str) -> Option<String> {
        match self.refused.is_empty() {
            _ if !self.may_use => Some(format!("the account may not use the schema {service}")),
            true => None,
            false => Some(format!("the account may not read and write {service}'s tables {}", self.refused.join(", "))),
        }
    }
}

impl Postgres {
    /// Whether its tables are there, and may be read and written. Those that another release has added since the first time, and that this
    /// one may not use, are none of its affair.
    ///
    /// # Errors
    /// `Unavailable`, with the words of a [`Checkup`]; `Statement`.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let schema = self.query_opt(SCHEMA, &[&self.service]).await?;
        let refused = match schema.map(|row| Rights::of(&row)) {
            Some(mut rights) => {
                let needed = self.tables.get_or_init(|| rights.tables());
                let there = rights.tables();
                let gone: Vec<&str> =
                    needed.iter().filter(|table| !there.contains(*table)).map(String::as_str).collect();
                rights.refused.retain(|table| needed.contains(table));
                match rights.refused(self.service) {
                    None if !gone.is_empty() => Some(format!("{}'s tables {} are gone", self.service, gone.join(", "))),
                    refused => refused,
                }
            }
            None => Some(format!("there is no schema {}", self.service)),
        };
        match refused {
            Some(why) => Err(StoreError::Unavailable(why)),
            None => self.query("select from events limit 1", &[]).await.map(drop),
        }
    }
}

fn read_only(server: &Row) -> Option<String> {
    if server.get(3) {
        return Some("the server is a replica, which takes no writes".into());
    }
    if server.get(4) {
        return Some("its transactions are read-only (default_transaction_read_only)".into());
    }
    None
}
