//! Where an instance is said to be.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::uri::Authority;

/// How long looking up a name may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Instances of one name at most.
const MOST: usize = 128;

/// `host:port`, as configured. A host that is a name may stand for several instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    authority: Authority,
    host: HeaderValue,
    port: u16,
    /// One of those that the host stands for.
    socket: Option<SocketAddr>,
}

/// Why a text is no address; the whole sentence is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {why}, write HOST:PORT")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

impl Address {
    /// `host:port`.
    pub fn as_str(&self) -> &str {
        self.authority.as_str()
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The value of the header `Host`.
    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    /// The name to look up, or the address itself without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where the name leads, or the address itself.
    ///
    /// # Errors
    /// When the name is not found, or not in time.
    pub async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(socket) = self.literal() {
            return Ok(vec![socket]);
        }
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((self.host(), self.port()))).await??;
        Ok(found.take(MOST).collect())
    }

    /// The same host, at one of the sockets that it stands for.
    pub fn at(self, socket: SocketAddr) -> Self {
        Self { socket: Some(socket), ..self }
    }

    /// Where there is nothing to look up.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        if self.socket.is_some() {
            return self.socket;
        }
        Some(SocketAddr::new(self.host().parse::<IpAddr>().ok()?, self.port))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |why| AddressError { text: text.to_owned(), why };
        let trimmed = text.trim();
        let rest = trimmed.strip_prefix("http://").unwrap_or(trimmed);
        if rest.contains("://") {
            return Err(error("is not spoken to by http"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(error("has more than a host and a port"));
        }
        let authority: Authority = rest.parse().map_err(|_| error("is no address"))?;
        // An address of IPv6 without brackets would be read as a host with a strange port.
        let host = authority.host();
        if host.is_empty() || (host.contains(':') && host.parse::<IpAddr>().is_ok()) {
            return Err(error("has no host"));
        }
        let port = authority.port_u16().filter(|port| *port > 0).ok_or_else(|| error("has no port"))?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| error("is no address"))?;
        Ok(Self { authority, host, port, socket: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_addresses() {
        let parsed = |text: &str| text.parse::<Address>().unwrap();
        assert_eq!(parsed("products:8081").as_str(), "products:8081");
        assert_eq!(parsed("products:8081").host(), "products");
        assert_eq!(parsed("products:8081").literal(), None);
        assert_eq!(parsed(" http://10.0.0.1:80/ ").literal(), Some(SocketAddr::from(([10, 0, 0, 1], 80))));
        let v6 = parsed("[::1]:8081");
        assert_eq!(v6.literal(), Some("[::1]:8081".parse().unwrap()));
        assert_eq!((v6.as_str(), v6.port()), ("[::1]:8081", 8081));
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (text, why) in [
            ("products", "has no port"),
            ("products:", "has no port"),
            ("products:0", "has no port"),
            ("products:99999", "has no port"),
            (":8081", "has no host"),
            ("", "is no address"),
            ("a b:80", "is no address"),
            ("::1:8081", "is no address"),
            ("https://products:443", "is not spoken to by http"),
            ("http://products:80/api", "has more than a host and a port"),
            ("http://user@products:80", "has more than a host and a port"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error, AddressError { text: text.to_owned(), why });
        }
        let error = "products".parse::<Address>().unwrap_err();
        assert_eq!(error.to_string(), "\"products\" has no port, write HOST:PORT");
    }
}
