//! Requests that cannot be served as they are: a head that is too large, and one that names no host.

use api::host;
use api::v2::Refusal;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use net::server::{self, HeadTooLarge};

use super::intake::part;
use super::{Listener, Step};

pub struct Head;

impl Head {
    pub fn new(_: &Listener) -> Self {
        Self
    }
}

impl Step for Head {
    type Held<'s> = ();

    fn enter(&self, request: &mut Request) -> Result<(), Response> {
        if request.extensions().get::<HeadTooLarge>().is_some() {
            return Err(server::refuse_head());
        }
        host::check(request).map_err(|malformed| {
            let mut refusal = Refusal::from(malformed).into_response();
            part(&mut refusal);
            refusal
        })
    }
}
