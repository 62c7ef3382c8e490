#!/usr/bin/env bash
# serde_json: `-0` is a JSON number with no fractional part, so an integer by JSON Schema; as an `i64` it is refused as a floating point
# number. `0`, `-1` and, as a `serde_json::Number`, `-0` itself are taken. Who follows a schema must read it apart.
# Seen with serde 1.0.229, serde_json 1.0.154. Prints what is taken and how the other is refused; fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cargo init --quiet --name finding --vcs none
cargo add --quiet serde@=1.0.229 serde_json@=1.0.154
cat > src/main.rs <<'RUST'
fn main() {
    for text in ["0", "-1"] {
        println!("{text} as i64: {:?}", serde_json::from_str::<i64>(text));
        assert!(serde_json::from_str::<i64>(text).is_ok());
    }
    let refused = serde_json::from_str::<i64>("-0").expect_err("it has changed");
    println!("-0 as i64: {refused}");
    assert!(refused.to_string().contains("floating point `-0.0`"), "it has changed");
    println!("-0 as a number: {:?}", serde_json::from_str::<serde_json::Number>("-0").expect("it has changed"));
}
RUST
cargo run --quiet
