//! `primetrade help settings`.

use std::fmt::Write;

use super::{Setting, settings};

/// What there is to set, for a terminal: all, or a section; None where there is no such section.
pub fn help(wanted: Option<&str>) -> Option<String> {
    let mut page = String::from(
        "Settings are read from primetrade.toml (or --config FILE), then from variables, then from flags; the last one counts.\n\
         primetrade config print shows those in force, and where each is from; docs/settings.md says the same as this page.\n",
    );
    let mut section = "";
    let is_wanted = |setting: &&Setting| wanted.is_none_or(|wanted| setting.section_and_name().0 == wanted);
    for setting in settings().iter().filter(is_wanted) {
        if setting.section_and_name().0 != section {
            section = setting.section_and_name().0;
            let _ = write!(page, "\n{section}\n");
        }
        let default = if setting.default.is_empty() { "empty" } else { setting.default };
        // Writing to a String does not fail.
        let _ = writeln!(page, "  --{:<32} {}  [{default}]", setting.flag(), setting.variable());
        for line in wrapped(setting.doc, 92) {
            let _ = writeln!(page, "      {line}");
        }
    }
    (!section.is_empty()).then_some(page)
}

/// Of settings.
pub fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = settings().iter().map(|setting| setting.section_and_name().0).collect();
    sections.dedup();
    sections
}

/// Lines of whole words, of so many characters at most where words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
                continue;
            }
            if line.len() + 1 + word.len() <= width {
                line.push(' ');
                line.push_str(word);
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_on_the_page() {
        assert_eq!(help(Some("htp")), None);
        for section in sections() {
            let page = help(Some(section)).unwrap();
            let is_there = |setting: &Setting| page.contains(&format!("--{} ", setting.flag()));
            assert!(
                settings().iter().all(|setting| is_there(setting) == (setting.section_and_name().0 == section)),
                "{page}"
            );
        }
        let page = help(None).unwrap();
        for setting in settings() {
            assert!(page.contains(&format!("--{} ", setting.flag())) && page.contains(&setting.variable()), "{page}");
        }
        assert!(page.lines().skip(2).all(|line| line.len() < 140), "{page}");
    }
}
