//! What an e-mail address looks like.

/// Whether v1's validator (validator.js `isEmail`, without quoted local parts) takes the address.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    text.chars().count() <= 100
        && local.len() <= 64
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
        && is_domain(domain)
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_international(c)
}

/// The ranges of letters beyond ASCII that the validator knows; no surrogates, so nothing beyond the basic plane.
fn is_international(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ffef}')
}

fn is_domain(domain: &str) -> bool {
    let Some((_, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let international = |c: char| is_international(c) && c != '\u{a9}' && !c.is_whitespace();
    let letters = top.chars().count() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic() || international(c));
    let punycode = top.len() >= 4
        && top.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("xn"))
        && top.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    domain.len() <= 254 && (letters || punycode) && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let full_width = |c: char| matches!(c, '\u{ff01}'..='\u{ff5e}');
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || (c >= '\u{a1}' && !full_width(c));
    (1..=63).contains(&label.chars().count())
        && label.chars().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses() {
        for good in [
            "a@b.co",
            "first.last+tag@sub.example.com",
            "jörg@müller.de",
            "x@xn--p1ai.xn--p1ai",
            "o'neil@example.museum",
        ] {
            assert!(is_email(good), "{good}");
        }
        let long_local = format!("{}@b.co", "a".repeat(65));
        let long = format!("{}@{}.co", "a".repeat(60), "b".repeat(40));
        for bad in [
            "",
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a@b.c",
            "a@b.1c",
            "a@b.12",
            "a@-b.co",
            "a@b-.co",
            "a@b..co",
            ".a@b.co",
            "a..b@c.co",
            "a b@c.co",
            "a@b@c.co",
            "a@b_c.co",
            "a@b.co.",
            "a@[1.2.3.4]",
            "a@1.2.3.4",
            "a\0@b.co",
            &long_local,
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
