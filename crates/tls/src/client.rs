//! The side that calls.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use crate::files::{self, Pair};
use crate::reloaded::Reloaded;
use crate::{TlsError, provider};

/// Authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of this machine.
    System,
    File(PathBuf),
}

/// Whom a client takes for the one that it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Whoever answers: nobody can listen, but anybody can be in between.
    Anybody,
    /// Whoever has a certificate of an authority.
    Certified(Roots),
    /// Whoever has one for the name that was called.
    Named(Roots),
}

/// Calls by TLS, as its files have it.
pub struct TlsClient(Reloaded<ClientConfig>);

impl TlsClient {
    /// `own`: what is shown to a server that asks for it. `protocols`: those that may be spoken inside, the best first.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn open(trust: Trust, own: Option<Pair>, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let mut watched = Vec::new();
        if let Trust::Certified(Roots::File(file)) | Trust::Named(Roots::File(file)) = &trust {
            watched.push(file.clone());
        }
        if let Some(Pair { certificate, key }) = &own {
            watched.extend([certificate.clone(), key.clone()]);
        }
        Reloaded::open(watched, move || config(&trust, own.as_ref(), protocols)).map(Self)
    }

    /// For the next connection.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.current()
    }

    /// For the next connection.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.config())
    }
}

/// The name of a host, or its address without brackets.
///
/// # Errors
/// When it is neither.
pub fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is no name of a host")))
}

fn config(trust: &Trust, own: Option<&Pair>, protocols: &[&[u8]]) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?;
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anybody => Arc::new(AnyName(None)),
        Trust::Certified(roots) => Arc::new(AnyName(Some(verifier(roots)?))),
        Trust::Named(roots) => verifier(roots)?,
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (certificates, key) = pair.read()?;
            builder.with_client_auth_cert(certificates, key).map_err(|error| pair.refuse(error))?
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

pub(crate) fn verifier(roots: &Roots) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let found = match roots {
        Roots::System => files::system_authorities()?,
        Roots::File(file) => files::authorities(file)?,
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(found), provider()).build();
    // It has nothing against authorities, of which there is one at least.
    verifier.map_err(|error| TlsError::Library(rustls::Error::General(error.to_string())))
}

/// Takes less than a certificate for the name that was called: that of an authority, or any. The server has to prove that it has the key of it
/// in any case.
#[derive(Debug)]
pub(crate) struct AnyName(pub Option<Arc<WebPkiServerVerifier>>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(verifier) = &self.0 else { return Ok(ServerCertVerified::assertion()) };
        // The name is compared last: whoever fails by it has passed the rest.
        match verifier.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
