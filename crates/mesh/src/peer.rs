//! Typed calls of a service's internal endpoints.

use std::sync::Arc;
use std::time::Duration;

use api::v2::Refusal;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use kernel::Error;
use kernel::json::Object;
use platform::{REQUEST_ID, scope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::wire::Refused;
use super::{CHANGED, Question, STATEMENT, Speaker, StatementKeys, TIMEOUT};
use crate::upstream::{Call, Upstream};

/// How long a call may take that no request waits for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const ANSWER: usize = 64 << 20;

/// The service `to`, as the service `from` asks it.
#[derive(Clone)]
pub struct Peer {
    pub to: &'static str,
    pub upstream: Arc<Upstream>,
    pub statement_keys: Arc<StatementKeys>,
    pub from: &'static str,
}

impl Peer {
    /// Asks what may be asked again, and waits for so long.
    ///
    /// # Errors
    /// What the other refuses with; `Unavailable` when it does not answer.
    pub async fn get<T: DeserializeOwned>(&self, target: &str, patience: Duration) -> Result<T, Error> {
        self.call(Method::GET, target, Bytes::new(), true, patience).await
    }

    /// # Errors
    /// As [`Peer::get`].
    pub async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Error> {
        let body = serde_json::to_vec(&question).map_err(|error| Error::Internal(error.to_string()))?;
        let target = path(self.to, Q::PATH);
        self.call(Method::POST, &target, Bytes::from(body), Q::REPEATABLE, PATIENCE).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        repeatable: bool,
        patience: Duration,
    ) -> Result<T, Error> {
        let (status, whole) = self.exchange(method, target, body, repeatable, patience).await?;
        let strange = |error| Error::Internal(format!("{} answered {status} strangely: {error}", self.upstream.name()));
        match status {
            StatusCode::OK => kernel::json::from_slice(&whole).map_err(strange),
            _ => match kernel::json::from_slice::<Object<Refused>>(&whole) {
                Ok(Object(refused)) => Err(refused.into()),
                // A process of another release, which has no such endpoint, says so as to anybody.
                Err(_) if status == StatusCode::NOT_FOUND => Err(Error::NotFound),
                Err(error) => Err(strange(error)),
            },
        }
    }

    /// Asks, and waits for the whole answer. Boxed, so that callers do not have the HTTP client compiled into them.
    fn exchange<'a>(
        &'a self,
        method: Method,
        target: &'a str,
        body: Bytes,
        repeatable: bool,
        patience: Duration,
    ) -> BoxFuture<'a, Result<(StatusCode, Bytes), Error>> {
        Box::pin(async move {
            let deadline = Instant::now() + patience;
            let scope = scope::current();
            let deadline = scope.as_ref().and_then(|scope| scope.deadline).map_or(deadline, |at| at.min(deadline));
            let speaker = Speaker::Service(self.from.to_owned());
            let unsigned = || Error::Internal("a call between services could not be signed".into());
            let statement = self.statement_keys.sign(speaker, &method, target, &body).ok_or_else(unsigned)?;
            let mut request = Request::builder()
                .method(method)
                .uri(target)
                .header(STATEMENT, statement)
                .header(TIMEOUT, millis_until(deadline))
                .header(header::CONTENT_TYPE, "application/json");
            if let Some(id) = scope.as_ref().and_then(|scope| scope.request_id()) {
                request = request.header(REQUEST_ID, id.clone().into_header());
            }
            let request = request.body(body).map_err(|error| Error::Internal(error.to_string()))?;
            let call = Call { request, deadline, repeatable, affinity: None };
            let answer = self.upstream.call(call).await?;
            if let Some(changed) = answer.headers().get(CHANGED).and_then(|changed| changed.to_str().ok()) {
                scope::changed(changed.split(' '));
            }
            let (status, body) = (answer.status(), Limited::new(answer.into_body(), ANSWER).collect());
            let silent =
                |why: String| Error::Unavailable(format!("{} broke off its answer: {why}", self.upstream.name()));
            let whole = tokio::time::timeout_at(deadline, body).await.map_err(|_| silent("out of time".into()))?;
            Ok((status, whole.map_err(|error| silent(error.to_string()))?.to_bytes()))
        })
    }
}

/// Where a service answers other processes.
pub fn path(service: &str, question: &str) -> String {
    format!("/internal/{service}/{question}")
}

/// As [`TIMEOUT`] tells it.
pub fn millis_until(deadline: Instant) -> HeaderValue {
    let left = deadline.saturating_duration_since(Instant::now());
    HeaderValue::from(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}

/// How an internal endpoint answers: JSON, or the refusal in our own words.
pub struct Answer<T>(pub Result<T, Error>);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let (status, body) = match self.0 {
            Ok(value) => (StatusCode::OK, serde_json::to_vec(&value)),
            Err(error) => (Refusal::from(error.clone()).status(), serde_json::to_vec(&Refused::from(error))),
        };
        // Structs of strings and numbers, which always serialize.
        let body = Body::from(body.unwrap_or_default());
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
