//! The edge: what every request passes before a service sees it, and every answer on its way out.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use api::answers::Answers;
use api::caller::TokenCheck;
use api::v2::Refusal;
use api::{bearer, host};
use auth::Audience;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use kernel::Error;
use kernel::error::{Needed, Unauthenticated};
use mesh::{Doubt, Envoy, Speaker};
use net::server::{self, HeadTooLarge};
use platform::client::{ClientAddress, Https};
use platform::scope::{self, Scope};
use platform::telemetry::metrics::{self, Active, metrics};
use platform::telemetry::trace;
use platform::trace_context::{Sender, TraceContext};
use platform::{Context, REQUEST_ID, RequestId};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

use crate::callers::Callers;
use crate::cors::{self, Page};
use crate::intake::{Intake, part};
use crate::{EdgeSettings, client, fallback};

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
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
        let deadline = edge.deadline(&request);
        let observed = Observed::begin(&edge, deadline, &mut request);
        // One future, in one box, and as small as can be: every request in progress has one. It holds the request once, what only
        // some of them wait for has a box of its own, and all that does not wait is a plain function.
        Box::pin(async move {
            // Not even a page is answered before its request names a host.
            let page = Page::behind(&request).filter(|page| !page.asks_first() || host::check(&request).is_ok());
            let answer = match &page {
                Some(page) if page.asks_first() && edge.origins.is_some() => Response::default(),
                _ => {
                    let answer = edge.answer(inner, &mut request, deadline);
                    // Inside the log, so that a panic is logged as the 500 that the client gets. The panic hook has logged and
                    // counted it.
                    let answer =
                        scope::within(Arc::clone(&observed.scope), AssertUnwindSafe(answer).catch_unwind()).await;
                    answer.unwrap_or_else(|_| refuse(Error::Internal("a request panicked".into())))
                }
            };
            Ok(observed.end(&edge, page, answer))
        })
    }
}

impl Parts {
    /// Who sends: a proxy that is trusted, one of our own processes, or anybody.
    fn sender(&self, request: &mut Request) -> Sender {
        let Door::Internal(envoy) = &self.door else { return client::locate(request, &self.proxies) };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let statement = request.headers().get(mesh::STATEMENT);
        let word = statement.map(|statement| envoy.verify(statement, request.method(), target));
        let is_ours = matches!(word, Some(Ok(_)));
        request.extensions_mut().insert(Vouched(word));
        if is_ours { Sender::Trusted } else { Sender::Stranger }
    }

    /// When the request has to be answered: after our own time, or that of one of our processes which asks.
    fn deadline(&self, request: &Request) -> Instant {
        let left = match &self.door {
            Door::Public(_) => None,
            Door::Internal(_) => request.headers().get(mesh::TIMEOUT),
        };
        let left = left.and_then(|left| left.to_str().ok()?.parse().ok()).map(Duration::from_millis);
        Instant::now() + left.map_or(self.bounds.timeout, |left| left.min(self.bounds.timeout))
    }

    /// Asks the service behind, if the request may come in and there is room for it; in time, or says that there is no answer.
    async fn answer<S>(&self, inner: S, request: &mut Request, deadline: Instant) -> Response
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse>,
    {
        if request.extensions().get::<HeadTooLarge>().is_some() {
            return server::refuse_head();
        }
        if let Err(malformed) = host::check(request) {
            let mut refusal = Refusal::from(malformed).into_response();
            part(&mut refusal);
            return refusal;
        }
        let has_body = !request.body().is_end_stream();
        // Lets nobody in who has no business here, before anything is read of them.
        let mut refusal = match turn_away(&self.door, request) {
            Some(refusal) => refusal,
            None => match tokio::time::timeout_at(deadline, self.serve(inner, request)).await {
                Ok(Ok(response)) => return response,
                Ok(Err(refusal)) => refusal,
                Err(_) => refuse(Error::Unavailable("the request ran out of time".into())),
            },
        };
        // Perhaps not all of it was read.
        if has_body {
            part(&mut refusal);
        }
        refusal
    }

