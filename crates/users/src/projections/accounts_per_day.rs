//! How many accounts were registered on each day of UTC.

use std::collections::BTreeMap;

use async_trait::async_trait;
use effects::log::events::Logged;
use effects::log::reader::Projection;
use rusqlite::{Connection, params};
use storage::StoreError;
use storage::migrate::Addition;
use storage::postgres::Transaction;

use crate::projection::DeclaredProjection;

pub const PROJECTION: DeclaredProjection = DeclaredProjection {
    of: "auth",
    tables: Addition::new(
        "accounts_per_day",
        "create table accounts_per_day (day integer primary key, accounts integer not null) strict",
        "create table accounts_per_day (day bigint primary key, accounts bigint not null)",
    ),
    projection: &AccountsPerDay,
};

const MICROS_OF_DAY: i64 = 24 * 60 * 60 * 1_000_000;
const ADD: &str = "insert into accounts_per_day (day, accounts) values ($1, $2) \
    on conflict (day) do update set accounts = accounts_per_day.accounts + excluded.accounts";

struct AccountsPerDay;

#[async_trait]
impl Projection for AccountsPerDay {
    fn name(&self) -> &'static str {
        "accounts_per_day"
    }

    fn clear(&self) -> &'static str {
        "delete from accounts_per_day"
    }

    fn write_sqlite(&self, connection: &Connection, events: &[Logged]) -> Result<(), StoreError> {
        for (day, accounts) in registered(events) {
            connection.prepare_cached(ADD)?.execute(params![day, accounts])?;
        }
        Ok(())
    }

    async fn write_postgres(&self, transaction: &mut Transaction<'_>, events: &[Logged]) -> Result<(), StoreError> {
        for (day, accounts) in registered(events) {
            transaction.execute(ADD, &[&day, &accounts]).await?;
        }
        Ok(())
    }
}

/// The accounts of these events, by days since 1970-01-01.
fn registered(events: &[Logged]) -> BTreeMap<i64, i64> {
    let mut accounts = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == "account.registered") {
        *accounts.entry(event.time.0.div_euclid(MICROS_OF_DAY)).or_default() += 1;
    }
    accounts
}
