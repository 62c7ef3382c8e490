//! Who a client is, behind proxies: the last address of `X-Forwarded-For` or `Forwarded` (RFC 7239) that no trusted proxy has. What
//! stands before it anyone could have written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use platform::client::{ClientAddress, Https};
use platform::trace_context::Sender;

use super::forwarded;

pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Marks a request that comes from a trusted proxy.
#[derive(Clone, Copy)]
pub struct Believed;

/// Replaces the peer's address by the client's, if the peer is a trusted proxy that tells it; and says whether it is one.
pub fn locate(request: &mut Request, trusted: &[IpNet]) -> Sender {
    let peer = request.extensions().get().map(|ClientAddress(peer)| *peer);
    let Some(peer) = peer.filter(|peer| is_among(trusted, *peer)) else { return Sender::Stranger };
    let client = client(peer, request.headers(), trusted);
    let encrypted = is_encrypted(request.headers());
    let extensions = request.extensions_mut();
    extensions.insert(ClientAddress(client));
    extensions.insert(Believed);
    match encrypted {
        Some(true) => drop(extensions.insert(Https)),
        // The connection of the proxy is not that of its client.
        Some(false) => drop(extensions.remove::<Https>()),
        None => {}
    }
    Sender::Trusted
}

fn is_among(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let by_addresses = headers.contains_key(FORWARDED_FOR).then(|| walk(peer, addresses(headers), trusted));
    let nodes = forwarded::elements(headers).map(|element| element.and_then(|element| address(&element.node?)));
    let by_nodes = headers.contains_key(header::FORWARDED).then(|| walk(peer, nodes, trusted));
    match (by_addresses, by_nodes) {
        (Some(client), None) | (None, Some(client)) => client,
        // A proxy that writes one of them passes on what its client wrote into the other.
        (Some(one), Some(other)) if one.to_canonical() == other.to_canonical() => one,
        _ => peer,
    }
}

/// From the peer back through trusted proxies. A hop that is no address, or hidden, is as far as anybody can see.
fn walk(peer: IpAddr, mut hops: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    while is_among(trusted, client)
        && let Some(Some(hop)) = hops.next()
    {
        client = hop;
    }
    client
}

/// The hops of `X-Forwarded-For`, the last one first.
fn addresses(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    // By bytes: a client may write what is no text into the line that its proxy goes on with.
    let hops =
        headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    hops.map(|hop| address(std::str::from_utf8(hop).ok()?.trim()))
}

/// An address, whose port some proxies write too: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn address(node: &str) -> Option<IpAddr> {
    if let Some(bracketed) = node.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address.into());
    }
    node.parse().ok().or_else(|| {
        let (address, port) = node.split_once(':')?;
        let address: Ipv4Addr = address.parse().ok()?;
        is_port(port).then_some(address.into())
    })
}

/// RFC 7239 §6 lets a proxy hide its port behind a word.
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_').is_some_and(|word| !word.is_empty());
    hidden || text.parse::<u16>().is_ok()
}

/// Whether the client speaks TLS with the first proxy, if that says so. A client that makes that up deceives nobody but itself.
fn is_encrypted(headers: &HeaderMap) -> Option<bool> {
    let is_https = |scheme: &str| scheme.trim().eq_ignore_ascii_case("https");
    match headers.get(FORWARDED_PROTO) {
        Some(schemes) => Some(schemes.to_str().is_ok_and(|schemes| schemes.split(',').next().is_some_and(is_https))),
        None => forwarded::elements(headers).last().flatten().and_then(|first| first.proto).map(|s| is_https(&s)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn told(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(HeaderName, &'static str)| {
            (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut headers = HeaderMap::new();
        lines.iter().map(line).for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    fn client_of_all(peer: &str, lines: &[(HeaderName, &'static str)]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client(peer.parse().unwrap(), &told(lines), &trusted).to_string()
    }

    fn client_of(peer: &str, values: &[&'static str]) -> String {
        client_of_all(peer, &values.iter().map(|value| (FORWARDED_FOR, *value)).collect::<Vec<_>>())
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_saw() {
        assert_eq!(client_of("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(client_of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client_of("::1", &["203.0.113.5, 198.51.100.1, 10.1.1.1"]), "198.51.100.1", "the first was made up");
        assert_eq!(client_of("10.0.0.1", &["203.0.113.5", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client_of("::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(client_of("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", &["203.0.113.5", "\u{e9}, 10.1.1.1"]), "10.1.1.1", "not even beyond it");
        assert_eq!(client_of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn ports_make_no_other_client() {
        for (hop, client) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("192.0.2.1, 10.0.0.2:80", "192.0.2.1"),
            ("2001:db8::1:4711", "2001:db8::1:4711"),
            ("192.0.2.1:", "10.0.0.1"),
            ("192.0.2.1:99999", "10.0.0.1"),
            ("192.0.2.1:x", "10.0.0.1"),
            ("[192.0.2.1]", "10.0.0.1"),
            ("[2001:db8::1]4711", "10.0.0.1"),
            ("[2001:db8::1", "10.0.0.1"),
        ] {
            assert_eq!(client_of("10.0.0.1", &[hop]), client, "{hop}");
        }
    }

    #[test]
    fn forwarded_is_read_alike() {
        for (value, client) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=192.0.2.43;proto=http;by=203.0.113.43", "192.0.2.43"),
            ("by=10.0.0.1; for=\"192.0.2.43:4711\"", "192.0.2.43"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]:_hidden\"", "2001:db8:cafe::17"),
            ("for=203.0.113.5, for=198.51.100.1,for=10.1.1.1", "198.51.100.1"),
            ("for=\"x, for=203.0.113.5\", for=198.51.100.1", "198.51.100.1"),
            ("for=192.0.2.43, for=unknown", "10.0.0.1"),
            ("for=192.0.2.43, for=_x", "10.0.0.1"),
            ("for=192.0.2.43, proto=https", "10.0.0.1"),
            ("for=192.0.2.43;for=192.0.2.44", "10.0.0.1"),
            ("for=\"192.0.2.43", "10.0.0.1"),
            ("for=\"x, for=192.0.2.43", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client_of_all("10.0.0.1", &[(header::FORWARDED, value)]), client, "{value}");
        }
    }

    #[test]
    fn headers_that_disagree_tell_nothing() {
        let both = |one, other| client_of_all("10.0.0.1", &[(FORWARDED_FOR, one), (header::FORWARDED, other)]);
        assert_eq!(both("192.0.2.1:4711", "for=192.0.2.1"), "192.0.2.1");
        assert_eq!(both("192.0.2.1", "for=192.0.2.2"), "10.0.0.1");
        assert_eq!(both("192.0.2.1", "for=_x"), "10.0.0.1");
    }

    #[test]
    fn tls_ends_at_the_first_proxy() {
        for (name, value, encrypted) in [
            (FORWARDED_PROTO, "https", Some(true)),
            (FORWARDED_PROTO, "HTTPS, http", Some(true)),
            (FORWARDED_PROTO, "http, https", Some(false)),
            (header::FORWARDED, "for=192.0.2.1;proto=https, for=10.0.0.2;proto=http", Some(true)),
            (header::FORWARDED, "for=192.0.2.1;proto=\"http\"", Some(false)),
            (header::FORWARDED, "for=192.0.2.1", None),
        ] {
            assert_eq!(is_encrypted(&told(&[(name, value)])), encrypted, "{value}");
        }
    }
}
