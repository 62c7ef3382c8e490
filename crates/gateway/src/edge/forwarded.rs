//! The header `Forwarded` (RFC 7239).

use axum::http::{HeaderMap, header};

/// What one proxy says of the connection that it took.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Who was at its other end: an address, `unknown` or a word of the proxy's own.
    pub node: Option<String>,
    pub proto: Option<String>,
}

/// The elements, the last one first; `None` for one that is not of the header's form.
pub fn elements(headers: &HeaderMap) -> impl Iterator<Item = Option<Element>> {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    lines.flat_map(|line| {
        let elements = split(line.as_bytes(), b',');
        elements.into_iter().rev().map(element)
    })
}

fn element(bytes: &[u8]) -> Option<Element> {
    let mut element = Element::default();
    for pair in split(bytes, b';') {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
        let field = match name {
            name if name.eq_ignore_ascii_case("for") => &mut element.node,
            name if name.eq_ignore_ascii_case("proto") => &mut element.proto,
            _ => continue,
        };
        if field.replace(unquoted(value)?).is_some() {
            return None;
        }
    }
    Some(element)
}

/// The parts between separators that are not within quotes.
fn split(bytes: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = bytes.split(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        *byte == separator && !quoted
    });
    parts.collect()
}

fn unquoted(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    Some(quoted.strip_suffix('"')?.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_split_outside_of_quotes() {
        let mut headers = HeaderMap::new();
        headers.append(header::FORWARDED, "for=a;proto=http, for=\"b, \\\"c\\\";x\";by=\"=\"".parse().unwrap());
        headers.append(header::FORWARDED, "for=d, nonsense".parse().unwrap());
        let of = |node: &str, proto: Option<&str>| {
            Some(Element { node: Some(node.into()), proto: proto.map(str::to_owned) })
        };
        let expected = [None, of("d", None), of("b, \"c\";x", None), of("a", Some("http"))];
        assert_eq!(elements(&headers).collect::<Vec<_>>(), expected);
    }
}
