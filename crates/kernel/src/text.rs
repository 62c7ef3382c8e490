//! Keys for searching, sorting and comparing text, computed here so that both databases compare plain bytes.

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
}
