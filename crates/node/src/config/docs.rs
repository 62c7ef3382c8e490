//! docs/settings.md, generated from the table.

use std::fmt::Write;
use std::path::Path;

use super::{Config, Setting, settings};

const INTRODUCTION: &str = "\
<!-- Generated from crates/node/src/config/table.rs; renew with `make docs`. -->

# Settings

PrimeTrade runs without any setting. What is set is taken from four sources; a later one replaces an earlier one:

1. the defaults below
2. the file `primetrade.toml` in the working directory, if there is one, or the file named by `--config FILE`
3. environment variables: `PRIMETRADE_`, then section and key in capitals, joined by two underscores
4. flags

```toml
# primetrade.toml
[http]
listen = \"0.0.0.0:8080\"
cors_origins = [\"https://shop.example\", \"https://admin.shop.example\"]

[auth.database]
url = \"postgres://auth:secret@db.internal/auth\"
```

```sh
PRIMETRADE_HTTP__LISTEN=0.0.0.0:8080 primetrade serve
primetrade serve --http-listen 0.0.0.0:8080
```

An unknown name is refused in each of them, and so is a value that does not fit, even if a later source replaces it. All
errors are reported at once, one a line, and the exit code is 2. `primetrade config check` does only this; `primetrade
config print` shows the values in force and where each comes from.

- **Times** are a whole number with its unit: `500 ms`, `30 s`, `10 min` (or `10m`), `1 h`, `7 d`. The space is optional.
- **Sizes** are bytes, or a whole number with its unit: `64 KiB`, `1 MiB`, `1 MB`.
- **Lists** are separated by commas; the file also takes an array of strings.
- **Secrets** are never printed or logged, nor are the passwords inside URLs. Prefer the file or the environment for
  them: other users of a machine can see the flags of a process.
";

#[test]
fn settings_are_documented_as_they_are() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md"));
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(path, &page).expect("docs/settings.md can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == page, "docs/settings.md differs from the table; run `make docs`");
}

#[test]
fn every_setting_has_one_sentence() {
    for Setting { key, doc, .. } in settings() {
        assert!(doc.ends_with('.') && doc.len() > 20 && !doc.contains(['\n', '|']), "{key}: {doc:?}");
        assert!(page().contains(&format!("### `{key}`\n\n{doc}\n")), "{key} is not on the page");
    }
}

/// A guide of docs/.
fn guide(name: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The contents of a guide's blocks of code in one language.
fn blocks<'g>(guide: &'g str, language: &str) -> Vec<&'g str> {
    // Every second part stands between two fences.
    let inside = guide.split("```").skip(1).step_by(2);
    inside.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_guides_name_settings_that_exist() {
    let sections: Vec<&str> = settings().iter().map(|setting| setting.section_and_name().0).collect();
    let is_of = |word: &str, mark: &str| {
        sections.iter().any(|section| word.starts_with(&format!("{}{mark}", section.replace('.', mark))))
    };
    for (name, least) in [("growing.md", 30), ("operation.md", 0), ("api.md", 1)] {
        let guide = guide(name);
        let words = guide.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
        let variables = words.clone().filter(|word| word.starts_with("PRIMETRADE_"));
        let flags = words.filter_map(|word| word.strip_prefix("--")).filter(|flag| is_of(flag, "-"));
        // The log's fields and events look as these do, and are in the other guide.
        let quoted = if name == "growing.md" { guide.split('`').collect() } else { Vec::new() };
        let keys = quoted.into_iter().filter(|word| is_of(word, ".") && !word.contains(char::is_whitespace));
        let known = |words: Vec<&str>, name_of: fn(&Setting) -> String| {
            for word in &words {
                assert!(settings().iter().any(|setting| name_of(setting) == *word), "{name}: {word}");
            }
            words.len()
        };
        let found = known(variables.collect(), Setting::variable)
            + known(flags.collect(), Setting::flag)
            + known(keys.collect(), |setting| setting.key.to_owned());
        assert!(found >= least, "{name}: {found}");
    }
}

#[test]
fn the_files_of_the_guides_are_read() {
    for name in ["growing.md", "operation.md"] {
        let guide = guide(name);
        let files = blocks(&guide, "toml");
        assert!(!files.is_empty(), "{name}");
        for text in files {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("primetrade.toml");
            std::fs::write(&file, text).unwrap();
            let sources = super::Sources { file: Some(file), ..super::Sources::default() };
            super::load(&sources).unwrap_or_else(|errors| panic!("{name}:\n{errors}\n{text}"));
        }
    }
}

fn page() -> String {
    let mut out = String::from(INTRODUCTION);
    let mut current = "";
    for setting in settings() {
        let (section, _) = setting.section_and_name();
        if section != current {
            let _ = write!(out, "\n## {section}\n");
            current = section;
        }
        let _ = write!(out, "\n### `{}`\n\n{}\n\n", setting.key, setting.doc);
        let default = if setting.default.is_empty() { "empty".into() } else { format!("`{}`", setting.default) };
        let secret = if setting.secret { " · secret" } else { "" };
        let _ = writeln!(out, "- default: {default}{secret}");
        let _ = writeln!(out, "- value: {}", accepted(setting));
        let _ = writeln!(out, "- `{}` · `--{}`", setting.variable(), setting.flag());
    }
    out
}

/// What a setting takes, in the words of its own error: no value holds a NUL, so each must refuse one.
fn accepted(setting: &Setting) -> String {
    let refusal = (setting.apply)(&mut Config::default(), "\0").expect_err(setting.key);
    let accepted = refusal.strip_prefix("expected ").unwrap_or(&refusal).to_owned();
    let optional = setting.default.is_empty() && !accepted.contains("comma list");
    if optional { format!("{accepted}, or empty") } else { accepted }
}
