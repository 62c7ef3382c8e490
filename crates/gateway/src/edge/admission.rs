//! Answers that may be large are bounded in number while they are made.

use std::net::IpAddr;
use std::sync::Arc;

use api::answers::{Admitted, Answers};
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use platform::client::ClientAddress;

use super::statement::is_ours;
use super::{Listener, WaitingStep, refuse};

/// Lists of what may be large itself.
const LARGE: [&str; 5] =
    ["/api/v1/products", "/api/v2/products", "/api/v2/me/products", "/api/v2/users/{id}/products", "/api/v2/me/export"];

/// Before a list has a place among requests, which others need meanwhile.
pub struct Admission(Arc<Answers>);

impl Admission {
    pub fn new(listener: &Listener) -> Self {
        Self(Arc::clone(&listener.answers))
    }
}

impl WaitingStep for Admission {
    type Held<'s> = Option<Admitted>;

    async fn enter(&self, request: &mut Request) -> Result<Option<Admitted>, Response> {
        if may_be_large(request) {
            Box::pin(self.0.admit(client(request))).await.map(Some).map_err(refuse)
        } else {
            Ok(None)
        }
    }

    fn leave(&self, admitted: Option<Admitted>, answer: &mut Response) {
        if let Some(admitted) = admitted {
            self.0.made(admitted, answer);
        }
    }
}

/// Whether the request asks for a list that may have the size of many answers.
fn may_be_large(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    route.is_some_and(|route| LARGE.contains(&route)) && request.method().is_safe() && !is_ours(request)
}

pub fn client(request: &Request) -> Option<IpAddr> {
    request.extensions().get().map(|ClientAddress(address)| *address)
}
