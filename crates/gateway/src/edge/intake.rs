//! A request is taken in whole before it gets a place and its caller is looked at: one whose body is held back keeps nobody out,
//! and cannot use what its caller was allowed when it began.

use std::time::Duration;

use api::body::{self, Arrived, BodyError};
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use kernel::Error;
use mesh::{BodyDigest, StatementError};
use net::server;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Listener, WaitingStep, refuse, statement};

/// Bodies of at most so many bytes are bounded by the number of connections.
const SMALL: u64 = 16 * 1024;
/// Bytes of larger ones, all together.
const LARGE: usize = 256 * 1024 * 1024;

pub struct Intake {
    limit: usize,
    large: Semaphore,
}

/// What a request holds until it is answered.
pub struct Taken<'a> {
    _large: Option<SemaphorePermit<'a>>,
    whole: bool,
}

impl Intake {
    pub fn new(listener: &Listener) -> Self {
        let limit = listener.settings.body_limit;
        Self { limit, large: Semaphore::new((LARGE / limit.max(1)).clamp(1, Semaphore::MAX_PERMITS)) }
    }

    async fn read(&self, request: &mut Request) -> Result<Taken<'_>, Response> {
        let small = request.body().size_hint().upper().is_some_and(|size| size <= SMALL);
        let full = |_| refuse(Error::Overloaded { what: "large bodies", retry_after: Duration::from_secs(1) });
        let large = if small { None } else { Some(self.large.try_acquire().map_err(full)?) };
        let arrived = body::read(std::mem::take(request.body_mut()), self.limit).await;
        if matches!(arrived, Err(BodyError::Broken)) {
            return Err(server::refuse_body());
        }
        if arrived.as_ref().is_ok_and(|body| !is_vouched(request, body)) {
            return Err(statement::disbelieve(StatementError::Key));
        }
        let whole = arrived.is_ok();
        request.extensions_mut().insert(Arrived(arrived));
        Ok(Taken { _large: large, whole })
    }
}

impl WaitingStep for Intake {
    type Held<'s> = Taken<'s>;

    /// Takes the request's body, which then has [`Arrived`]. Requests without a body stay untouched.
    ///
    /// # Errors
    /// The answer when there are too many large ones, or when the body broke: whatever it was to be, that request is not made.
    async fn enter<'s>(&'s self, request: &mut Request) -> Result<Taken<'s>, Response> {
        match request.body().is_end_stream() {
            true if !is_vouched(request, &[]) => Err(statement::disbelieve(StatementError::Key)),
            true => Ok(Taken { _large: None, whole: true }),
            // In a box of its own, for most requests have none.
            false => Box::pin(self.read(request)).await,
        }
    }

    /// A connection on which a body was not read to its end cannot be used again, and the answer has to say so: a client that
    /// reuses it would lose its next request.
    fn leave(&self, taken: Taken<'_>, answer: &mut Response) {
        if !taken.whole {
            part(answer);
        }
    }
}

/// Whether the request's statement, if it has one, was made for this body.
fn is_vouched(request: &Request, body: &[u8]) -> bool {
    request.extensions().get::<BodyDigest>().is_none_or(|digest| digest.fits(body))
}

/// Announces the end of the connection.
pub fn part(response: &mut Response) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}
