//! What every answer says to browsers.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use platform::client::Https;

use super::sender::Believed;
use super::{Listener, Step};

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");
/// For a year, a browser that came by our own TLS asks this host by nothing else. A proxy in front that ends TLS says so itself.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub struct Protections;

impl Protections {
    pub fn new(_: &Listener) -> Self {
        Self
    }
}

impl Step for Protections {
    type Held<'s> = bool;

    fn enter(&self, request: &mut Request) -> Result<bool, Response> {
        let extensions = request.extensions();
        Ok(extensions.get::<Https>().is_some() && extensions.get::<Believed>().is_none())
    }

    fn leave(&self, by_tls: bool, answer: &mut Response) {
        let headers = answer.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
        if by_tls {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
        }
    }
}
