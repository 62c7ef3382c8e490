//! Which requests go to the same process of a service each time.

use std::net::IpAddr;

use api::caller::TokenCheck;
use axum::http::Method;
use kernel::fnv1a;
use mesh::Outside;
use mesh::upstream::Affinity;

/// What a service remembers in its processes, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    /// Nothing: a client's requests stay together where the operator wants it so.
    Clients,
    /// Of clients, if the upstream keeps to that, what they change: who tries to log in is counted by the process that is asked, with a
    /// token or without.
    Changes,
    /// Of sessions of API v1, what they were shown. Else as [`Sticky::Clients`].
    V1Sessions,
}

impl Sticky {
    /// What keeps a request with others.
    pub fn affinity(self, method: &Method, path: &str, outside: &Outside) -> Option<Affinity> {
        let session = match &outside.caller {
            Some(TokenCheck::Known(caller)) if self == Self::V1Sessions && path.starts_with("/api/v1/") => {
                Some(fnv1a(caller.session_id.into_bytes()))
            }
            _ => None,
        };
        let counted = self != Self::Changes || !method.is_safe();
        let address = || outside.address.filter(|_| counted).map(network);
        session.map(Affinity::Needed).or_else(|| address().map(Affinity::Preferred))
    }
}

/// The network that one client has to itself: of IPv6, the first half.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => fnv1a(address.octets()),
        IpAddr::V6(address) => fnv1a(address.octets().into_iter().take(8)),
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Principal, Role, Timestamp, Uuid};

    use super::*;

    const V1: &str = "/api/v1/products";
    const V2: &str = "/api/v2/products";

    fn request(sticky: Sticky, method: Method, path: &str, session: Option<u128>, address: &str) -> Option<Affinity> {
        let principal = |session| Principal {
            account_id: Uuid::nil(),
            session_id: Uuid::from_u128(session),
            username: String::new(),
            email: String::new(),
            role: Role::User,
            logged_in_at: Timestamp(0),
        };
        let caller = session.map(|session| TokenCheck::Known(principal(session)));
        sticky.affinity(&method, path, &Outside { caller, address: address.parse().ok(), ..Outside::default() })
    }

    #[test]
    fn a_session_of_v1_is_kept_wherever_it_calls_from() {
        let of = |path, session, address| request(Sticky::V1Sessions, Method::GET, path, session, address);
        let ada = of(V1, Some(1), "192.0.2.1");
        assert!(matches!(ada, Some(Affinity::Needed(_))), "{ada:?}");
        assert_eq!(of(V1, Some(1), "192.0.2.2"), ada);
        assert_eq!(of("/api/v1/products/1", Some(1), ""), ada);
        assert_eq!(request(Sticky::V1Sessions, Method::PUT, V1, Some(1), ""), ada);
        assert_ne!(of(V1, Some(2), "192.0.2.1"), ada);
        // Others stay together if the operator wants it.
        let address = of(V2, Some(1), "192.0.2.1");
        assert!(matches!(address, Some(Affinity::Preferred(_))), "{address:?}");
        assert_eq!(of(V2, Some(2), "192.0.2.1"), address);
        assert_eq!(of(V1, None, "192.0.2.1"), address);
        assert_eq!(request(Sticky::Clients, Method::GET, V1, Some(1), "192.0.2.1"), address);
    }

    #[test]
    fn changes_are_kept_by_the_network_of_the_client() {
        let of = |method, address| request(Sticky::Changes, method, "/api/v1/auth/login", Some(1), address);
        assert_eq!(of(Method::GET, "192.0.2.1"), None);
        let change = of(Method::POST, "192.0.2.1");
        assert!(matches!(change, Some(Affinity::Preferred(_))), "{change:?}");
        assert_eq!(of(Method::POST, "::ffff:192.0.2.1"), change);
        assert_ne!(of(Method::POST, "192.0.2.2"), change);
        assert_eq!(of(Method::POST, "2001:db8::1"), of(Method::POST, "2001:db8::2"));
        assert_ne!(of(Method::POST, "2001:db8::1"), of(Method::POST, "2001:db8:0:1::1"));
    }
}
