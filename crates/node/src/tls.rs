//! TLS as the settings have it.

use std::path::PathBuf;
use std::sync::Arc;

use ::tls::{Clients, HTTP1, HTTP2, Pair, Roots, TlsClient, TlsError, TlsServer, Trust};
use mesh::upstream::Protocol;
use net::Handshake;

use crate::Failure;
use crate::config::Config;

/// What the public is shown.
pub fn public_pair(config: &Config) -> Option<Pair> {
    pair(config.http.tls_cert.as_ref(), config.http.tls_key.as_ref())
}

/// What other processes are shown.
pub fn internal_pair(config: &Config) -> Option<Pair> {
    pair(config.internal.tls_cert.as_ref(), config.internal.tls_key.as_ref())
}

fn pair(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Pair> {
    let (certificate, key) = certificate.cloned().zip(key.cloned())?;
    Some(Pair { certificate, key })
}

/// How the public is served, if by TLS.
///
/// # Errors
/// When a file cannot be used.
pub fn public(config: &Config) -> Result<Option<Arc<Handshake>>, Failure> {
    let Some(pair) = public_pair(config) else { return Ok(None) };
    let server = TlsServer::open(pair, Clients::Anybody, &[HTTP2, HTTP1]).map_err(of("http.tls_cert"))?;
    Ok(Some(Handshake::new(server, false)))
}

/// How other processes are served, if by TLS. Until it is required, those that come without are served too.
///
/// # Errors
/// As [`public`].
pub fn internal(config: &Config) -> Result<Option<Arc<Handshake>>, Failure> {
    let internal = &config.internal;
    let Some(pair) = internal_pair(config) else { return Ok(None) };
    let clients = match &internal.tls_ca {
        Some(authorities) if internal.require_tls => Clients::Certified(authorities.clone()),
        _ => Clients::Anybody,
    };
    let server = TlsServer::open(pair, clients, &[HTTP2, HTTP1]).map_err(of("internal.tls_cert"))?;
    Ok(Some(Handshake::new(server, !internal.require_tls)))
}

/// How other processes are asked, if by TLS.
///
/// # Errors
/// As [`public`].
pub fn caller(config: &Config) -> Result<Option<Arc<TlsClient>>, Failure> {
    let Some(authorities) = &config.internal.tls_ca else { return Ok(None) };
    let protocols: &[&[u8]] = match config.upstreams.protocol {
        Protocol::Http1 => &[HTTP1],
        Protocol::H2c => &[HTTP2],
    };
    let trust = Trust::Named(Roots::File(authorities.clone()));
    Ok(Some(Arc::new(TlsClient::open(trust, internal_pair(config), protocols).map_err(of("internal.tls_ca"))?)))
}

/// Names the setting.
fn of(setting: &'static str) -> impl Fn(TlsError) -> Failure {
    move |error| format!("{setting}: {error}").into()
}
