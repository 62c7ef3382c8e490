//! Holds the crates to the direction of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What each crate depends on of ours, no more and no less: those before it in this list.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("platform", &["kernel"]),
    ("tls", &["platform"]),
    ("framing", &[]),
    ("net", &["kernel", "platform", "tls", "framing"]),
    ("storage", &["kernel", "platform", "tls"]),
    ("effects", &["kernel", "platform", "storage"]),
    ("api", &["kernel", "platform", "effects"]),
    ("mesh", &["kernel", "platform", "tls", "net", "storage", "effects", "api"]),
    ("formats", &["kernel"]),
    ("auth", &["kernel", "platform", "storage", "effects", "api", "mesh"]),
    ("stock", &["kernel", "platform", "storage", "effects", "api", "auth"]),
    ("products", &["kernel", "platform", "storage", "effects", "api", "mesh", "formats", "auth", "stock"]),
    ("users", &["kernel", "platform", "storage", "effects", "api", "auth", "stock", "products"]),
    ("gateway", &["kernel", "platform", "net", "effects", "api", "mesh", "auth"]),
    (
        "node",
        &[
            "kernel", "platform", "tls", "net", "storage", "effects", "api", "mesh", "auth", "products", "users",
            "gateway",
        ],
    ),
    (
        "primetrade",
        &[
            "kernel", "platform", "tls", "net", "storage", "effects", "api", "mesh", "formats", "auth", "stock",
            "products", "users", "node",
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

/// A file's source without its tests and comments.
fn code_of(path: &Path) -> String {
    let source = std::fs::read_to_string(path).unwrap();
    let code = source.split("mod tests {").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .fold(String::new(), |all, line| all + line + "\n")
}

/// Every file of a folder and below that is not only for tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let only_tests = ["tests", "suite", "stock_suite", "history", "plans", "testing", "architecture"];
            if only_tests.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path)
            } else {
                found.extend((path.extension() == Some("rs".as_ref())).then_some(path))
            }
        }
    }
    found
}

/// The parts of a crate: the modules that its root declares, each with the files below it.
fn part_and_depth(root: &Path, file: &Path) -> Option<(String, usize)> {
    let relative = file.strip_prefix(root).unwrap().with_extension("");
    let mut modules: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    modules.pop_if(|last| *last == "mod");
    let part = (*modules.first()?).to_owned();
    (!["lib", "main"].contains(&part.as_str())).then_some((part, modules.len()))
}

/// What a path of the crate begins with, wherever the code names one: behind `crate::`, or behind as many `super::` as lead to the root.
fn named_parts(code: &str, depth: usize) -> Vec<String> {
    let to_root = "super::".repeat(depth);
    let behind = ["crate::".to_owned(), to_root];
    let mut found = Vec::new();
    for start in behind.iter().filter(|start| !start.is_empty()) {
        for (at, _) in code.match_indices(start.as_str()) {
            let rest = &code[at + start.len()..];
            let is_longer =
                code[..at].ends_with("super::") || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if is_longer {
                continue;
            }
            let list =
                rest.strip_prefix('{').map_or(rest, |list| list.split_once(";\n").map_or(list, |(list, _)| list));
            let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
            let word = |name: &str| {
                let name = name.trim_start_matches(|c: char| c.is_whitespace() || c == '{');
                name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
            };
            found.extend(names.into_iter().map(word));
        }
    }
    found
}

/// Parts of one crate may build on each other, but not in a circle: each can then be read, and moved, after those that it builds on.
#[test]
fn no_crate_has_a_circle_of_parts() {
    for (name, _) in DEPENDENCIES {
        let root = crates().join(name).join("src");
        let files = sources(&root);
        let parts: BTreeSet<String> =
            files.iter().filter_map(|file| part_and_depth(&root, file)).map(|(part, _)| part).collect();
        let mut builds_on: BTreeMap<&str, BTreeSet<&str>> =
            parts.iter().map(|part| (part.as_str(), BTreeSet::new())).collect();
        for file in &files {
            let Some((part, depth)) = part_and_depth(&root, file) else { continue };
            let part = parts.get(&part).unwrap();
            for named in named_parts(&code_of(file), depth) {
                if let Some(named) = parts.get(&named).filter(|named| *named != part) {
                    builds_on.get_mut(part.as_str()).unwrap().insert(named);
                }
            }
        }
        // What builds on nothing that is left is no part of a circle.
        while let Some(free) = builds_on.iter().find(|(_, on)| on.is_empty()).map(|(part, _)| *part) {
            builds_on.remove(free);
            builds_on.values_mut().for_each(|on| _ = on.remove(free));
        }
        assert!(builds_on.is_empty(), "{name}: parts in a circle, or built on one: {builds_on:?}");
    }
}

