//! Keys for searching, sorting and comparing text, computed here so that both databases compare plain bytes; and text for the eyes
//! of operators.

use std::borrow::Cow;
use std::fmt::Write;

/// Folds case for comparison: the key of an e-mail address, a name to search, a SKU.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// A handle from a name: lower-case letters and digits of any script, other runs become one hyphen.
/// At most `max` characters; empty when the name has no letter or digit.
pub fn slug(name: &str, max: usize) -> String {
    let mut slug = String::with_capacity(name.len().min(max));
    let mut length = 0;
    let mut gap = false;
    for c in name.chars().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            gap = length > 0;
            continue;
        }
        if length + usize::from(gap) >= max {
            break;
        }
        if gap {
            slug.push('-');
            length += 1;
            gap = false;
        }
        slug.push(c);
        length += 1;
    }
    slug
}

/// The text as a terminal can show it without obeying it: control characters, and those that reorder or break a line, become
/// `\u001b`. JSON and TOML have the same form, so a document with such characters in its strings keeps its meaning.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Nearly every line. Without a branch for each byte, which lets the compiler take many at once.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if is_plain || !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_deceptive(c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character commands a terminal (C0, DEL, C1), or makes text read as another: bidirectional controls, line separators.
fn is_deceptive(c: char) -> bool {
    let reorders =
        matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        assert_eq!(slug("Ocean Blue Shirt!", 80), "ocean-blue-shirt");
        assert_eq!(slug("  --  ", 80), "");
        assert_eq!(slug("Größe № 7", 80), "größe-7");
        assert_eq!(slug("aaaa bbbb", 5), "aaaa");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for plain in ["", "a lamp ~", "größe-7 漢字 🛋"] {
            assert!(matches!(visible(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
        assert_eq!(visible("a\u{1b}[2Jb\n\u{7f}"), r"a\u001b[2Jb\u000a\u007f");
        assert_eq!(
            visible("ü\u{9b}31m\u{202e}\u{2066}\u{2029}\u{200f}\u{61c}"),
            r"ü\u009b31m\u202e\u2066\u2029\u200f\u061c"
        );
        let json = serde_json::to_string("a\u{85}\u{202e}\u{7f}\n\u{1b}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&visible(&json)).unwrap(), "a\u{85}\u{202e}\u{7f}\n\u{1b}");
    }
}
