#!/usr/bin/env bash
# SQLite's backup API: its manual says that a backup begins anew when another connection writes to the source between two steps. It does
# not when the source connection is inside a read transaction of write-ahead-log mode: then each step copies from that snapshot, and the
# copy has its state, however much others write meanwhile. Without the transaction it begins anew with each write, and does not end.
# Seen with rusqlite 0.43.0 (SQLite bundled). Prints the version, the steps and the rows of both ways; fails if they change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet rusqlite@=0.43.0 --no-default-features --features bundled,backup
cat > src/main.rs <<'RUST'
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

/// Steps until the copy is done, at most 200, with a foreign write between any two; and the rows of the copy.
fn copy(in_snapshot: bool) -> rusqlite::Result<(usize, i64)> {
    let file = format!("{in_snapshot}.db");
    let (source, writer) = (Connection::open(&file)?, Connection::open(&file)?);
    writer.execute_batch(
        "pragma journal_mode = wal; create table rows (bytes blob); with recursive n (i) as \
         (select 1 union all select i + 1 from n where i < 1000) insert into rows select zeroblob(3000) from n",
    )?;
    if in_snapshot {
        source.execute_batch("begin")?;
        source.query_row("select count(*) from rows", [], |_| Ok(()))?;
    }
    let mut target = Connection::open_in_memory()?;
    let mut steps = 0;
    {
        let backup = Backup::new(&source, &mut target)?;
        while steps < 200 && backup.step(50)? != StepResult::Done {
            steps += 1;
            writer.execute("insert into rows values (zeroblob(3000))", [])?;
        }
    }
    if steps == 200 {
        return Ok((steps, 0));
    }
    Ok((steps, target.query_row("select count(*) from rows", [], |row| row.get(0))?))
}

fn main() -> rusqlite::Result<()> {
    println!("SQLite {}", rusqlite::version());
    let (plain, snapshot) = (copy(false)?, copy(true)?);
    println!("without a transaction: {} steps, and not done", plain.0);
    println!("in a read transaction: {} steps, {} rows of the 1000 that there were at first", snapshot.0, snapshot.1);
    assert!(plain.0 == 200 && snapshot.0 < 50 && snapshot.1 == 1000, "it has changed");
    Ok(())
}
RUST
cargo run --quiet