    /// Takes the request in, sheds it if that is too much, and finds out who calls, once; endpoints decide whether they need to know.
    async fn serve<S>(&self, mut inner: S, request: &mut Request) -> Result<Response, Response>
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse>,
    {
        let held = self.bounds.intake.take(request).await?;
        // Before it has a place among requests, which others need meanwhile.
        let client = request.extensions().get().map(|ClientAddress(address)| *address);
        let admitted = match self.bounds.may_be_large(request) {
            true => Some(Box::pin(self.bounds.answers.admit(client)).await.map_err(refuse)?),
            false => None,
        };
        // What a change is answered must not be refused: the change is done.
        let is_counted = request.method().is_safe() && !is_ours(request);
        let _place = self.bounds.place(request).map_err(refuse)?;
        check_token(&self.door, request).await;
        let user = match request.extensions().get() {
            Some(TokenCheck::Known(principal)) => Some(LoggedUser(principal.account_id)),
            _ => None,
        };
        let mut response = match inner.call(std::mem::take(request)).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        };
        if let Some(admitted) = admitted {
            self.bounds.answers.made(admitted, &response);
        }
        if is_counted {
            response = self.bounds.answers.keep(client, response).map_err(refuse)?;
        }
        if let Some(user) = user {
            response.extensions_mut().insert(user);
        }
        held.release(&mut response);
        Ok(response)
    }
}

/// A request that is counted and logged once, and has its id and its place in a trace.
struct Observed {
    started: Instant,
    _active: Active<'static>,
    id: RequestId,
    method: Method,
    route: Option<MatchedPath>,
    uri: Uri,
    scope: Arc<Scope>,
}

impl Observed {
    fn begin(edge: &Parts, deadline: Instant, request: &mut Request) -> Self {
        let sender = edge.sender(request);
        let id = request_id(request, &edge.context);
        request.extensions_mut().insert(id.clone());
        let trace = TraceContext::of(request.headers(), sender);
        Self {
            started: Instant::now(),
            _active: metrics().http.begin(),
            method: request.method().clone(),
            route: request.extensions().get().cloned(),
            uri: request.uri().clone(),
            scope: Arc::new(Scope::new(Some(id.clone()), trace, Some(deadline))),
            id,
        }
    }

    /// The answer as the client gets it.
    fn end(self, edge: &Parts, page: Option<Box<Page>>, answer: Response) -> Response {
        // Within the request, whose names every line of it has.
        let answer = scope::speak(&self.scope, || {
            // The one place that knows the words of both API versions.
            let answer = fallback::explain(answer, self.uri.path(), Some(&self.id));
            // A page must be able to read why it is refused.
            let answer = match page.zip(edge.origins.as_ref()) {
                Some((page, rules)) => page.allow(rules, answer),
                None => answer,
            };
            self.tell(&answer);
            answer
        });
        self.mark(&edge.door, answer)
    }

    /// Counts it, and has log and trace tell of it.
    fn tell(&self, answer: &Response) {
        let (route, took) = (metrics::route(self.route.as_ref()), self.started.elapsed());
        metrics().http.record(&self.method, route, answer.status(), took);
        // What our own processes ask all the time is not worth a line and a span each.
        if answer.extensions().get::<mesh::Routine>().is_some() {
            return;
        }
        trace::record_request(self.scope.trace(), &self.method, route, answer.status(), took);
        tracing::info!(
            event = "http.request",
            request_id = self.id.as_str(),
            http.request.method = metrics::method_word(&self.method),
            http.route = route,
            url.template = self.route.is_none().then(|| fallback::template(self.uri.path())),
            http.response.status_code = answer.status().as_u16(),
            duration_ms = millis(took),
            db.queries = self.scope.queries(),
            db.time_ms = millis(self.scope.query_time()),
            user.id = answer.extensions().get::<LoggedUser>().map(|user| tracing::field::display(user.0)),
            "request"
        );
    }

    /// What every answer says, and what it says to those who remember what this request has changed.
    fn mark(self, door: &Door, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        headers.insert(REQUEST_ID, self.id.into_header());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::REFERRER_POLICY, REFERRER_POLICY);
        let changed = self.scope.take_changed();
        match door {
            // Changed by what this process asked of others.
            Door::Public(callers) => callers.forget(changed.iter().map(|subject| &**subject)),
            Door::Internal(_) if changed.is_empty() => {}
            Door::Internal(_) => {
                if let Ok(changed) = HeaderValue::from_str(&changed.join(" ")) {
                    headers.insert(mesh::CHANGED, changed);
                }
            }
        }
        answer
    }
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

pub fn refuse(error: Error) -> Response {
    Refusal::from(error).into_response()
}

/// How much one process takes on.
pub struct Bounds {
    places: Semaphore,
    answers: Answers,
    timeout: Duration,
    intake: Intake,
}

impl Bounds {
    pub fn new(settings: &EdgeSettings) -> Self {
        Self {
            places: Semaphore::new(settings.max_requests),
            answers: Answers::default(),
            timeout: settings.request_timeout,
            intake: Intake::new(settings.body_limit),
        }
    }

