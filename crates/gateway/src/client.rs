//! Who a client is, behind proxies: the last address of `X-Forwarded-For` that no trusted proxy has. What stands before it anyone
//! could have written.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use platform::http::ClientAddress;
use platform::telemetry::trace::Sender;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Marks a request that comes from a trusted proxy.
#[derive(Clone, Copy)]
pub struct Believed;

/// Replaces the peer's address by the client's, if the peer is a trusted proxy that tells it; and says whether it is one.
pub fn locate(request: &mut Request, trusted: &[IpNet]) -> Sender {
    let peer = request.extensions().get().map(|ClientAddress(peer)| *peer);
    let Some(peer) = peer.filter(|peer| is_among(trusted, *peer)) else { return Sender::Stranger };
    let client = client(peer, request.headers(), trusted);
    request.extensions_mut().insert(ClientAddress(client));
    request.extensions_mut().insert(Believed);
    Sender::Trusted
}

fn is_among(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    // By bytes: a client may write what is no text into the line that its proxy goes on with.
    let told =
        headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    let mut hops = told.map(|hop| std::str::from_utf8(hop).ok()?.trim().parse::<IpAddr>().ok());
    let mut client = peer;
    while is_among(trusted, client)
        && let Some(Some(hop)) = hops.next()
    {
        client = hop;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, told: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in told {
            headers.append(FORWARDED_FOR, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
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
}
