//! Answers are bounded in bytes until they are written. What a change is answered is not refused: the change is done.

use std::net::IpAddr;
use std::sync::Arc;

use api::answers::Answers;
use axum::extract::Request;
use axum::response::Response;

use super::admission::client;
use super::statement::is_ours;
use super::{Listener, Step, refuse};

/// Counts the bytes of answers until they are written.
pub struct Unwritten(Arc<Answers>);

impl Unwritten {
    pub fn new(listener: &Listener) -> Self {
        Self(Arc::clone(&listener.answers))
    }
}

impl Step for Unwritten {
    /// Whose answer is counted, if it is.
    type Held<'s> = Option<Option<IpAddr>>;

    fn enter(&self, request: &mut Request) -> Result<Option<Option<IpAddr>>, Response> {
        Ok((request.method().is_safe() && !is_ours(request)).then(|| client(request)))
    }

    fn leave(&self, counted: Option<Option<IpAddr>>, answer: &mut Response) {
        if let Some(client) = counted {
            *answer = self.0.keep(client, std::mem::take(answer)).unwrap_or_else(refuse);
        }
    }
}
