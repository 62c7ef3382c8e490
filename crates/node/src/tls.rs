//! TLS as the settings have it.

use std::path::PathBuf;
use std::sync::Arc;

use ::tls::{Clients, HTTP1, HTTP2, Pair, Roots, TlsClient, TlsError, TlsServer, Trust};
use mesh::upstream::Protocol;
use net::Handshake;

use crate::Failure;
use crate::config::Config;

/// The certificate and key of settings that belong together.
pub fn pair(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Pair> {
    let (certificate, key) = certificate.cloned().zip(key.cloned())?;
    Some(Pair { certificate, key })
}

/// How the public is served, if by TLS.
///
/// # Errors
/// When a file cannot be used.
pub fn public(config: &Config) -> Result<Option<Arc<Handshake>>, Failure> {
    let http = &config.http;
    let Some(pair) = pair(http.tls_cert.as_ref(), http.tls_key.as_ref()) else { return Ok(None) };
    let server = TlsServer::open(pair, Clients::Anybody, &[HTTP2, HTTP1]).map_err(of("http.tls_cert"))?;
    Ok(Some(Handshake::new(server, false)))
}

/// How other processes are served, if by TLS. Until it is required, those that come without are served too.
///
/// # Errors
/// As [`public`].
pub fn internal(config: &Config) -> Result<Option<Arc<Handshake>>, Failure> {
    let internal = &config.internal;
    let Some(pair) = own(config) else { return Ok(None) };
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
    Ok(Some(Arc::new(TlsClient::open(trust, own(config), protocols).map_err(of("internal.tls_ca"))?)))
}

/// What this process shows to other processes.
pub fn own(config: &Config) -> Option<Pair> {
    pair(config.internal.tls_cert.as_ref(), config.internal.tls_key.as_ref())
}

/// Names the setting.
fn of(setting: &'static str) -> impl Fn(TlsError) -> Failure {
    move |error| format!("{setting}: {error}").into()
}
