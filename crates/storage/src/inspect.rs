//! What is asked of a service's database that this process has not opened.

use kernel::Uuid;

use crate::checkup::{Checkup, Effort, Steps};
use crate::migrate::Migrations;
use crate::{DatabaseUrl, StoreError, postgres, sqlite};

/// The first text that a statement reads from a service's tables, which have to be there.
///
/// # Errors
/// As [`checkup`].
pub async fn text(url: &DatabaseUrl, service: &'static str, sql: &'static str) -> Result<Option<String>, StoreError> {
    match url {
        DatabaseUrl::Sqlite(folder) => {
            let file = folder.join(format!("{service}.db"));
            let looked = tokio::task::spawn_blocking(move || sqlite::checkup::text(&file, sql)).await;
            looked.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())))
        }
        DatabaseUrl::Postgres(url) => postgres::checkup::text(url, service, sql).await,
    }
}

/// Looks at the file or schema of a service.
///
/// # Errors
/// `Unavailable` when it cannot be reached or read.
pub async fn checkup(
    url: &DatabaseUrl,
    service: &'static str,
    migrations: &Migrations,
    effort: Effort,
) -> Result<Checkup, StoreError> {
    match url {
        DatabaseUrl::Sqlite(folder) => {
            let file = folder.join(format!("{service}.db"));
            let steps = Steps { numbered: migrations.sqlite, additions: migrations.additions };
            let looked = tokio::task::spawn_blocking(move || sqlite::checkup::look(&file, &steps, effort)).await;
            looked.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())))
        }
        DatabaseUrl::Postgres(url) => {
            let steps = Steps { numbered: migrations.postgres, additions: migrations.additions };
            postgres::checkup::look(url, service, steps).await
        }
    }
}

/// Marks a service's database, which is migrated, as one of the store, and adds services to those that the store has. Returns the id
/// that it has then: another if it was marked before.
///
/// # Errors
/// `Unavailable`, `Statement`.
pub async fn enrol(
    url: &DatabaseUrl,
    service: &'static str,
    id: Uuid,
    services: &[&'static str],
) -> Result<Uuid, StoreError> {
    match url {
        DatabaseUrl::Sqlite(folder) => {
            let (folder, services) = (folder.clone(), services.to_vec());
            let enrolled = tokio::task::spawn_blocking(move || sqlite::enrol(&folder, service, id, &services)).await;
            enrolled.unwrap_or_else(|panicked| Err(StoreError::Statement(panicked.to_string())))
        }
        DatabaseUrl::Postgres(url) => postgres::enrol(url, service, id, services).await,
    }
}
