//! The one place that knows the words of both API versions: what a service refused is put into those that the client asked in.

use axum::extract::Request;
use axum::http::Uri;
use axum::response::Response;
use platform::scope;

use super::{Listener, Step};
use crate::fallback;

pub struct Words;

impl Words {
    pub fn new(_: &Listener) -> Self {
        Self
    }
}

impl Step for Words {
    type Held<'s> = Uri;

    fn enter(&self, request: &mut Request) -> Result<Uri, Response> {
        Ok(request.uri().clone())
    }

    fn leave(&self, uri: Uri, answer: &mut Response) {
        let scope = scope::current();
        let request_id = scope.as_ref().and_then(|scope| scope.request_id());
        *answer = fallback::explain(std::mem::take(answer), uri.path(), request_id);
    }
}
