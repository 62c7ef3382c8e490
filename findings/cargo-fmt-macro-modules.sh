#!/usr/bin/env bash
# cargo fmt: a module whose `mod name;` a macro writes is not formatted and not checked. `cargo fmt --check` ends with 0 on it, without a word,
# where rustfmt refuses the same file when it is named. So a list that declares its modules by a macro takes them out of the format check.
# Seen with rustfmt of Rust 1.95.0. Prints the version and both exit codes; fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
printf '[package]\nname = "listed"\nversion = "0.1.0"\nedition = "2024"\n' > Cargo.toml
cat > src/lib.rs <<'R'
macro_rules! modules {
    ($($name:ident,)*) => { $(pub mod $name;)* };
}

modules! {
    step,
}
R
printf 'pub   fn  run( )->u8{1}\n' > src/step.rs
rustfmt --version
cargo check --quiet
whole=0 && cargo fmt --check > /dev/null || whole=$?
named=0 && rustfmt --edition 2024 --check src/step.rs > /dev/null || named=$?
echo "cargo fmt --check: $whole; rustfmt --check src/step.rs: $named"
[ "$whole" = 0 ] && [ "$named" = 1 ]
