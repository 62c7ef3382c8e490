#!/usr/bin/env bash
# rusqlite: `Connection::table_exists` tells what the connection knew of the schema when it last ran a statement. A table that another
# connection has made since is "not there", until any statement is run. A query of `sqlite_schema` sees it at once.
# Seen with rusqlite 0.43.0 (SQLite bundled). Prints the version and both answers; fails if they change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet rusqlite@=0.43.0 --no-default-features --features bundled
cat > src/main.rs <<'RUST'
use rusqlite::Connection;

fn main() -> rusqlite::Result<()> {
    println!("SQLite {}", rusqlite::version());
    let (reader, writer) = (Connection::open("shop.db")?, Connection::open("shop.db")?);
    writer.execute_batch("pragma journal_mode = wal; create table first (id integer)")?;
    let count = |c: &Connection| c.query_row("select count(*) from sqlite_schema", [], |row| row.get::<_, i64>(0));
    println!("the reader has run a statement: {} table", count(&reader)?);
    writer.execute_batch("create table second (id integer)")?;
    let before = reader.table_exists(None, "second")?;
    println!("table_exists after another connection made it: {before}");
    println!("a statement sees: {} tables", count(&reader)?);
    let after = reader.table_exists(None, "second")?;
    println!("table_exists after that statement: {after}");
    assert_eq!((before, after), (false, true), "it has changed");
    Ok(())
}
RUST
cargo run --quiet
