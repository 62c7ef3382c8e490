#!/usr/bin/env bash
# SQLite: with a busy timeout, a connection waits for the locks of others; the one statement that does not is `pragma journal_mode = wal` on a
# new file that another connection is writing to. It fails at once with "database is locked". So processes that open one new file at the
# same moment have to try again by themselves.
# Seen with rusqlite 0.43.0 (SQLite bundled). Prints the version, and whether each statement waited; fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet rusqlite@=0.43.0 --no-default-features --features bundled
cat > src/main.rs <<'RUST'
use std::time::{Duration, Instant};

use rusqlite::Connection;

const TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> rusqlite::Result<()> {
    println!("SQLite {}", rusqlite::version());
    let (writer, other) = (Connection::open("shop.db")?, Connection::open("shop.db")?);
    writer.execute_batch("create table rows (id integer); begin immediate")?;
    other.busy_timeout(TIMEOUT)?;
    for statement in ["begin immediate", "pragma journal_mode = wal"] {
        let started = Instant::now();
        let error = other.execute_batch(statement).expect_err("the other one writes");
        let waited = if started.elapsed() < TIMEOUT / 2 { "at once" } else { "after the timeout" };
        println!("{statement}: {waited}: {error}");
    }
    Ok(())
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN'
SQLite 3.54.1
begin immediate: after the timeout: database is locked
pragma journal_mode = wal: at once: database is locked
SEEN
