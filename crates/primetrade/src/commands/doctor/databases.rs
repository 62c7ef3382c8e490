//! Databases: whether they can be reached, read and written, and have the schema of this release.

use std::path::Path;

use node::config::Config;
use node::place::{self, Place, PlaceError};
use node::roles::Roles;
use node::stores;
use storage::checkup::{Account, Checkup, Effort, Integrity, Kind, Schema};
use storage::sqlite::servers;
use storage::{DatabaseUrl, inspect};

use super::super::demo;
use super::{Check, Finding, clocks};

/// Free bytes below which a file that grows will soon fail, and will surely.
const LITTLE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 64 << 20;

pub fn check(config: &Config, roles: Roles) -> Check {
    let config = config.clone();
    Check::new("databases", async move {
        let seen = stores::look(&config, roles, Effort::Thorough).await;
        let mut findings = Vec::new();
        let own = || seen.iter().filter(|one| one.own);
        for one in own() {
            let on_its_server = own().filter(|other| other.place.url == one.place.url);
            let limits = on_its_server.map(|other| other.place.limits(&config.database));
            let connections = limits.map(|limits| limits.pool_size + limits.shared_connections).sum();
            match (stores::misfit(one, &seen), &one.found) {
                (Some(misfit), _) => findings.push(misfit.into()),
                (None, Ok(found)) => findings.extend(usable(&one.place, found, connections).await),
                (None, Err(refusal)) => findings.push(refusal.clone().into()),
            }
        }
        findings.extend(stores::folders(&config, roles).iter().filter_map(|folder| attended(folder)));
        findings
    })
}

/// The servers that work on a folder, whatever they listen on.
fn attended(folder: &Path) -> Option<Finding> {
    let (check, servers, folder) = ("database.url", servers::present(folder), folder.display());
    match servers.as_slice() {
        [] => None,
        [one] => Some(Finding::ok(check, format!("a server works on {folder}: {one}"))),
        several => Some(Finding::warning(
            check,
            format!("{} servers work on {folder}: {}", several.len(), several.join(", ")),
            "Stop all but one: SQLite wants one process with all roles.",
        )),
    }
}

impl From<PlaceError> for Finding {
    fn from(PlaceError { check, found, advice }: PlaceError) -> Self {
        Finding::failed(check, found, advice)
    }
}

/// Of one that can be read. `connections`: those that a process opens at most.
async fn usable(place: &Place, found: &Checkup, connections: usize) -> Vec<Finding> {
    let check = place.check();
    let mut findings: Vec<Finding> = schema(place, &check, found).into_iter().collect();
    findings.extend(place.rights(found).map(Finding::from));
    if place.service == "auth" && matches!(found.schema, Schema::Current(_) | Schema::Pending(_)) {
        findings.extend(demo_accounts(place).await);
    }
    match &found.kind {
        Kind::Sqlite { free, integrity } => {
            findings.extend(file(&check, *free, integrity.as_ref()));
            if let DatabaseUrl::Sqlite(folder) = &place.url {
                findings.extend(clocks::leapt(&check, folder, place.service));
            }
        }
        Kind::Postgres(account) => {
            findings.extend(clocks::beside_database(&check, account.clock_ahead));
            findings.extend(enough(&check, connections, account));
            findings.extend(place.may_not_migrate(found).map(Finding::from));
            findings.extend(privileges(place, &check, account).await);
        }
    }
    findings
}

/// How far it was migrated, if that can be read.
fn schema(place: &Place, check: &str, found: &Checkup) -> Option<Finding> {
    let at = &found.place;
    Some(match &found.schema {
        Schema::Current(version) => Finding::ok(check, format!("{at}, schema {version}, which is current")),
        Schema::Empty => Finding::ok(
            check,
            format!(
                "{at}, empty: the first `primetrade serve` makes the schema (if a shop should be here, correct {})",
                place.setting
            ),
        ),
        Schema::Pending(missing) => Finding::warning(
            check,
            format!("{at}, lacks the migrations {}", missing.join(", ")),
            "Run `primetrade migrate`; `primetrade serve` does so too, unless it has --no-migrate.",
        ),
        Schema::Newer { applied, known } => Finding::failed(
            check,
            format!("{at}, has schema {applied}, but this binary knows {known}"),
            format!("Start the newer release here, or correct {}.", place.setting),
        ),
        Schema::Hidden => return None,
    })
}

fn file(check: &str, free: Option<u64>, integrity: Option<&Integrity>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match integrity {
        Some(Integrity::Damaged(why)) => findings.push(Finding::failed(
            check,
            format!("is damaged: {why}"),
            "Stop the server, keep a copy of the files, and bring a backup back.",
        )),
        Some(Integrity::Whole) => findings.push(Finding::ok(check, "every page can be read, and fits the others")),
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
async fn demo_accounts(place: &Place) -> Option<Finding> {
    let hash = inspect::text(&place.url, place.service, demo::ADMIN_HASH).await.ok()??;
    let known = tokio::task::spawn_blocking(move || auth::is_password(demo::PASSWORD, &hash)).await;
    known.is_ok_and(|known| known).then(|| {
        Finding::failed(
            "demo accounts",
            format!("everybody knows the password of the administrator {}", demo::ADMIN.1),
            "Use another store for a real shop, or change the password; for the demo, serve with --demo or --allow-demo-accounts.",
        )
    })
}

/// Whether the server takes so many connections.
fn enough(check: &str, connections: usize, account: &Account) -> Option<Finding> {
    let needed = i64::try_from(connections).unwrap_or(i64::MAX);
    (needed > account.max_connections).then(|| {
        Finding::warning(
            check,
            format!("a process opens up to {needed} connections, the server takes {} of all", account.max_connections),
            "Lower database.pool_size, or raise max_connections there.",
        )
    })
}

/// Whether the account of migrations may do so, and that of rows no more than it needs.
async fn privileges(place: &Place, check: &str, account: &Account) -> Option<Finding> {
    match &place.privileged {
        Some(url) => Some(migrator(place, url).await),
        None if account.superuser || account.may_migrate => Some(Finding::warning(
            check,
            format!(
                "the account {} {}, which serving does not need",
                account.name,
                if account.superuser { "is a superuser" } else { "may change the schema" }
            ),
            "It works; on a shared server use an account that only reads and writes rows, and another in database.migrate_url.",
        )),
        None => None,
    }
}

/// The account of migrations.
async fn migrator(place: &Place, url: &DatabaseUrl) -> Finding {
    let check = "database.migrate_url";
    match inspect::checkup(url, place.service, place.migrations, Effort::Quick).await {
        Ok(Checkup { place: at, kind: Kind::Postgres(account), .. }) if account.superuser || account.may_migrate => {
            Finding::ok(check, format!("{at}, may change the schema {}", place.service))
        }
        Ok(Checkup { place: at, .. }) => Finding::failed(
            check,
            format!("{at}, may not change the schema {}", place.service),
            "Grant it CREATE on the database, and on the schema if that is there.",
        ),
        Err(error) => Finding::failed(check, place::words(&error), "Correct database.migrate_url."),
    }
}
