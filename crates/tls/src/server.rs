//! The side that is called.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::files::{self, Pair};
use crate::reloaded::Reloaded;
use crate::{TlsError, provider};

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clients {
    Anybody,
    /// Whoever has a certificate of one of the authorities in a file.
    Certified(PathBuf),
}

/// Accepts TLS, as its files have it.
pub struct TlsServer(Reloaded<ServerConfig>);

impl TlsServer {
    /// `protocols`: those that are spoken inside, the best first.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn open(pair: Pair, clients: Clients, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let mut watched = vec![pair.certificate.clone(), pair.key.clone()];
        if let Clients::Certified(file) = &clients {
            watched.push(file.clone());
        }
        Reloaded::open(watched, move || config(&pair, &clients, protocols)).map(Self)
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current())
    }
}

fn config(pair: &Pair, clients: &Clients, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
    let (certificates, key) = pair.read()?;
    let unusable = |error: rustls::Error| pair.refuse(error);
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::Certified(file) => {
            let roots = Arc::new(files::authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let refused = |error: rustls::server::VerifierBuilderError| TlsError::Unusable {
                file: file.clone(),
                why: error.to_string(),
            };
            builder.with_client_cert_verifier(verifier.map_err(refused)?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(unusable)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // Who comes back has its session along, so that none is kept here.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unusable)?;
    Ok(config)
}
