//! The edge: what every request passes before a service sees it, and every answer on its way out.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use auth::{Audience, Auth};
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use kernel::Error;
use kernel::error::Unauthenticated;
use platform::Context;
use platform::http::caller::Caller;
use platform::http::server::{self, HeadTooLarge};
use platform::http::v2::Refusal;
use platform::http::{RequestId, bearer};
use platform::scope::{self, Scope};
use platform::telemetry::metrics::{self, metrics};
use tokio::sync::Semaphore;
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

use crate::EdgeSettings;
use crate::client;
use crate::cors::{self, cross_origin};
use crate::fallback;
use crate::intake::{Intake, part};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes that the log shows of a path that leads nowhere.
const LOGGED_PATH: usize = 200;
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");

/// A tower layer, so that what stands behind it may be a router of this process or a client of another.
#[derive(Clone)]
pub struct Edge(Arc<Parts>);

struct Parts {
    context: Context,
    auth: Arc<Auth>,
    bounds: Bounds,
    origins: CorsLayer,
    proxies: Vec<IpNet>,
}

impl Edge {
    pub fn new(context: Context, auth: Arc<Auth>, settings: &EdgeSettings) -> Self {
        Edge(Arc::new(Parts {
            context,
            auth,
            bounds: Bounds::new(settings),
            origins: cors::rules(&settings.cors_origins),
            proxies: settings.trusted_proxies.clone(),
        }))
    }
}

impl<S> Layer<S> for Edge {
    type Service = Behind<S>;

    fn layer(&self, inner: S) -> Behind<S> {
        Behind { edge: self.clone(), inner }
    }
}

/// A service behind the edge.
#[derive(Clone)]
pub struct Behind<S> {
    edge: Edge,
    inner: S,
}

impl<S> Service<Request> for Behind<S>
where
    S: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Behind { edge: Edge(edge), inner } = self.clone();
        client::locate(&mut request, &edge.proxies);
        Box::pin(async move {
            // A request passes these from top to bottom, its answer from bottom to top. The steps are plain functions, so the
            // whole chain is one future: with a boxed layer each, every request would pay for a dozen allocations.
            let answer = observe(&edge.context, request, async |request| {
                // Outside of what refuses: a page must be able to read why.
                cross_origin(&edge.origins, request, async |request| {
                    // The one place that knows the words of both API versions.
                    explain(request, async |request| {
                        // Inside the log, so that a panic is logged as the 500 that the client gets.
                        rescue(request, async |request| {
                            // Takes the body in, sheds before work begins, bounds the time.
                            bound(&edge.bounds, request, async |request| {
                                // Reads the caller's session once; endpoints decide whether they need one.
                                check_token(&edge.auth, request, async |request| serve(inner, request).await).await
                            })
                            .await
                        })
                        .await
                    })
                    .await
                })
                .await
            });
            Ok(answer.await)
        })
    }
}

async fn serve<S>(mut inner: S, request: Request) -> Response
where
    S: Service<Request, Error = Infallible, Response: IntoResponse>,
{
    match inner.call(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    }
}

/// Gives the request its id, counts it and its queries, logs it once, and marks every answer.
async fn observe(context: &Context, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let started = Instant::now();
    let _active = metrics().http.begin();
    let id = request_id(&request, context);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let unmatched = route.is_none().then(|| request.uri().clone());
    request.extensions_mut().insert(id.clone());
    let scope = Arc::new(Scope::default());
    let mut response = scope::within(Arc::clone(&scope), next(request)).await;
    let (route, took) = (metrics::route(route.as_ref()), started.elapsed());
    metrics().http.record(&method, route, response.status(), took);
    tracing::info!(
        event = "http.request",
        request_id = id.as_str(),
        http.request.method = method.as_str(),
        http.route = route,
        url.path = unmatched.as_ref().map(|uri| uri.path().get(..LOGGED_PATH).unwrap_or(uri.path())),
        http.response.status_code = response.status().as_u16(),
        duration_ms = millis(took),
        db.queries = scope.queries(),
        db.time_ms = millis(scope.query_time()),
        user.id = response.extensions().get::<LoggedUser>().map(|user| tracing::field::display(user.0)),
        "request"
    );
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.into_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
    response
}

