//! What a certificate says, and whether those that sign it are trusted.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{ServerName, UnixTime};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::client::{AnyName, Roots, verifier};
use crate::files::{self, Pair};
use crate::server::client_verifier;
use crate::{TlsError, words};

/// The certificate of a server or client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Names and addresses of hosts.
    pub names: Vec<String>,
    /// Until when it is valid, since the epoch.
    pub not_after: Duration,
}

impl Certificate {
    /// The first of a file: those behind it lead to its authority.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn read(file: &Path) -> Result<Self, TlsError> {
        let lacks = || TlsError::Lacks { file: file.to_owned(), what: "certificate" };
        let unusable =
            |error: x509_cert::der::Error| TlsError::Unusable { file: file.to_owned(), why: error.to_string() };
        let found = files::certificates(file)?;
        let certificate = x509_cert::Certificate::from_der(found.first().ok_or_else(lacks)?).map_err(unusable)?;
        let content = certificate.tbs_certificate;
        let names = content.get::<SubjectAltName>().map_err(unusable)?.map_or_else(Vec::new, |(_, names)| names.0);
        let not_after = content.validity.not_after.to_unix_duration();
        Ok(Self { names: names.iter().filter_map(host).collect(), not_after })
    }

    /// How long it is valid from a time on, since the epoch; none if it is not any more.
    pub fn lasts(&self, now: Duration) -> Option<Duration> {
        self.not_after.checked_sub(now)
    }
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => match address.as_bytes() {
            bytes if bytes.len() == 4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// Which side shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

/// What whoever trusts these authorities has against somebody who shows this pair, whatever it is called.
///
/// # Errors
/// When a file cannot be used.
pub fn objection(side: Side, pair: &Pair, roots: &Roots) -> Result<Option<String>, TlsError> {
    let (certificates, _) = pair.read()?;
    let Some((own, between)) = certificates.split_first() else { return Ok(None) };
    let now = UnixTime::now();
    let error = match (side, roots) {
        (Side::Client, Roots::File(file)) => client_verifier(file)?.verify_client_cert(own, between, now).err(),
        _ => {
            // Any will do.
            let name = ServerName::IpAddress(IpAddr::from([127, 0, 0, 1]).into());
            AnyName(Some(verifier(roots)?)).verify_server_cert(own, between, &name, &[], now).err()
        }
    };
    Ok(error.map(|error| words::of(&error)))
}
