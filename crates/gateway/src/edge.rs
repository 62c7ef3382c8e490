//! The edge: what every request passes before a service sees it, and every answer on its way out.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use auth::Audience;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, header};
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
use platform::http::{ClientAddress, REQUEST_ID, RequestId, bearer};
use platform::internal::{self, Doubt, Envoy, Speaker};
use platform::scope::{self, Scope};
use platform::telemetry::metrics::{self, metrics};
use platform::telemetry::trace::{self, Sender, TraceContext};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

use crate::EdgeSettings;
use crate::callers::Callers;
use crate::client;
use crate::cors::{self, cross_origin};
use crate::fallback;
use crate::intake::{Intake, part};

/// Bytes that the log shows of a path that leads nowhere.
const LOGGED_PATH: usize = 200;
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");

/// A tower layer, so that what stands behind it may be a router of this process or a client of another.
#[derive(Clone)]
pub struct Edge(Arc<Parts>);

struct Parts {
    context: Context,
    door: Door,
    bounds: Bounds,
    /// None between our own processes: the gateway has answered for them.
    origins: Option<CorsLayer>,
    proxies: Vec<IpNet>,
}

/// What was made of a request's statement, if it has one.
#[derive(Clone)]
struct Vouched(Option<Result<Speaker, Doubt>>);

/// Whom a listener is for.
pub enum Door {
    /// Everyone; tokens tell who they are.
    Public(Callers),
    /// Our own processes; they vouch for whom they ask.
    Internal(Arc<Envoy>),
}

