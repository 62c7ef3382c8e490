//! Holds the crates to the direction of ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each crate depends on of ours, no more and no less: those before it in this list.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("platform", &["kernel"]),
    ("framing", &[]),
    ("net", &["kernel", "platform", "framing"]),
    ("storage", &["kernel", "platform"]),
    ("effects", &["kernel", "platform", "storage"]),
    ("api", &["kernel", "platform", "effects"]),
    ("mesh", &["kernel", "platform", "net", "storage", "effects", "api"]),
    ("formats", &["kernel"]),
    ("auth", &["kernel", "platform", "storage", "effects", "api", "mesh"]),
    ("stock", &["kernel", "platform", "storage", "effects", "api", "auth"]),
    ("products", &["kernel", "platform", "storage", "effects", "api", "mesh", "formats", "auth", "stock"]),
    ("users", &["kernel", "platform", "effects", "api", "auth", "stock", "products"]),
    ("gateway", &["kernel", "platform", "net", "effects", "api", "mesh", "auth"]),
    (
        "primetrade",
        &[
            "kernel", "platform", "net", "storage", "effects", "api", "mesh", "formats", "auth", "stock", "products",
            "users", "gateway",
        ],
    ),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn dependencies_point_one_way() {
    let crates = crates();
    let mut found: Vec<String> =
        std::fs::read_dir(&crates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    let mut known: Vec<&str> = DEPENDENCIES.iter().map(|(name, _)| *name).collect();
    for (place, (name, stated)) in DEPENDENCIES.iter().enumerate() {
        let manifest = std::fs::read_to_string(crates.join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let named = manifest["dependencies"].as_table().unwrap().keys().map(String::as_str);
        let ours: BTreeSet<&str> = named.filter(|name| known.contains(name)).collect();
        assert_eq!(ours, stated.iter().copied().collect(), "{name} depends on others of ours than it states here");
        let later = ours.iter().find(|ours| !known[..place].contains(ours));
        assert_eq!(later, None, "{name} must not depend on what comes after it");
    }
    known.sort_unstable();
    assert_eq!(found, known, "each crate has its place in the direction");
}

/// A service's store is its own: no other crate names it.
#[test]
fn stores_stay_inside_their_service() {
    let crates = crates();
    // The tables of stock are those of its service, products.
    for (name, _) in DEPENDENCIES.iter().filter(|(name, _)| *name != "stock") {
        let library = std::fs::read_to_string(crates.join(name).join("src/lib.rs")).unwrap_or_default();
        assert!(!library.contains("pub mod store"), "{name} shows its store to others");
    }
}

/// Where JSON is read as serde has it, which takes a list for a struct.
const READ_BY_SERDE: &[(&str, &str)] = &[
    ("kernel/src/json.rs", "is the other way"),
    ("api/src/v1.rs", "a map of values; v1 takes a list, and finds no fields in it"),
    ("api/src/v2/body.rs", "by `kernel::json::Objects`, with the path to what is wrong"),
    ("api/src/openapi/examples.rs", "a file of ours, compiled in"),
    ("platform/src/telemetry/trace/otlp.rs", "values, of which a few are looked for"),
    ("effects/src/jobs/mod.rs", "from our own database"),
    ("auth/src/service/mail.rs", "from our own database"),
    ("products/src/catalogue/events.rs", "from our own database"),
    ("stock/src/store/rows.rs", "from our own database"),
    ("users/src/routes/v2/jobs/mod.rs", "from our own database"),
];

/// What comes from outside is read by `kernel::json`, in which a struct is an object.
#[test]
fn json_from_outside_is_read_by_our_own_rule() {
    let crates = crates();
    let mut found = Vec::new();
    let mut folders = vec![crates.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&crates).unwrap().to_str().unwrap().to_owned();
            let only_tests = ["/tests", "tests.rs", "suite.rs", "testing.rs", "architecture.rs"];
            if path.is_dir() {
                folders.extend((!name.ends_with("/tests")).then_some(path));
            } else if name.ends_with(".rs") && !only_tests.iter().any(|end| name.ends_with(end)) {
                let source = std::fs::read_to_string(&path).unwrap();
                let code = source.split("mod tests {").next().unwrap_or_default();
                let by_serde = ["serde_json::from_", "serde_json::Deserializer"];
                found.extend(by_serde.iter().any(|words| code.contains(words)).then_some(name));
            }
        }
    }
    let mut known: Vec<&str> = READ_BY_SERDE.iter().map(|(file, _)| *file).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known, "read what comes from outside with kernel::json::from_slice, or say here why not");
}
