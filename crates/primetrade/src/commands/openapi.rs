//! `primetrade openapi`: what the endpoints say of themselves.

use api::openapi::{Documents, Version};
use node::roles;

/// The document of one API version, as the server serves it.
pub fn openapi(version: Version) -> String {
    let documents = Documents::of(roles::described());
    let document = match version {
        Version::V1 => documents.v1,
        Version::V2 => documents.v2,
    };
    // It was made from strings.
    String::from_utf8_lossy(&document).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// What of a document says nothing of itself: operations, and what they take, answer and hold.
    fn undescribed(document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: String, part: &Value, field: &str| {
            if part[field].as_str().is_none_or(str::is_empty) {
                found.push(what);
            }
        };
        let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(&item) {
                check(format!("{method} {path}"), &operation, "summary");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    check(format!("{method} {path}: {}", parameter["name"]), parameter, "description");
                }
                for (status, answer) in members(&operation["responses"]) {
                    check(format!("{method} {path}: {status}"), &answer, "description");
                    for (name, header) in members(&answer["headers"]) {
                        check(format!("{method} {path}: {status} {name}"), &header, "description");
                    }
                }
            }
        }
        for (name, schema) in members(&document["components"]["schemas"]) {
            for (field, property) in members(&schema["properties"]) {
                check(format!("{name}.{field}"), &property, "description");
            }
        }
        found
    }

    #[test]
    fn everything_is_described() {
        for version in [Version::V1, Version::V2] {
            let document: Value = serde_json::from_str(&openapi(version)).unwrap();
            assert_eq!(undescribed(&document), Vec::<String>::new());
        }
    }

    #[test]
    fn the_committed_documents_are_what_is_served() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi"));
        for (file, version) in [("v1.json", Version::V1), ("v2.json", Version::V2)] {
            let (path, served) = (folder.join(file), openapi(version));
            if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
                std::fs::create_dir_all(folder).expect("docs/openapi can be made");
                std::fs::write(&path, &served).expect("docs/openapi can be written");
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == served, "docs/openapi/{file} differs; run UPDATE_DOCS=1 cargo test -p primetrade");
        }
    }
}