/// The account behind a request, handed up to its log line.
#[derive(Clone)]
struct LoggedUser(kernel::Uuid);

/// The client's own id if it is harmless in logs and headers, else a new one.
fn request_id(request: &Request, context: &Context) -> RequestId {
    let sent = request.headers().get(REQUEST_ID).and_then(RequestId::sent);
    sent.unwrap_or_else(|| RequestId::new(context.id().unwrap_or_default()))
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as fine as the clock is worth.
    (duration.as_micros() as f64) / 1_000.0
}

/// Gives refusals their words.
async fn explain(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let (uri, request_id) = (request.uri().clone(), request.extensions().get::<RequestId>().cloned());
    let response = next(request).await;
    fallback::explain(response, uri.path(), request_id.as_ref())
}

/// Turns a panic into a 500. The panic hook has logged and counted it.
async fn rescue(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    match AssertUnwindSafe(next(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => refuse(Error::Internal("a request panicked".into())),
    }
}

pub fn refuse(error: Error) -> Response {
    Refusal::from(error).into_response()
}

/// How much one process takes on.
pub struct Bounds {
    places: Semaphore,
    timeout: Duration,
    intake: Intake,
}

impl Bounds {
    pub fn new(settings: &EdgeSettings) -> Self {
        Self {
            places: Semaphore::new(settings.max_requests),
            timeout: settings.request_timeout,
            intake: Intake::new(settings.body_limit),
        }
    }
}

/// Takes the request in, sheds what is too much, bounds the rest in time and body.
async fn bound(bounds: &Bounds, request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if request.extensions().get::<HeadTooLarge>().is_some() {
        return server::refuse_head();
    }
    let has_body = !request.body().is_end_stream();
    let answer = async {
        let (request, held) = bounds.intake.take(request).await?;
        let _place = bounds
            .places
            .try_acquire()
            .map_err(|_| refuse(Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) }))?;
        let mut response = next(request).await;
        held.release(&mut response);
        Ok(response)
    };
    let answered = tokio::time::timeout(bounds.timeout, answer).await;
    let mut refused = match answered {
        Ok(Ok(response)) => return response,
        Ok(Err(refused)) => refused,
        Err(_) => refuse(Error::Unavailable("the request ran out of time".into())),
    };
    // Perhaps not all of it was read.
    if has_body {
        part(&mut refused);
    }
    refused
}

/// Finds out who calls. The verdict goes with the request; endpoints that need a caller refuse without one.
async fn check_token(auth: &Auth, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return next(request).await;
    }
    let audience = if request.uri().path().starts_with("/api/v1/") { Audience::V1 } else { Audience::V2 };
    let caller = match bearer(request.headers()) {
        None => Caller::Unknown(Unauthenticated::Malformed),
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
    let mut response = next(request).await;
    if let Some(user) = user {
        response.extensions_mut().insert(user);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;

    use super::*;

    async fn routes(request: Request) -> Response {
        assert!(request.uri().path() != "/api/v1/defect", "a defect");
        tokio::time::sleep(Duration::from_secs(60)).await;
        ().into_response()
    }

    fn answer(settings: &EdgeSettings, path: &str) -> StatusCode {
        let bounds = Bounds::new(settings);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = rescue(request, async |request| bound(&bounds, request, routes).await);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(answer).status()
    }

    fn settings() -> EdgeSettings {
        let request_timeout = Duration::from_millis(50);
        EdgeSettings {
            body_limit: 1024,
            request_timeout,
            max_requests: 10,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }

    #[test]
    fn a_panic_is_a_500() {
        assert_eq!(answer(&settings(), "/api/v1/defect"), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_panic_is_counted_as_the_answer_that_it_became() {
        let context = Context::new(Arc::new(kernel::SystemClock));
        let request = Request::get("/api/v1/defect").body(Body::empty()).unwrap();
        let answer = observe(&context, request, async |request| rescue(request, routes).await);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(answer).status(), StatusCode::INTERNAL_SERVER_ERROR);
        let labels = r#"http_request_method="GET",http_response_status_code="500",http_route="unmatched""#;
        let text = metrics().text();
        assert!(text.contains(&format!("http_server_request_duration_seconds_count{{{labels}}} 1\n")), "{text}");
        assert!(text.contains("http_server_active_requests 0\n"), "{text}");
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
