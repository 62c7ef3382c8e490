//! Which server a URL names, and how TLS is spoken with it: as libpq has it, with `sslmode`, `sslrootcert`, `sslcert` and `sslkey`.

use std::path::PathBuf;
use std::sync::Arc;

use tls::{Pair, Roots, TlsClient, Trust};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A server, and the way to it.
#[derive(Clone)]
pub struct Server {
    pub config: Config,
    pub encryption: Encryption,
}

impl Server {
    /// # Errors
    /// `Unavailable` when the URL is not one, or names files that cannot be used.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        let Named { config, trust, own } = Named::parse(url).map_err(StoreError::Unavailable)?;
        let client = TlsClient::open(trust, own, &[]).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { config, encryption: Encryption(Arc::new(client)) })
    }

    /// # Errors
    /// When there is no connection.
    pub async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>), tokio_postgres::Error> {
        self.config.connect(self.encryption.clone()).await
    }
}

/// Speaks TLS where the server is asked for it.
#[derive(Clone)]
pub struct Encryption(Arc<TlsClient>);

impl MakeTlsConnect<Socket> for Encryption {
    type Stream = TlsStream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        // Anew for each connection: the files may have changed.
        MakeTlsConnect::<Socket>::make_tls_connect(&mut MakeRustlsConnect::new((*self.0.config()).clone()), host)
    }
}

/// What a URL says.
pub struct Named {
    config: Config,
    trust: Trust,
    own: Option<Pair>,
}

impl Named {
    /// # Errors
    /// What is wrong with it, without the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        // A password may have a question mark: what is before the first @ is no query.
        let host = url.find('@').map_or(0, |at| at + 1);
        let query = url[host..].find('?').map_or(url.len(), |mark| host + mark);
        let (base, query) = (&url[..query], url[query..].trim_start_matches('?'));
        let mut tls = TlsParameters::default();
        let others: Vec<&str> = query.split('&').filter(|parameter| !tls.take(parameter)).collect();
        let rest = if others.concat().is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        // The parser's own message could repeat the password.
        let Ok(mut config) = rest.parse::<Config>() else {
            return Err("not a valid PostgreSQL URL (postgres://user:password@host:port/database; percent-encode @ : / in passwords)".into());
        };
        // The rest of a password, as the parser sees it.
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(host) if host.contains('@'))) {
            return Err("two @ in a PostgreSQL URL: write %40 for one in a user name or password".into());
        }
        if config.get_ssl_mode() != SslMode::Prefer {
            return Err(
                "sslmode is not where it belongs in the PostgreSQL URL: percent-encode @ and ? in passwords".into()
            );
        }
        let (mode, trust, own) = tls.read()?;
        config.ssl_mode(mode);
        Ok(Self { config, trust, own })
    }
}

/// The parameters of a URL that are about TLS, as they are written.
#[derive(Default)]
struct TlsParameters {
    mode: Option<String>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl TlsParameters {
    /// Whether it is one of them.
    fn take(&mut self, parameter: &str) -> bool {
        // A plus is one here, where a form has a blank.
        let parameter = parameter.replace('+', "%2B");
        let Some((name, value)) = form_urlencoded::parse(parameter.as_bytes()).next() else { return false };
        let field = match &*name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.roots,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            _ => return false,
        };
        *field = Some(value.into_owned()).filter(|value| !value.is_empty());
        true
    }

    fn read(self) -> Result<(SslMode, Trust, Option<Pair>), String> {
        let own = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(Pair { certificate: certificate.into(), key: key.into() }),
            (None, None) => None,
            (Some(_), None) => return Err("sslcert needs sslkey beside it".into()),
            (None, Some(_)) => return Err("sslkey needs sslcert beside it".into()),
        };
        let named = self.roots.is_some();
        let roots = match self.roots {
            Some(file) if file != "system" => Roots::File(PathBuf::from(file)),
            _ => Roots::System,
        };
        let (mode, trust) = match self.mode.as_deref() {
            // A certificate that is shown to nobody, or authorities that nobody asks, are a mistake.
            None | Some("disable") if named || own.is_some() => {
                return Err("sslrootcert and sslcert need sslmode=verify-full, verify-ca or require".into());
            }
            None | Some("disable") => (SslMode::Disable, Trust::Anybody),
            Some("prefer") => (SslMode::Prefer, Trust::Anybody),
            // As libpq has it.
            Some("require") if named => (SslMode::Require, Trust::Certified(roots)),
            Some("require") => (SslMode::Require, Trust::Anybody),
            Some("verify-ca") => (SslMode::Require, Trust::Certified(roots)),
            Some("verify-full") => (SslMode::Require, Trust::Named(roots)),
            Some(_) => return Err("expected sslmode disable, prefer, require, verify-ca or verify-full".into()),
        };
        Ok((mode, trust, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://user:secret@db.example/shop";

    #[test]
    fn what_is_said_of_tls_is_read_and_the_rest_left() {
        let named = |query: &str| Named::parse(&format!("{URL}{query}")).unwrap();
        let file = || Roots::File("/etc/ca.pem".into());
        for (query, mode, trust) in [
            ("", SslMode::Disable, Trust::Anybody),
            ("?sslmode=disable", SslMode::Disable, Trust::Anybody),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=require", SslMode::Require, Trust::Anybody),
            ("?sslmode=require&sslrootcert=/etc/ca.pem", SslMode::Require, Trust::Certified(file())),
            ("?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem", SslMode::Require, Trust::Certified(file())),
            ("?sslmode=verify-full", SslMode::Require, Trust::Named(Roots::System)),
            ("?sslrootcert=system&sslmode=verify-full", SslMode::Require, Trust::Named(Roots::System)),
            (
                "?application_name=x&sslrootcert=/etc/ca.pem&sslmode=verify-full&connect_timeout=3",
                SslMode::Require,
                Trust::Named(file()),
            ),
        ] {
            let found = named(query);
            assert_eq!((found.config.get_ssl_mode(), &found.trust), (mode, &trust), "{query}");
            let name = found.config.get_application_name();
            assert_eq!(name, query.contains("application_name").then_some("x"));
        }
        let question = Named::parse("postgres://user:sec?ret@db.example/shop?sslmode=verify-full").unwrap();
        assert_eq!((question.config.get_ssl_mode(), &question.trust), (SslMode::Require, &Trust::Named(Roots::System)));
        assert_eq!(question.config.get_password(), Some(&b"sec?ret"[..]));
        let plus = named("?sslmode=verify-full&sslrootcert=/etc/a+b.pem").trust;
        assert_eq!(plus, Trust::Named(Roots::File("/etc/a+b.pem".into())));
        let own = named("?sslmode=verify-full&sslcert=a.pem&sslkey=a.key").own;
        assert_eq!(own, Some(Pair { certificate: "a.pem".into(), key: "a.key".into() }));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_the_password() {
        for (query, words) in [
            ("?sslmode=verify", "expected sslmode disable"),
            ("?sslmode=allow", "expected sslmode disable"),
            ("?sslrootcert=/etc/ca.pem", "need sslmode=verify-full"),
            ("?sslmode=disable&sslcert=a.pem&sslkey=a.key", "need sslmode=verify-full"),
            ("?sslmode=verify-full&sslcert=a.pem", "sslcert needs sslkey"),
            ("?sslmode=verify-full&sslkey=a.key", "sslkey needs sslcert"),
            ("?nothing=x", "not a valid PostgreSQL URL"),
        ] {
            let refused = Named::parse(&format!("{URL}{query}")).err().unwrap();
            assert!(refused.contains(words) && !refused.contains("secret"), "{query}: {refused}");
        }
    }
}
