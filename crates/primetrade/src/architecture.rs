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
