//! TLS by rustls: certificates and keys from files, which are read again when they change; who is believed; and refusals in words.

mod certificate;
mod client;
mod files;
mod reloaded;
mod server;
mod words;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use certificate::{Certificate, Side, objection};
pub use client::{Roots, TlsClient, Trust, server_name};
pub use files::Pair;
pub use server::{Clients, TlsServer};
pub use words::{is_refusal, words};

/// What is spoken inside, as the sides agree on it: RFC 7301.
pub const HTTP1: &[u8] = b"http/1.1";
pub const HTTP2: &[u8] = b"h2";

/// Why no TLS can be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{} has no {what} in PEM form", file.display())]
    Lacks { file: PathBuf, what: &'static str },
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("{} cannot be used: {why}", file.display())]
    Unusable { file: PathBuf, why: String },
    #[error("TLS cannot be set up: {0}")]
    Library(rustls::Error),
    #[error("this machine has no certificates of authorities: install ca-certificates")]
    NoAuthorities,
}

/// The cryptography that all connections use.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests;
