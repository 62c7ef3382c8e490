//! Databases: whether they can be reached, read and written, and have the schema of this release.

use platform::db::checkup::{self, Account, Checkup, Integrity, Kind, Schema};
use platform::db::migrate::Migrations;
use platform::db::{DatabaseUrl, StoreError};

use super::super::demo;
use super::{Check, Finding, clocks};
use crate::config::Config;
use crate::roles::{Role, Roles};

/// Free bytes below which a file that grows will soon fail, and will surely.
const LITTLE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 64 << 20;

/// What to ask of one service.
#[derive(Clone)]
struct Asked {
    service: &'static str,
    url: DatabaseUrl,
    /// The setting that says where it is.
    setting: &'static str,
    migrations: &'static Migrations,
    /// The account of migrations, where it is another.
    privileged: Option<DatabaseUrl>,
    /// Connections that a process opens at most.
    connections: usize,
}

pub fn checks(config: &Config, roles: Roles) -> Vec<Check> {
    let own_auth = config.auth.database.url.is_some();
    let own_products = config.products.database.url.is_some();
    let all = [
        (Role::Auth, "auth", config.auth_database(), own_auth.then_some("auth.database.url"), &auth::MIGRATIONS),
        (
            Role::Products,
            "products",
            config.products_database(),
            own_products.then_some("products.database.url"),
            &products::MIGRATIONS,
        ),
    ];
    let mut checks = Vec::new();
    for (role, service, url, own, migrations) in all {
        if !roles.has(role) {
            continue;
        }
        let privileged = config.database.migrate_url.clone().filter(|_| own.is_none() || *url == config.database.url);
        let setting = own.unwrap_or("database.url");
        let connections = config.database.pool_size + config.database.shared_connections;
        let asked = Asked { service, url: url.clone(), setting, migrations, privileged, connections };
        checks.push(Check::new(format!("database {service}"), look(asked)));
    }
    checks
}

async fn look(asked: Asked) -> Vec<Finding> {
    let check = format!("database {}", asked.service);
    let found = match checkup::look(&asked.url, asked.service, asked.migrations).await {
        Ok(found) => found,
        Err(error) => return vec![unreachable(&asked, check, error)],
    };
    let mut findings = vec![schema(&asked, &check, &found)];
    if let Some(why) = &found.read_only {
        findings.push(Finding::failed(
            &check,
            format!("cannot be written to: {why}"),
            format!("Give this user the right, or correct {}.", asked.setting),
        ));
    }
    if asked.service == "auth" && matches!(found.schema, Schema::Current(_) | Schema::Pending(_)) {
        findings.extend(demo_accounts(&asked).await);
    }
    match &found.kind {
        Kind::Sqlite { free, integrity } => {
            findings.extend(file(&check, *free, integrity.as_ref()));
            if let DatabaseUrl::Sqlite(folder) = &asked.url {
                findings.extend(clocks::leapt(&check, folder, asked.service));
            }
        }
        Kind::Postgres(account) => findings.extend(privileges(&asked, &check, &found.schema, account).await),
    }
    findings
}

fn unreachable(asked: &Asked, check: String, error: StoreError) -> Finding {
    let advice = match &asked.url {
        DatabaseUrl::Sqlite(_) => format!("Look at the file and its rights, or correct {}.", asked.setting),
        DatabaseUrl::Postgres(_) => {
            format!("Start the server, make the account or database, or correct {}.", asked.setting)
        }
    };
    Finding::failed(check, words(&error), advice)
}

/// Without the introduction that is for logs.
fn words(error: &StoreError) -> String {
    let text = error.to_string();
    text.strip_prefix("the database is unavailable: ").map_or(text.clone(), str::to_owned)
}

