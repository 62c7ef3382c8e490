//! Passwords as the profile OpaqueString of PRECIS has them (RFC 8265 §4.2): what looks alike and is typed alike is alike, whichever
//! keyboard or system wrote it. An é of one character is an é of two, and a space is a space.

use std::borrow::Cow;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::{Profile, Rules};

/// The one form of all ways to write a password: spaces of any kind are plain ones, and characters are composed (NFC).
///
/// Any text has one, also what [`is_allowed`] is not: passwords of before may hold it, and those of API v1.
pub fn normalized(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    let profile = OpaqueString::new();
    let mapped = profile.additional_mapping_rule(password).and_then(|mapped| profile.normalization_rule(mapped));
    // Neither rule knows an error.
    mapped.unwrap_or(Cow::Borrowed(password))
}

/// Whether the password has only characters that may be in one: no controls, and nothing that nobody sees.
pub fn is_allowed(password: &str) -> bool {
    OpaqueString::new().prepare(password).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_alike_is_alike() {
        for (written, normal) in [
            ("Caf\u{e9} 1234", "Caf\u{e9} 1234"),
            ("Cafe\u{301} 1234", "Caf\u{e9} 1234"),
            ("no\u{a0}break", "no break"),
            ("\u{3000}ideographic\u{2003}", " ideographic "),
            ("\u{1680}\u{202f}\u{205f}\u{2000}", "    "),
            ("\u{212b}", "\u{c5}"),
            ("\u{1100}\u{1161}", "\u{ac00}"),
            // Neither case nor width is mapped, and what is no space stays.
            ("\u{ff21}\u{df}\u{130}", "\u{ff21}\u{df}\u{130}"),
            ("\u{200b}\u{feff}\t\u{85}\u{e9}", "\u{200b}\u{feff}\t\u{85}\u{e9}"),
            ("", ""),
        ] {
            assert_eq!(normalized(written), normal, "{written:?}");
            assert_eq!(normalized(&normalized(written)), normal, "{written:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_not_allowed() {
        for allowed in
            ["correct horse", "Caf\u{e9}", "Cafe\u{301}", "a\u{a0}b", "\u{1f412}\u{2620}", "\u{ff21}", "пароль"]
        {
            assert!(is_allowed(allowed), "{allowed:?}");
        }
        for not in [
            "", "a\0", "tab\t", "\n", "\r", "\u{7f}", "\u{85}", "\u{200b}", "\u{ad}", "\u{feff}", "\u{e000}",
            "\u{fffe}",
        ] {
            assert!(!is_allowed(not), "{not:?}");
        }
    }
}
