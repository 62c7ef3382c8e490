//! The side that is called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
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
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?;
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::Certified(file) => builder.with_client_cert_verifier(client_verifier(file)?),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| pair.refuse(error))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    match clients {
        // Who comes back has its session along, so that none is kept here.
        Clients::Anybody => config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Library)?,
        // Who comes back would not be asked for a certificate, which may have expired.
        Clients::Certified(_) => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
    }
    Ok(config)
}

/// Believes clients whose certificate is of one of the authorities in a file.
pub(crate) fn client_verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(files::authorities(file)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    verifier.map_err(|error| TlsError::Unusable { file: file.to_owned(), why: error.to_string() })
}
