//! JSON pointers (RFC 6901).

/// One step of a pointer, with what separates steps escaped.
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// From the steps joined by slashes, as a violation names its field; the whole document when there are none.
pub fn to(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("/{field}") }
}
