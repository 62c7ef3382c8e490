//! `config print`: the values in force, as a settings file.

use std::fmt::Write;

use super::Loaded;

impl Loaded {
    /// Every setting with its meaning and the source of its value, as valid TOML: without secrets in it, reading it back
    /// gives the same configuration. Secrets, and passwords inside URLs, are shown as `***`.
    pub fn to_toml(&self) -> String {
        let mut out = String::from("# The settings in force, each with its source. Secrets are shown as ***.\n");
        let mut current = "";
        for given in &self.values {
            let (section, name) = given.setting.section_and_name();
            if section != current {
                let _ = write!(out, "\n[{section}]\n");
                current = section;
            }
            let _ = writeln!(out, "# {}", given.setting.doc);
            let _ = writeln!(out, "{name} = {} # {}", literal(&given.shown()), given.describe_source());
        }
        out
    }
}

/// Numbers and booleans bare, everything else as a basic string.
fn literal(text: &str) -> String {
    // A number that is not written the way TOML would write it (007, +7) would come back as another text.
    let number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    if number || text == "true" || text == "false" {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_back_as_the_same_text() {
        for text in ["", "true", "8080", "-5", "007", "+7", "1_000", "7 d", "a\"b\\c", "line\nend\t\u{7f}\u{85}", "ünï"]
        {
            let document = format!("key = {}", literal(text));
            let table: toml::Table = document.parse().expect(&document);
            let value = match &table["key"] {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(value, text);
        }
    }
}
