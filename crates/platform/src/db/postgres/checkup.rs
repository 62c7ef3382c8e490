//! A look at a schema, on one connection that is closed again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use kernel::{Clock, SystemClock, Timestamp};
use tokio_postgres::{Client, NoTls, Row};

use super::{describe, place};
use crate::clock;
use crate::db::StoreError;
use crate::db::checkup::{Account, Checkup, Kind, Schema, Steps};
use crate::db::migrate;

const TIME: Duration = Duration::from_secs(3);

const SERVER: &str = "select current_setting('server_version'), current_user::text, \
    coalesce((select rolsuper from pg_roles where rolname = current_user), false), \
    pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', \
    has_database_privilege(current_database(), 'create'), current_setting('max_connections')::bigint";
const SCHEMA: &str = "select has_schema_privilege(oid, 'usage'), has_schema_privilege(oid, 'create'), \
    exists (select from pg_class where relnamespace = s.oid and relname = 'schema_version'), \
    array(select relname::text from pg_class where relnamespace = s.oid and relkind = 'r' \
    and relname not in ('schema_version', 'schema_additions') and not has_table_privilege(pg_class.oid, 'insert') order by relname), \
    exists (select from pg_class where relnamespace = s.oid and relname = 'schema_additions') \
    from pg_namespace s where nspname = $1";

pub async fn look(url: &str, service: &'static str, steps: Steps<'_>) -> Result<Checkup, StoreError> {
    let (client, place) = connect(url, service).await?;
    examine(&client, service, steps, &place).await
}

pub async fn text(url: &str, service: &'static str, sql: &str) -> Result<Option<String>, StoreError> {
    let (client, _) = connect(url, service).await?;
    Ok(client.query_opt(sql, &[]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// A connection that finds the service's tables, and what answers there.
async fn connect(url: &str, service: &'static str) -> Result<(Client, String), StoreError> {
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|_| StoreError::Unavailable("the PostgreSQL URL is not valid".into()))?;
    let given = config.get_options().unwrap_or_default().to_owned();
    config.options(format!("{given} -c search_path={service}"));
    config.connect_timeout(TIME).application_name("primetrade-doctor");
    let place = place(&config);
    let unavailable = |why: String| StoreError::Unavailable(format!("{place}: {why}"));
    let connected = tokio::time::timeout(TIME, config.connect(NoTls)).await;
    let connected = connected.map_err(|_| unavailable("no answer in time".into()))?;
    let (client, connection) = connected.map_err(|error| match error.as_db_error() {
        Some(told) => unavailable(told.message().to_owned()),
        None => unavailable(describe(&error)),
    })?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok((client, place))
}

async fn examine(client: &Client, service: &'static str, steps: Steps<'_>, place: &str) -> Result<Checkup, StoreError> {
    let asked = Instant::now();
    let time = client.query_one(concat!("select ", crate::postgres_now!()), &[]).await?;
    let clock_ahead = clock::ahead(SystemClock.now(), Timestamp(time.get(0)), asked.elapsed());
    let server = client.query_one(SERVER, &[]).await?;
    let schema = client.query_opt(SCHEMA, &[&service]).await?;
    let applied = match &schema {
        Some(schema) if schema.get(0) && schema.get(2) => {
            let sql = format!("select coalesce(max(version), 0) from {service}.schema_version");
            client.query_one(&sql, &[]).await?.get(0)
        }
        _ => 0,
    };
    let additions = match &schema {
        Some(schema) if schema.get(0) && schema.get(4) => {
            let sql = migrate::ADDITIONS.replace("schema_additions", &format!("{service}.schema_additions"));
            client.query(&sql, &[]).await?.iter().map(|row| row.get(0)).collect()
        }
        _ => HashSet::new(),
    };
    let account = Account {
        name: server.get(1),
        superuser: server.get(2),
        may_migrate: schema.as_ref().map_or(server.get(5), |schema| schema.get(1)),
        max_connections: server.get(6),
        clock_ahead,
    };
    // Distributors add their own.
    let version = server.get::<_, String>(0);
    let version = version.split(' ').next().unwrap_or_default();
    Ok(Checkup {
        place: place.replacen("PostgreSQL", &format!("PostgreSQL {version}"), 1),
        schema: Schema::of(&steps, applied, &additions),
        read_only: read_only(&server, schema.as_ref(), service),
        kind: Kind::Postgres(account),
    })
}

fn read_only(server: &Row, schema: Option<&Row>, service: &str) -> Option<String> {
    if server.get(3) {
        return Some("the server is a replica, which takes no writes".into());
    }
    if server.get(4) {
        return Some("its transactions are read-only (default_transaction_read_only)".into());
    }
    let schema = schema?;
    if !schema.get::<_, bool>(0) {
        return Some(format!("the account may not use the schema {service}"));
    }
    let refused: Vec<String> = schema.get(3);
    (!refused.is_empty()).then(|| format!("the account may not write {service}'s tables {}", refused.join(", ")))
}
