#!/usr/bin/env bash
# SQLite: a broken uniqueness rule is named by table and columns, `UNIQUE constraint failed: people.name`, unless the unique index is on an
# expression: then by the index, in quotes, `UNIQUE constraint failed: index 'people_key'`. Who maps conflicts by that text must know both.
# Seen with rusqlite 0.43.0 (SQLite bundled). Prints the version and both texts; fails if they change.
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
    let told = |index: &str| -> rusqlite::Result<String> {
        let shop = Connection::open_in_memory()?;
        shop.execute_batch(&format!("create table people (name text); {index}; insert into people values ('Ada')"))?;
        let refused = shop.execute("insert into people values ('Ada')", []).expect_err("it has changed");
        println!("{index}: {refused}");
        Ok(refused.to_string())
    };
    assert_eq!(told("create unique index people_name on people (name)")?, "UNIQUE constraint failed: people.name");
    let by_expression = told("create unique index people_key on people (lower(name))")?;
    assert_eq!(by_expression, "UNIQUE constraint failed: index 'people_key'", "it has changed");
    Ok(())
}
RUST
cargo run --quiet
