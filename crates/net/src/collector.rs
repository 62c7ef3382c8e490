//! The collector of traces: where it is, and how it gets a batch.

use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use platform::telemetry::trace::{Collector, Refused};
use tls::{Roots, TlsClient, Trust};
use tokio::net::TcpStream;

use crate::stream::Stream;

/// How long the collector may take for one batch.
const TIME: Duration = Duration::from_secs(5);
/// Bytes of its answer at most.
const ANSWER: usize = 64 * 1024;
/// The path that the protocol has for spans, below that of the endpoint.
const TRACES: &str = "/v1/traces";

/// A collector's address, as `http://host:4318`; by https it has to have a certificate of an authority that this machine trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    authority: String,
    host: String,
    by_tls: bool,
    path: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected http://host:port or https://host:port of a collector that takes OTLP over HTTP, such as http://localhost:4318";
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(expected)?;
        let by_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(expected().into()),
        };
        if authority.host().is_empty() || uri.query().is_some() {
            return Err(expected().into());
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if by_tls => 443,
            Some("") => 80,
            // What stands behind the colon need not be a port.
            _ => authority.port_u16().ok_or_else(expected)?,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = format!("{}:{port}", authority.host());
        Ok(Self { authority, host, by_tls, path: format!("{}{TRACES}", uri.path().trim_end_matches('/')) })
    }
}

/// A batch without spans.
const NOTHING: &[u8] = br#"{"resourceSpans":[]}"#;

impl Endpoint {
    /// Whether a collector takes batches there; it is given an empty one.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), String> {
        self.post(Bytes::from_static(NOTHING)).await.1.map(drop).map_err(|refused| refused.to_string())
    }

    async fn secure(&self, stream: TcpStream) -> Result<Stream, Box<dyn std::error::Error + Send + Sync>> {
        static CLIENT: OnceLock<TlsClient> = OnceLock::new();
        let client = match CLIENT.get() {
            Some(client) => client,
            None => {
                let client = TlsClient::open(Trust::Named(Roots::System), None, &[tls::HTTP1])?;
                CLIENT.get_or_init(|| client)
            }
        };
        match client.connector().connect(tls::server_name(&self.host)?, stream).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
            Err(error) => Err(tls::words(&error).map_or_else(|| error.into(), Into::into)),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.authority).await?;
        let stream = if self.by_tls { self.secure(stream).await? } else { Stream::Plain(stream) };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))?;
        let exchange = async move {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await?;
            Ok((status, body.to_bytes()))
        };
        // The connection moves the bytes, and may end as soon as the answer is there.
        let (_, answered) = tokio::join!(connection, exchange);
        answered
    }
}

#[async_trait]
impl Collector for Endpoint {
    fn authority(&self) -> &str {
        &self.authority
    }

    async fn post(&self, body: Bytes) -> (Option<StatusCode>, Result<Bytes, Refused>) {
        match tokio::time::timeout(TIME, self.exchange(body)).await {
            Ok(Ok((status, body))) => (Some(status), taken(status, body)),
            Ok(Err(error)) => (None, Err(Refused::Retry(error.to_string()))),
            Err(_) => (None, Err(Refused::Retry("the collector does not answer".into()))),
        }
    }
}

/// Whether that is the answer to a batch that was taken.
fn taken(status: StatusCode, body: Bytes) -> Result<Bytes, Refused> {
    match status {
        // As the protocol lists them.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Refused::Retry(format!("the collector answered {status}"))),
        status if status.is_success() => Ok(body),
        status => Err(Refused::ForEver(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_url() {
        for (text, authority, path) in [
            ("http://localhost:4318", "localhost:4318", "/v1/traces"),
            ("http://localhost:4318/", "localhost:4318", "/v1/traces"),
            ("http://otel.internal", "otel.internal:80", "/v1/traces"),
            ("https://otel.internal", "otel.internal:443", "/v1/traces"),
            ("https://otel.internal:4318/x", "otel.internal:4318", "/x/v1/traces"),
            ("http://[::1]:4318/otlp/", "[::1]:4318", "/otlp/v1/traces"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.authority(), endpoint.path.as_str()), (authority, path), "{text}");
        }
        for text in [
            "\0",
            "localhost:4318",
            "localhost",
            "/v1/traces",
            "grpc://localhost:4317",
            "http://",
            "http://:4318",
            "http://user:secret@localhost:4318",
            "http://localhost:99999",
            "http://localhost:4318/?token=secret",
        ] {
            let refused = text.parse::<Endpoint>().unwrap_err();
            assert!(refused.starts_with("expected http://") && !refused.contains("secret"), "{text}: {refused}");
        }
    }
}
