//! What every answer says to browsers.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::{Listener, Step};

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");

pub struct Protections;

impl Protections {
    pub fn new(_: &Listener) -> Self {
        Self
    }
}

impl Step for Protections {
    type Held<'s> = ();

    fn enter(&self, _: &mut Request) -> Result<(), Response> {
        Ok(())
    }

    fn leave(&self, (): (), answer: &mut Response) {
        let headers = answer.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
    }
}
