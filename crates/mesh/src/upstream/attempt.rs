//! One request to one instance, and what its end says of the instance.

use std::error::Error as _;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use net::dialer::Dialer;
use platform::telemetry::metrics::Outcome;
use tokio::time::{Instant, Sleep};

use super::Protocol;
use super::body::{Answered, InFlight};
use super::connections::Broken;
use super::instance::{Health, Instance, Target};
use crate::StatementError;

/// Calls given up sooner say nothing of the instance: their callers had little time left.
const PATIENCE: Duration = Duration::from_millis(250);

/// A request that can be made more than once.
pub struct Template {
    method: Method,
    path: Uri,
    headers: HeaderMap,
    body: Bytes,
    protocol: Protocol,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Whether the instance may have seen the request.
    pub sent: bool,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody listens there.
    Refused,
    /// A connection could not be made in time.
    Unreachable,
    /// The connection broke.
    Broken,
    /// The instance was found hung, and another can be asked.
    Abandoned,
    /// The instance was found hung, and nobody else can be asked.
    Hung,
    /// The call's time is over.
    Deadline,
    /// The instance answered that our statement is no good, and did nothing.
    Disbelieved(StatementError),
    /// TLS did not trust it, or it did not trust us.
    Untrusted,
    Other,
}

impl Template {
    pub fn new(request: Request<Bytes>, protocol: Protocol) -> Self {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        // Said anew by what is known here: a length that is not the body's would let one request be read as two.
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        Self { method: parts.method, path: parts.uri, headers, body, protocol }
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Whether the answer may be the beginning of another protocol.
    pub fn may_switch(&self) -> bool {
        self.headers.contains_key(header::UPGRADE)
    }

    /// The request to an instance: its target is a path.
    pub fn request(&self, target: &Target) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        if self.protocol == Protocol::Http1 {
            request.headers_mut().insert(header::HOST, target.address.host_header().clone());
        }
        request
    }
}

/// Asks one instance, until it is found hung: what it does not answer then, it does not answer in time. A call that may be made twice
/// goes on elsewhere, if it `leaves`: there must be somewhere else to go.
pub async fn attempt(
    instance: &Arc<Instance>,
    template: &Template,
    repeatable: bool,
    mut deadline: Pin<&mut Sleep>,
    leaves: impl Fn() -> bool,
) -> Result<(Response<Answered>, InFlight), Failure> {
    let began = Instant::now();
    let mut call = InFlight::begin(instance, began);
    let mut hung = pin!(instance.hung.notified());
    let mut answer = pin!(instance.calls.send(&instance.target, template));
    let result = tokio::select! {
        biased;
        answer = answer.as_mut() => answer,
        () = deadline.as_mut() => Err(Failure { sent: true, why: Why::Deadline }),
        () = hung.as_mut() => {
            let why = if repeatable && leaves() { Why::Abandoned } else { Why::Hung };
            Err(Failure { sent: true, why })
        }
    };
    let now = Instant::now();
    let took = now.saturating_duration_since(began);
    call.waited();
    // Who signs nothing, asks to be told.
    let signs = instance.target.statement_keys.is_some();
    let result = result.and_then(|answer| match StatementError::told(answer.headers()).filter(|_| signs) {
        Some(doubt) => Err(Failure { sent: false, why: Why::Disbelieved(doubt) }),
        None => Ok(answer),
    });
    match result {
        Ok(answer) => {
            instance.load.measure(now, took);
            instance.answered(now);
            instance.target.series.record(&template.method, Outcome::Answered(answer.status()), took);
            Ok((answer, call))
        }
        Err(failure) => {
            failure.judge(instance, began, took);
            instance.target.series.record(&template.method, Outcome::Failed(failure.why.word()), took);
            Err(failure)
        }
    }
}

impl Why {
    fn of_kind(kind: Option<ErrorKind>, connecting: bool) -> Self {
        match kind {
            Some(ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                Why::Refused
            }
            Some(ErrorKind::TimedOut) if connecting => Why::Unreachable,
            Some(
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::TimedOut,
            ) => Why::Broken,
            _ => Why::Other,
        }
    }

    /// For the label `error_type`.
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "connection_refused",
            Self::Unreachable => "connection_timeout",
            Self::Broken => "connection_reset",
            Self::Abandoned | Self::Hung => "abandoned",
            Self::Deadline => "timeout",
            Self::Disbelieved(_) => "disbelieved",
            Self::Untrusted => "tls",
            Self::Other => "_OTHER",
        }
    }
}

impl Failure {
    const UNTRUSTED: Self = Self { sent: false, why: Why::Untrusted };

    pub fn of_kept(broken: Broken, dialer: &Dialer) -> Self {
        match broken {
            // It has been objected to.
            Broken::Connect(error) if tls::words(&error).is_some() => Self::UNTRUSTED,
            Broken::Connect(error) => Self { sent: false, why: Why::of_kind(Some(error.kind()), true) },
            Broken::Http(error) if refused(&error, dialer) => Self::UNTRUSTED,
            Broken::Http(error) => {
                let why = match Why::of_kind(io_kind(&error), false) {
                    Why::Other if error.is_incomplete_message() || error.is_canceled() => Why::Broken,
                    why => why,
                };
                // Hyper cancels what it has not begun to write, and nothing else.
                Self { sent: !error.is_canceled(), why }
            }
        }
    }

    pub fn of(error: &legacy::Error, dialer: &Dialer) -> Self {
        let in_the_way = error.is_connect() && io_error(error).is_some_and(|error| tls::words(error).is_some());
        if in_the_way || refused(error, dialer) {
            return Self::UNTRUSTED;
        }
        let hyper = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
        // Hyper cancels what it has not begun to write, and nothing else.
        let sent = !error.is_connect() && !hyper.is_some_and(hyper::Error::is_canceled);
        let why = match Why::of_kind(io_kind(error), error.is_connect()) {
            Why::Other if hyper.is_some_and(hyper::Error::is_incomplete_message) => Why::Broken,
            why => why,
        };
        Self { sent, why }
    }

    fn judge(self, instance: &Instance, began: Instant, took: Duration) {
        match self.why {
            Why::Refused | Why::Broken => instance.eject(Health::Refused),
            Why::Disbelieved(_) => instance.eject(Health::Disbelieves),
            Why::Untrusted => instance.eject(Health::Untrusted),
            Why::Unreachable => instance.failed(Health::Hung),
            // Over HTTP/2 many calls wait for one connection. It is for the call that tried to make it to tell why there is none.
            Why::Other if !self.sent => {}
            Why::Other => instance.failed(Health::Failing),
            Why::Abandoned | Why::Hung => {}
            Why::Deadline if took < PATIENCE || instance.answered_since(began) => {}
            Why::Deadline => instance.failed(Health::Hung),
        }
        if matches!(self.why, Why::Unreachable | Why::Abandoned | Why::Hung | Why::Deadline) {
            instance.load.measure(began + took, took);
        }
    }
}

/// Whether the other side did not take our certificate, which it says with its first answer.
fn refused(error: &dyn std::error::Error, dialer: &Dialer) -> bool {
    let refused = io_error(error).filter(|error| error.kind() == ErrorKind::PermissionDenied && dialer.speaks_tls());
    refused.map(|error| dialer.object(error)).is_some()
}

fn io_kind(error: &dyn std::error::Error) -> Option<ErrorKind> {
    io_error(error).map(std::io::Error::kind)
}

fn io_error(error: &dyn std::error::Error) -> Option<&std::io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return Some(error);
        }
        source = cause.source();
    }
    None
}