    /// A place among the requests in progress, for as long as it is held.
    fn place(&self, request: &Request) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let overloaded = |_| Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) };
        match is_ours(request) {
            true => Ok(None),
            false => self.places.try_acquire().map(Some).map_err(overloaded),
        }
    }

    /// Whether the request asks for a list that may have the size of many answers.
    fn may_be_large(&self, request: &Request) -> bool {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        route.is_some_and(|route| LARGE.contains(&route)) && request.method().is_safe() && !is_ours(request)
    }
}

/// Lists of what may be large itself.
const LARGE: [&str; 5] =
    ["/api/v1/products", "/api/v2/products", "/api/v2/me/products", "/api/v2/users/{id}/products", "/api/v2/me/export"];

/// Whether one of our services asks for itself. They bound what they ask, and some of it decides whether the public is served at all.
fn is_ours(request: &Request) -> bool {
    matches!(request.extensions().get(), Some(Speaker::Service(_)))
}

/// Turns away from an inner door who brings no statement of our own processes, and takes their word on whom they ask for.
fn turn_away(door: &Door, request: &mut Request) -> Option<Response> {
    if let Door::Public(_) = door {
        return None;
    }
    let speaker = match request.extensions_mut().remove::<Vouched>() {
        Some(Vouched(Some(Ok(speaker)))) => speaker,
        // Tells one of our processes, if it is one, that this is no refusal of what it asked for. Nobody else learns anything by it.
        Some(Vouched(Some(Err(doubt)))) => {
            tracing::warn!(event = "internal.refused", reason = doubt.as_str(), "a statement is not believed");
            return Some(doubt.into_response());
        }
        _ => {
            tracing::warn!(event = "internal.refused", reason = "none", "somebody came without a statement");
            return Some(refuse(Error::Forbidden(Needed::Process)));
        }
    };
    let extensions = request.extensions_mut();
    extensions.remove::<ClientAddress>();
    if let Speaker::Gateway(outside) = &speaker {
        outside.address.map(|address| extensions.insert(ClientAddress(address)));
        outside.https.then(|| extensions.insert(Https));
        outside.arrived().map(|arrived| extensions.insert(arrived));
        outside.caller.clone().map(|caller| extensions.insert(caller));
    }
    extensions.insert(speaker);
    None
}

/// Finds out who calls. The verdict goes with the request; endpoints that need a caller refuse without one.
async fn check_token(door: &Door, request: &mut Request) {
    let Door::Public(callers) = door else { return };
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return;
    }
    let audience = if request.uri().path().starts_with("/api/v1/") { Audience::V1 } else { Audience::V2 };
    let caller = match bearer(request.headers()) {
        None => TokenCheck::Unknown(Unauthenticated::Malformed),
        Some(token) => match callers.find(token, audience).await {
            Ok(principal) => TokenCheck::Known(principal),
            Err(Error::Unauthenticated(reason)) => TokenCheck::Unknown(reason),
            Err(error) => TokenCheck::Unchecked(error.to_string()),
        },
    };
    request.extensions_mut().insert(caller);
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use mesh::Outside;
    use tower::{ServiceExt, service_fn};

    use super::*;

    /// The answer of a service that is slow, and has a defect.
    fn answer(settings: &EdgeSettings, path: &str) -> StatusCode {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::new(Arc::new(kernel::SystemClock));
        let envoy = Arc::new(Envoy::open(&folder.path().join("keys.json"), context.clone()).unwrap());
        let statement = envoy.sign(Speaker::Gateway(Outside::default()), &Method::GET, path).unwrap();
        let routes = service_fn(async |request: Request| {
            assert!(request.uri().path() != "/api/v1/defect", "a defect");
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        });
        let service = Edge::new(context, Door::Internal(envoy), settings).layer(routes);
        let request = Request::get(path).header(header::HOST, "x").header(mesh::STATEMENT, statement);
        let request = request.body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(service.oneshot(request)).unwrap().status()
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
    fn a_panic_is_a_500_and_counted_as_one() {
        assert_eq!(answer(&settings(), "/api/v1/defect"), StatusCode::INTERNAL_SERVER_ERROR);
        let labels = r#"http_request_method="GET",http_response_status_code="500",http_route="unmatched""#;
        let text = metrics().text();
        assert!(text.contains(&format!("http_server_request_duration_seconds_count{{{labels}}} 1\n")), "{text}");
        // Other tests have requests under way in this process too.
        let is_over = || metrics().text().contains("http_server_active_requests 0\n");
        let is_over_soon = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            is_over()
        });
        assert!(is_over_soon, "it is not under way any more");
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
