#!/usr/bin/env bash
# Rust: the body of a `pub async fn` without type parameters is compiled again in every crate that awaits it, and so is all that it awaits; a
# plain function of the same size is compiled once, in its own crate. A future that its own crate boxes is too. So a driver behind async
# functions is in the program as often as there are crates that use it: four copies were 0.8 MB of ours.
# Seen with rustc 1.95.0 (x86_64, release profile, one workspace); crate tokio 1.54.1. Prints the version and how often each body is there;
# fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p driver/src one/src two/src program/src
member() { printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\n%s\n' "$1" "$2" > "$1/Cargo.toml"; }
cat > Cargo.toml <<'T'
[workspace]
members = ["driver", "one", "two", "program"]
resolver = "3"
T
member driver 'tokio = { version = "=1.54.1", features = ["time"] }'
member one 'driver = { path = "../driver" }'
member two 'driver = { path = "../driver" }'
member program 'one = { path = "../one" }
two = { path = "../two" }
tokio = { version = "=1.54.1", features = ["rt", "time"] }'
cat > driver/src/lib.rs <<'T'
use std::{future::Future, pin::Pin, time::Duration};
pub async fn asynchronous(n: u64) -> String {
    let mut text = String::from("the body of the asynchronous function is here");
    for step in 0..n {
        tokio::time::sleep(Duration::from_micros(step)).await;
        text.push_str(&step.to_string());
    }
    text
}
pub fn boxed(n: u64) -> Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move {
        let mut text = String::from("the body of the function that boxes is here");
        for step in 0..n {
            tokio::time::sleep(Duration::from_micros(step)).await;
            text.push_str(&step.to_string());
        }
        text
    })
}
pub fn plain(n: u64) -> String {
    let mut text = String::from("the body of the plain function is here");
    for step in 0..n {
        text.push_str(&step.to_string());
    }
    text
}
T
for name in one two; do
  cat > $name/src/lib.rs <<'T'
use std::{future::Future, pin::Pin};
pub fn ask(n: u64) -> Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { driver::asynchronous(n).await + &driver::boxed(n).await + &driver::plain(n) })
}
T
done
cat > program/src/main.rs <<'T'
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    println!("{}", runtime.block_on(async { one::ask(3).await == two::ask(3).await }));
}
T
rustc --version
CARGO_PROFILE_RELEASE_INCREMENTAL=false cargo build --quiet --release
[ "$(target/release/program)" = true ]
# What a body says, in the machine code of each crate.
bodies() {
  for crate in driver one two; do
    ar p target/release/lib$crate.rlib $(ar t target/release/lib$crate.rlib | grep '\.o$') | grep -ac "$1 is here" || true
  done | paste -sd' '
}
seen="asynchronous: $(bodies 'asynchronous function'), boxed: $(bodies 'function that boxes'), plain: $(bodies 'plain function')"
echo "bodies in driver, one, two: $seen"
[ "$seen" = "asynchronous: 0 1 1, boxed: 1 0 0, plain: 1 0 0" ] || { echo "it has changed" && exit 1; }
