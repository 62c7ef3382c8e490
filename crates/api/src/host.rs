//! Which host a request is for, in a form that every server reads alike (RFC 9112 §3.2).

use std::net::Ipv6Addr;

use axum::http::{Request, Version, header};

use super::header::MalformedHeader;

/// Checks that a request of HTTP/1.1 names one host. A second one is refused before, by the listener.
///
/// # Errors
/// When it names none, or what cannot be a host.
pub fn check<B>(request: &Request<B>) -> Result<(), MalformedHeader> {
    let malformed = |detail| Err(MalformedHeader::new("Host", "format", detail));
    let in_target = request.uri().authority().is_none_or(|authority| is_host(authority.as_str()));
    match request.headers().get(header::HOST) {
        Some(host) if !in_target || !host.to_str().is_ok_and(is_host) => {
            malformed("Host is no host: write a name or an address, and a port if it is not the scheme's")
        }
        Some(host)
            if request.version() == Version::HTTP_2
                && request.uri().authority().is_some_and(|of| host != of.as_str()) =>
        {
            malformed("Host is another than the host that the request is for")
        }
        None if !in_target => malformed("The host that the request is for is no host: write a name or an address"),
        None if request.version() == Version::HTTP_11 => malformed("A request has to name its host in the header Host"),
        _ => Ok(()),
    }
}

/// A name or an address (RFC 3986 §3.2.2), and perhaps a port; or nothing, which a client writes that was given no host.
fn is_host(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let is_address =
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(|v6| v6.parse::<Ipv6Addr>().is_ok());
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && is_address.unwrap_or_else(|| !host.is_empty() && host.bytes().all(in_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for host in
            ["", "x", "shop.example", "shop.example:8080", "shop.example:", "192.0.2.1:80", "[::1]", "[2001:db8::1]:80"]
        {
            assert!(is_host(host), "{host}");
        }
        for not in
            [":80", "a b", "a/b", "user@a", "a:b", "a:8:9", "::1", "[::1", "[x]", "a\u{e9}", "a,b c", "a?b", "a#b"]
        {
            assert!(!is_host(not), "{not}");
        }
    }

    #[test]
    fn only_http_1_1_has_to_name_one() {
        let of = |version, target: &'static str, host: Option<&'static str>| {
            let mut request = Request::builder().version(version).uri(target).body(()).unwrap();
            host.map(|host| request.headers_mut().insert(header::HOST, host.parse().unwrap()));
            check(&request).is_ok()
        };
        assert!(of(Version::HTTP_11, "/", Some("x")) && !of(Version::HTTP_11, "/", None));
        assert!(of(Version::HTTP_10, "/", None) && of(Version::HTTP_2, "http://x/", None));
        assert!(!of(Version::HTTP_10, "/", Some("a b")));
        assert!(of(Version::HTTP_11, "http://x:80/", Some("y")) && !of(Version::HTTP_11, "http://x/", None));
        assert!(!of(Version::HTTP_11, "http://user@x/", Some("x")));
        assert!(of(Version::HTTP_2, "http://x/", Some("x")) && !of(Version::HTTP_2, "http://x/", Some("y")));
        assert!(!of(Version::HTTP_2, "http://user@x/", None));
    }
}
