//! The steps of the edge, in the order in which a request passes them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Audience, Auth};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use kernel::Error;
use kernel::error::Unauthenticated;
use platform::Context;
use platform::db::stats::{self, QueryStats};
use platform::http::body::BodyLimit;
use platform::http::caller::Caller;
use platform::http::{RequestId, bearer};
use tokio::sync::Semaphore;

use crate::EdgeSettings;
use crate::fallback::Seen;
use crate::unread;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");

/// Gives the request its id, counts its queries, logs it once, and marks every answer.
pub async fn observe(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request, &context);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let counted = Arc::new(QueryStats::default());
    let mut response = stats::scope(Arc::clone(&counted), next.run(request)).await;
    tracing::info!(
        event = "http.request",
        request_id = &*id,
        http.request.method = method.as_str(),
        http.route = route.as_ref().map_or("unmatched", MatchedPath::as_str),
        http.response.status_code = response.status().as_u16(),
        duration_ms = millis(started.elapsed()),
        db.queries = counted.queries(),
        db.time_ms = millis(counted.time()),
        user.id = response.extensions().get::<LoggedUser>().map(|user| tracing::field::display(user.0)),
        "request"
    );
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
    response
}

/// The account behind a request, handed up to its log line.
#[derive(Clone)]
struct LoggedUser(kernel::Uuid);

/// The client's own id if it is harmless in logs and headers, else a new one.
fn request_id(request: &Request, context: &Context) -> Arc<str> {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let sent = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    match sent {
        Some(id) => id.into(),
        None => context.id().map_or_else(|_| "unknown".into(), |id| id.to_string().into()),
    }
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as fine as the clock is worth.
    (duration.as_micros() as f64) / 1_000.0
}

/// Turns a panic into a 500. The panic hook has logged and counted it.
pub async fn rescue(request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => seen.failure(Error::Internal("a request panicked".into())),
    }
}

/// How much one process takes on.
#[derive(Clone)]
pub struct Bounds {
    places: Arc<Semaphore>,
    timeout: Duration,
    body: BodyLimit,
}

impl Bounds {
    pub fn new(settings: &EdgeSettings) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.max_requests)),
            timeout: settings.request_timeout,
            body: BodyLimit(settings.body_limit),
        }
    }
}

/// Sheds what is too much, bounds the rest in time and body.
pub async fn bound(State(bounds): State<Bounds>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(bounds.body);
    let seen = Seen::of(&request);
    let Ok(_place) = bounds.places.try_acquire() else {
        return seen.failure(Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) });
    };
    let (request, unread) = unread::watch(request);
    let mut response = match tokio::time::timeout(bounds.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => seen.failure(Error::Unavailable("the request ran out of time".into())),
    };
    unread.announce(&mut response);
    response
}

/// Finds out who calls. The verdict goes with the request; endpoints that need a caller refuse without one.
pub async fn check_token(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return next.run(request).await;
    }
    let audience = if request.uri().path().starts_with("/api/v1/") { Audience::V1 } else { Audience::V2 };
    let caller = match bearer(request.headers()) {
        None => Caller::Unknown(Unauthenticated::Missing),
        Some(token) => match auth.authenticate(token, audience).await {
            Ok(principal) => Caller::Known(principal),
            Err(Error::Unauthenticated(reason)) => Caller::Unknown(reason),
            Err(error) => Caller::Unchecked(error.to_string()),
        },
    };
    let user = match &caller {
        Caller::Known(principal) => Some(LoggedUser(principal.account_id)),
        _ => None,
    };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(user) = user {
        response.extensions_mut().insert(user);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::{from_fn, from_fn_with_state};
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    fn answer(settings: &EdgeSettings, path: &str) -> StatusCode {
        let app = Router::new()
            .route("/api/v1/defect", get(async || -> &'static str { panic!("a defect") }))
            .route("/api/v1/slow", get(async || tokio::time::sleep(Duration::from_secs(60)).await))
            .layer(from_fn_with_state(Bounds::new(settings), bound))
            .layer(from_fn(rescue));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(app.oneshot(request)).unwrap().status()
    }

    fn settings() -> EdgeSettings {
        let request_timeout = Duration::from_millis(50);
        EdgeSettings { body_limit: 1024, request_timeout, max_requests: 10, cors_origins: Vec::new() }
    }

    #[test]
    fn a_panic_is_a_500() {
        assert_eq!(answer(&settings(), "/api/v1/defect"), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_request_out_of_time_is_a_503() {
        assert_eq!(answer(&settings(), "/api/v1/slow"), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn requests_beyond_the_bound_are_shed() {
        let full = EdgeSettings { max_requests: 0, ..settings() };
        assert_eq!(answer(&full, "/api/v1/slow"), StatusCode::SERVICE_UNAVAILABLE);
    }
}
