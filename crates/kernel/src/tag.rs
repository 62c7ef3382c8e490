//! What a change may have made stale, in words that whoever remembers something can hold on to.
//!
//! A tag is a kind and a name, `sellers/<id>`, without blanks. The subject of an event is one by itself; others say which lists
//! and sums a change touches, of before it and after it.

use std::fmt::Display;

use crate::hash::fnv1a;

/// `kind/name`, of a name that has no blanks: an id, a word of ours.
pub fn tag(kind: &str, name: impl Display) -> String {
    format!("{kind}/{name}")
}

/// As [`tag`], of a name that anybody may have chosen. Two that share a tag are taken for one: more is read anew than had to be.
pub fn tag_of_text(kind: &str, name: &str) -> String {
    format!("{kind}/{:016x}", fnv1a(name.bytes()))
}

/// What is changed by events of a release that knew no tags: all of its subject's kind.
pub fn whole_kind(subject: &str) -> &str {
    subject.split('/').next().unwrap_or(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_no_blanks() {
        let odd = tag_of_text("category", "Home & Garden\n> Decor");
        assert!(odd.starts_with("category/") && !odd.contains(char::is_whitespace), "{odd}");
        assert_ne!(odd, tag_of_text("category", "Home"));
        assert_eq!(tag("sellers", 7), "sellers/7");
        assert_eq!(whole_kind("products/7"), "products");
    }
}