/// A service's store is its own: no other crate names it.
#[test]
fn stores_stay_inside_their_service() {
    let crates = crates();
    // The tables of stock are those of its service, products.
    for (name, _) in DEPENDENCIES.iter().filter(|(name, _)| *name != "stock") {
        let library = std::fs::read_to_string(crates.join(name).join("src/lib.rs")).unwrap_or_default();
        assert!(!library.contains("pub mod store;"), "{name} shows its store to others");
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
    let reads_by_serde = |path: &PathBuf| {
        let code = code_of(path);
        ["serde_json::from_", "serde_json::Deserializer"].iter().any(|words| code.contains(words))
    };
    let name = |path: PathBuf| path.strip_prefix(&crates).unwrap().to_str().unwrap().to_owned();
    let mut found: Vec<String> = sources(&crates).into_iter().filter(reads_by_serde).map(name).collect();
    let mut known: Vec<&str> = READ_BY_SERDE.iter().map(|(file, _)| *file).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known, "read what comes from outside with kernel::json::from_slice, or say here why not");
}

/// Whole, or from one of its folders on: `effects/src/log/`, `edge/mod.rs`.
#[test]
fn pages_name_files_that_exist() {
    let root = crates().parent().unwrap().to_owned();
    let mut paths = vec![];
    for top in ["crates", "tests", "packaging", "docs"] {
        add_paths(&root, Path::new(top), &mut paths);
    }
    let inside = paths.iter().filter(|path| path.starts_with("/docs/inside/") && path.ends_with(".md"));
    let pages: Vec<&str> =
        inside.map(|path| &path[1..]).chain(["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/extending.md"]).collect();
    for page in pages {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let is_source = |word: &&str| {
            let is_path = word.contains('/') && !word.contains([' ', '*', '{', '<', ':']) && !word.starts_with('/');
            is_path && (word.ends_with(".rs") || word.ends_with('/'))
        };
        for word in text.split('`').skip(1).step_by(2).filter(is_source) {
            let end = format!("/{word}");
            assert!(paths.iter().any(|path| path.ends_with(&end)), "{page} names {word}, which is not there");
        }
    }
}

#[test]
fn links_of_pages_lead_somewhere() {
    let root = crates().parent().unwrap().to_owned();
    let mut pages = vec![];
    add_paths(&root, Path::new("docs"), &mut pages);
    pages.extend(["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"].map(str::to_owned));
    for page in pages.iter().filter(|page| page.ends_with(".md")) {
        let file = root.join(page.trim_start_matches('/'));
        let text = std::fs::read_to_string(&file).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap();
            assert!(file.parent().unwrap().join(path).exists(), "{page} links to {link}, which is not there");
        }
    }
}

/// Beyond that nobody reads a file at once.
#[test]
fn no_file_is_too_long() {
    const MOST: usize = 400;
    let mut long = Vec::new();
    for (name, _) in DEPENDENCIES {
        for path in sources(&crates().join(name).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests that lie in the file of what they test come last in it.
            let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
            if own > MOST {
                long.push(format!("{} has {own} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// Each event of the code has its row, and each row its event.
#[test]
fn every_event_of_the_log_is_documented() {
    let page = std::fs::read_to_string(crates().parent().unwrap().join("docs/logging.md")).unwrap();
    let (_, events) = page.split_once("## Events").unwrap();
    let names = events.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<&str> = names.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    // Those of parked jobs are chosen among at run time.
    let mut written = BTreeSet::from(["job.replayed".to_owned(), "job.discarded".to_owned()]);
    for (name, _) in DEPENDENCIES {
        for path in sources(&crates().join(name).join("src")) {
            let code = code_of(&path);
            let events = code.split("event = \"").skip(1).filter_map(|rest| rest.split('"').next());
            written.extend(events.map(str::to_owned));
        }
    }
    let missing: Vec<_> = written.iter().filter(|event| !documented.contains(event.as_str())).collect();
    let gone: Vec<_> = documented.iter().filter(|event| !written.contains(**event)).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/logging.md lacks {missing:?}, and has {gone:?}, which is not written"
    );
}

/// Files and folders below one, folders with a slash at their end; none that a build made.
fn add_paths(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        let shown = format!("/{}", path.display());
        if !entry.file_type().unwrap().is_dir() {
            found.push(shown);
        } else if entry.file_name() != "target" && entry.file_name() != "node_modules" {
            found.push(shown + "/");
            add_paths(root, &path, found);
        }
    }
}

/// By the sum that each has of its text: graphviz itself need not be there.
#[test]
fn drawings_are_of_today() {
    let folder = crates().parent().unwrap().join("docs/drawings");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "dot")).collect();
    assert!(!texts.is_empty());
    for text in texts {
        let sum: String =
            Sha256::digest(std::fs::read(&text).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        let drawn = std::fs::read_to_string(text.with_extension("svg")).unwrap();
        assert!(drawn.contains(&format!(" {} -->", &sum[..16])), "{} was changed: `make drawings`", text.display());
    }
}