fn schema(asked: &Asked, check: &str, found: &Checkup) -> Finding {
    let place = &found.place;
    match &found.schema {
        Schema::Current(version) => Finding::ok(check, format!("{place}, schema {version}, which is current")),
        Schema::Empty => Finding::ok(check, format!("{place}, empty: the first `primetrade serve` makes the schema")),
        Schema::Pending(missing) => Finding::warning(
            check,
            format!("{place}, lacks the migrations {}", missing.join(", ")),
            "Run `primetrade migrate`; `primetrade serve` does so too, unless it has --no-migrate.",
        ),
        Schema::Newer { applied, known } => Finding::failed(
            check,
            format!("{place}, has schema {applied}, but this binary knows {known}"),
            format!("Start the newer release here, or correct {}.", asked.setting),
        ),
    }
}

fn file(check: &str, free: Option<u64>, integrity: Option<&Integrity>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match integrity {
        Some(Integrity::Damaged(why)) => findings.push(Finding::failed(
            check,
            format!("is damaged: {why}"),
            "Stop the server, keep a copy of the files, and bring a backup back.",
        )),
        Some(Integrity::Whole) => findings.push(Finding::ok(check, "every page is whole")),
        Some(Integrity::Unfinished) => findings.push(Finding::ok(check, "no damage in what a second can read of it")),
        None => {}
    }
    if let Some(free) = free {
        let found = format!("{} MiB are free on its disk", free >> 20);
        findings.push(match free {
            free if free < TOO_LITTLE => Finding::failed(check, found, "Writes fail soon: make room."),
            free if free < LITTLE => Finding::warning(check, found, "Make room before writes fail."),
            _ => Finding::ok(check, found),
        });
    }
    findings
}

/// `serve` refuses such a store without a flag.
async fn demo_accounts(asked: &Asked) -> Option<Finding> {
    let hash = checkup::text(&asked.url, asked.service, demo::ADMIN_HASH).await.ok()??;
    let known = tokio::task::spawn_blocking(move || auth::is_password(demo::PASSWORD, &hash)).await;
    known.is_ok_and(|known| known).then(|| {
        Finding::failed(
            "demo accounts",
            format!("everybody knows the password of the administrator {}", demo::ADMIN.1),
            "Use another store for a real shop, or change the password; for the demo, serve with --demo or --allow-demo-accounts.",
        )
    })
}

async fn privileges(asked: &Asked, check: &str, schema: &Schema, account: &Account) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(clocks::beside_database(check, account.clock_ahead));
    let needed = i64::try_from(asked.connections).unwrap_or(i64::MAX);
    if needed > account.max_connections {
        findings.push(Finding::warning(
            check,
            format!("a process opens up to {needed} connections, the server takes {} of all", account.max_connections),
            "Lower database.pool_size, or raise max_connections there.",
        ));
    }
    match &asked.privileged {
        Some(url) => findings.push(migrator(asked, url).await),
        None if account.superuser || account.may_migrate => findings.push(Finding::warning(
            check,
            format!(
                "the account {} {}, which serving does not need",
                account.name,
                if account.superuser { "is a superuser" } else { "may change the schema" }
            ),
            "It works; on a shared server use an account that only reads and writes rows, and another in database.migrate_url.",
        )),
        None if matches!(schema, Schema::Current(_)) => {}
        None => findings.push(Finding::failed(
            check,
            format!("the account {} may not make or change the schema", account.name),
            "Name one that may in database.migrate_url.",
        )),
    }
    findings
}

/// The account of migrations.
async fn migrator(asked: &Asked, url: &DatabaseUrl) -> Finding {
    let check = "database.migrate_url";
    match checkup::look(url, asked.service, asked.migrations).await {
        Ok(Checkup { place, kind: Kind::Postgres(account), .. }) if account.superuser || account.may_migrate => {
            Finding::ok(check, format!("{place}, may change the schema {}", asked.service))
        }
        Ok(Checkup { place, .. }) => Finding::failed(
            check,
            format!("{place}, may not change the schema {}", asked.service),
            "Grant it CREATE on the database, and on the schema if that is there.",
        ),
        Err(error) => Finding::failed(check, words(&error), "Correct database.migrate_url."),
    }
}
