//! Holds the crates to the direction of ARCHITECTURE.md.

use std::path::Path;

/// Each crate may depend on those before it in its list.
const ALLOWED: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("platform", &["kernel"]),
    ("auth", &["kernel", "platform"]),
    ("products", &["kernel", "platform", "auth"]),
    ("users", &["kernel", "platform", "auth", "products"]),
    ("gateway", &["kernel", "platform", "auth", "products", "users"]),
    ("primetrade", &["kernel", "platform", "auth", "products", "users", "gateway"]),
];

#[test]
fn dependencies_point_one_way() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found: Vec<String> =
        std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in &found {
        let allowed = ALLOWED.iter().find(|(known, _)| known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("crate {name} has no place in the direction yet"));
        let manifest = std::fs::read_to_string(crates.join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for dependency in manifest["dependencies"].as_table().unwrap().keys() {
            let ours = found.contains(dependency);
            assert!(!ours || allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

/// A service's store is its own: no other crate names it.
#[test]
fn stores_stay_inside_their_service() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (name, _) in ALLOWED {
        let library = std::fs::read_to_string(crates.join(name).join("src/lib.rs")).unwrap_or_default();
        assert!(!library.contains("pub mod store"), "{name} shows its store to others");
    }
}

/// Where JSON is read as serde has it, which takes a list for a struct.
const READ_BY_SERDE: &[(&str, &str)] = &[
    ("kernel/src/json.rs", "is the other way"),
    ("platform/src/http/v1.rs", "a map of values; v1 takes a list, and finds no fields in it"),
    ("platform/src/http/v2/body.rs", "by `kernel::json::Objects`, with the path to what is wrong"),
    ("platform/src/http/openapi/examples.rs", "a file of ours, compiled in"),
    ("platform/src/telemetry/trace/otlp.rs", "values, of which a few are looked for"),
    ("platform/src/jobs/mod.rs", "from our own database"),
    ("auth/src/service/mail.rs", "from our own database"),
    ("products/src/events.rs", "from our own database"),
    ("products/src/store/rows.rs", "from our own database"),
    ("users/src/routes/v2/jobs/mod.rs", "from our own database"),
];

/// What comes from outside is read by `kernel::json`, in which a struct is an object.
#[test]
fn json_from_outside_is_read_by_our_own_rule() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    let mut folders = vec![crates.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
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
