//! `primetrade openapi`: what the endpoints say of themselves.

use platform::http::openapi::{Documents, Version};

use crate::app;

/// The document of one API version, as the server serves it.
pub fn openapi(version: Version) -> String {
    let documents = Documents::of(app::described());
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

    use super::*;

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