impl Edge {
    pub fn new(context: Context, door: Door, settings: &EdgeSettings) -> Self {
        let is_public = matches!(door, Door::Public(_));
        Edge(Arc::new(Parts {
            context,
            door,
            bounds: Bounds::new(settings),
            origins: is_public.then(|| cors::rules(&settings.cors_origins)),
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
        let sender = edge.sender(&mut request);
        let deadline = edge.deadline(&request);
        Box::pin(async move {
            // A request passes these from top to bottom, its answer from bottom to top. The steps are plain functions, so the
            // whole chain is one future: with a boxed layer each, every request would pay for a dozen allocations.
            let answer = observe(&edge, sender, request, deadline, async |request| {
                // Outside of what refuses: a page must be able to read why.
                cross_origin(edge.origins.as_ref(), request, async |request| {
                    // The one place that knows the words of both API versions.
                    explain(request, async |request| {
                        // Inside the log, so that a panic is logged as the 500 that the client gets.
                        rescue(request, async |request| {
                            // Lets nobody in who has no business here, before anything is read of them.
                            admit(&edge.door, request, async |request| {
                                // Takes the body in, sheds before work begins, bounds the time.
                                bound(&edge.bounds, deadline, request, async |request| {
                                    // Reads the caller's session once; endpoints decide whether they need one.
                                    check_token(&edge.door, request, async |request| serve(inner, request).await).await
                                })
                                .await
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

impl Parts {
    /// Who sends: a proxy that is trusted, one of our own processes, or anybody.
    fn sender(&self, request: &mut Request) -> Sender {
        let Door::Internal(envoy) = &self.door else { return client::locate(request, &self.proxies) };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let statement = request.headers().get(internal::STATEMENT);
        let word = statement.map(|statement| envoy.verify(statement, request.method(), target));
        let is_ours = matches!(word, Some(Ok(_)));
        request.extensions_mut().insert(Vouched(word));
        if is_ours { Sender::Trusted } else { Sender::Stranger }
    }

    /// When the request has to be answered: after our own time, or that of one of our processes which asks.
    fn deadline(&self, request: &Request) -> Instant {
        let left = match &self.door {
            Door::Public(_) => None,
            Door::Internal(_) => request.headers().get(internal::TIMEOUT),
        };
        let left = left.and_then(|left| left.to_str().ok()?.parse().ok()).map(Duration::from_millis);
        Instant::now() + left.map_or(self.bounds.timeout, |left| left.min(self.bounds.timeout))
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

/// Gives the request its id and its place in a trace, counts it and its queries, logs it once, and marks every answer.
async fn observe(
    edge: &Parts,
    sender: Sender,
    mut request: Request,
    deadline: Instant,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let _active = metrics().http.begin();
    let id = request_id(&request, &edge.context);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let unmatched = route.is_none().then(|| request.uri().clone());
    request.extensions_mut().insert(id.clone());
    let scope = Arc::new(Scope::new(Some(id.clone()), TraceContext::of(request.headers(), sender), Some(deadline)));
    let mut response = scope::within(Arc::clone(&scope), next(request)).await;
    let (route, took) = (metrics::route(route.as_ref()), started.elapsed());
    metrics().http.record(&method, route, response.status(), took);
    // What our own processes ask all the time is not worth a line and a span each.
    let told = response.extensions().get::<internal::Routine>().is_none();
    if told {
        trace::record_request(scope.trace(), &method, route, response.status(), took);
    }
    // Within the request, whose names every line of it has.
    scope::speak(&scope, || {
        if !told {
            return;
        }
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
        )
    });
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.into_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
    let changed = scope.take_changed();
    match &edge.door {
        // Changed by what this process asked of others.
        Door::Public(callers) => callers.forget(changed.iter().map(|subject| &**subject)),
        Door::Internal(_) if changed.is_empty() => {}
        Door::Internal(_) => {
            if let Ok(changed) = HeaderValue::from_str(&changed.join(" ")) {
                headers.insert(internal::CHANGED, changed);
            }
        }
    }
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
async fn bound(
    bounds: &Bounds,
    deadline: Instant,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if request.extensions().get::<HeadTooLarge>().is_some() {
        return server::refuse_head();
    }
    let has_body = !request.body().is_end_stream();
    let answer = async {
        let (request, held) = bounds.intake.take(request).await?;
        let overloaded = |_| refuse(Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) });
        let _place = match request.extensions().get() {
            // They bound what they ask by themselves, and some of it decides whether the public is served at all.
            Some(Speaker::Service(_)) => None,
            _ => Some(bounds.places.try_acquire().map_err(overloaded)?),
        };
        let mut response = next(request).await;
        held.release(&mut response);
        Ok(response)
    };
    let answered = tokio::time::timeout_at(deadline, answer).await;
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

/// Turns away from an inner door who brings no statement of our own processes, and takes their word on whom they ask for.
async fn admit(door: &Door, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    if let Door::Public(_) = door {
        return next(request).await;
    }
    let speaker = match request.extensions_mut().remove::<Vouched>() {
        Some(Vouched(Some(Ok(speaker)))) => speaker,
        Some(Vouched(Some(Err(doubt)))) => return disbelieve(doubt),
        _ => return refuse(Error::Forbidden),
    };
    let extensions = request.extensions_mut();
    extensions.remove::<ClientAddress>();
    if let Speaker::Gateway(outside) = &speaker {
        outside.address.map(|address| extensions.insert(ClientAddress(address)));
        outside.arrived().map(|arrived| extensions.insert(arrived));
        outside.caller.clone().map(|caller| extensions.insert(caller));
    }
    extensions.insert(speaker);
    next(request).await
}

/// Tells one of our processes, if it is one, that this is no refusal of what it asked for. Nobody else learns anything by it.
fn disbelieve(doubt: Doubt) -> Response {
    (StatusCode::FORBIDDEN, [(internal::STATEMENT, doubt.as_str())]).into_response()
}

/// Finds out who calls. The verdict goes with the request; endpoints that need a caller refuse without one.
async fn check_token(door: &Door, mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let Door::Public(callers) = door else { return known(request, next).await };
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return next(request).await;
    }
    let audience = if request.uri().path().starts_with("/api/v1/") { Audience::V1 } else { Audience::V2 };
    let caller = match bearer(request.headers()) {
        None => Caller::Unknown(Unauthenticated::Malformed),
        Some(token) => match callers.find(token, audience).await {
            Ok(principal) => Caller::Known(principal),
            Err(Error::Unauthenticated(reason)) => Caller::Unknown(reason),
            Err(error) => Caller::Unchecked(error.to_string()),
        },
    };
    request.extensions_mut().insert(caller);
    known(request, next).await
}

/// Tells the log who called.
async fn known(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let user = match request.extensions().get() {
        Some(Caller::Known(principal)) => Some(LoggedUser(principal.account_id)),
        _ => None,
    };
    let mut response = next(request).await;
    if let Some(user) = user {
        response.extensions_mut().insert(user);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn routes(request: Request) -> Response {
        assert!(request.uri().path() != "/api/v1/defect", "a defect");
        tokio::time::sleep(Duration::from_secs(60)).await;
        ().into_response()
    }

    fn answer(settings: &EdgeSettings, path: &str) -> StatusCode {
        let bounds = Bounds::new(settings);
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = rescue(request, async |request| {
            let deadline = Instant::now() + settings.request_timeout;
            bound(&bounds, deadline, request, routes).await
        });
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
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(kernel::SystemClock));
        let envoy = Envoy::open(&folder.path().join("keys.json"), context.clone()).unwrap();
        let Edge(edge) = Edge::new(context, Door::Internal(Arc::new(envoy)), &settings());
        let request = Request::get("/api/v1/defect").body(Body::empty()).unwrap();
        let answer =
            observe(&edge, Sender::Stranger, request, Instant::now(), async |request| rescue(request, routes).await);
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
