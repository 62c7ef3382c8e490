//! Endpoints of services that run elsewhere: the same routes, each passed on with a statement of who calls.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api::body::Arrived;
use api::caller::TokenCheck;
use api::openapi::Api;
use api::v2::Refusal;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::uri::{self, PathAndQuery};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use hyper::body::Frame;
use hyper::upgrade::OnUpgrade;
use kernel::Error;
use mesh::upstream::{Call, Upstream};
use mesh::{Outside, Speaker, StatementKeys};
use net::server::Stopping;
use platform::client::{ClientAddress, Https};
use platform::{REQUEST_ID, RequestId, scope};
use tokio::time::Instant;
use tower::service_fn;

use crate::callers::Callers;
use crate::edge::sender::{Believed, FORWARDED_FOR, FORWARDED_PROTO};
pub use crate::sticky::Sticky;
use crate::tunnel::{Tunnel, Tunnels};

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What a gateway must say of itself in each request that it passes on (RFC 9110 §7.6.3).
const VIA: HeaderValue = HeaderValue::from_static("1.1 primetrade");

/// What concerns one connection, not who is at its far end (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What the gateway has dealt with, or says itself.
const OURS_TO_SAY: [&str; 7] = [
    // The statement stands in its place, and goes no further than it must.
    "authorization",
    "expect",
    "content-length",
    "forwarded",
    "host",
    "x-forwarded-for",
    "x-real-ip",
];

/// The way to a service that runs elsewhere.
pub struct Proxy {
    upstream: Arc<Upstream>,
    statement_keys: Arc<StatementKeys>,
    callers: Callers,
    sticky: Sticky,
    tunnels: Tunnels,
}

/// When a request may be passed on once more after its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Never,
    /// The endpoint heeds idempotency keys.
    WithKey,
    Always,
}

impl Again {
    fn of(method: &Method, is_keyed: bool, is_harmless: bool) -> Self {
        match *method {
            _ if method.is_safe() => Self::Always,
            Method::POST if is_harmless => Self::Always,
            Method::POST if is_keyed => Self::WithKey,
            _ => Self::Never,
        }
    }

    /// By what is passed on: a key that went no further would protect nobody.
    fn applies_to(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Never => false,
            Self::WithKey => headers.contains_key(IDEMPOTENCY_KEY),
            Self::Always => true,
        }
    }
}

/// The described endpoints, each passed on. `harmless`: paths on which POST may be made twice as well as once.
pub fn routes(described: &Api, harmless: &[&str], proxy: Arc<Proxy>) -> Router {
    let (mut router, keyed) = (Router::new(), described.keyed());
    for (path, methods) in described.endpoints() {
        let mut there = MethodRouter::new();
        for method in methods {
            let again = Again::of(&method, keyed.contains(&*path), harmless.contains(&&*path));
            if let Ok(filter) = MethodFilter::try_from(method) {
                let proxy = Arc::clone(&proxy);
                there = there.on_service(filter, service_fn(move |request| Arc::clone(&proxy).answer(request, again)));
            }
        }
        if path.starts_with("/api/v1/") {
            // As in this process: a slash at the end of a path of v1 makes no difference.
            router = router.route(&format!("{path}/"), there.clone());
        }
        router = router.route(&path, there);
    }
    router
}

/// What a client would like to speak instead of HTTP, and the place that it would take.
struct Switch {
    client: OnUpgrade,
    protocol: HeaderValue,
    tunnel: Tunnel,
    stopping: Option<Stopping>,
}

impl Proxy {
    pub fn new(upstream: Arc<Upstream>, statement_keys: Arc<StatementKeys>, callers: Callers, sticky: Sticky) -> Self {
        Self { upstream, statement_keys, callers, sticky, tunnels: Tunnels::new() }
    }

    #[cfg(test)]
    pub(crate) fn with_tunnels(self, tunnels: Tunnels) -> Self {
        Self { tunnels, ..self }
    }

    /// The answer to a request that the edge has taken in. All that needs the request itself is done before anything is waited for,
    /// such that the future has no room for it.
    fn answer(
        self: Arc<Self>,
        request: Request,
        again: Again,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        let is_head = request.method() == Method::HEAD;
        let refused = |error| Ok(Refusal::from(error).into_response());
        match self.prepare(request, again) {
            Ok((call, switch)) => {
                let called = self.upstream.call(call);
                let back = move |answer: Result<_, _>| answer.and_then(|answer| self.back(answer, switch, is_head));
                Either::Left(called.map(move |answer| back(answer).or_else(refused)))
            }
            Err(error) => Either::Right(ready(refused(error))),
        }
    }

    /// The call that passes a request on, and what becomes of its connection if both sides agree on another protocol.
    fn prepare(&self, request: Request, again: Again) -> Result<(Call, Option<Switch>), Error> {
        let (mut parts, _) = request.into_parts();
        let switch = self.switch(&mut parts)?;
        let (body, broken) = match parts.extensions.remove() {
            Some(Arrived(Ok(body))) => (body, None),
            Some(Arrived(Err(error))) => (Bytes::new(), Some(error)),
            None => (Bytes::new(), None),
        };
        let outside = Outside {
            caller: parts.extensions.remove::<TokenCheck>(),
            address: parts.extensions.get().map(|ClientAddress(address)| *address),
            https: parts.extensions.get::<Https>().is_some(),
            body: broken,
        };
        let deadline = scope::current().and_then(|scope| scope.deadline).unwrap_or_else(Instant::now);
        let affinity = self.sticky.affinity(&parts.method, parts.uri.path(), &outside);
        let protocol = switch.as_ref().map(|switch| switch.protocol.clone());
        let request = self.onward(parts, outside, body, protocol, deadline)?;
        let repeatable = again.applies_to(request.headers());
        Ok((Call { request, deadline, repeatable, affinity }, switch))
    }

    /// Whether the client asks for another protocol that may be passed through.
    fn switch(&self, parts: &mut Parts) -> Result<Option<Switch>, Error> {
        let Some(client) = parts.extensions.remove::<OnUpgrade>() else { return Ok(None) };
        let Some(protocol) = wanted(&parts.headers) else { return Ok(None) };
        let full = Error::Overloaded { what: "upgraded connections", retry_after: Duration::from_secs(1) };
        let tunnel = self.tunnels.take().ok_or(full)?;
        Ok(Some(Switch { client, protocol, tunnel, stopping: parts.extensions.remove() }))
    }

    /// The request as it is passed on.
    fn onward(
        &self,
        mut parts: Parts,
        outside: Outside,
        body: Bytes,
        protocol: Option<HeaderValue>,
        deadline: Instant,
    ) -> Result<axum::http::Request<Bytes>, Error> {
        let target = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let headers = &mut parts.headers;
        // Whoever names a host in the request line means that one (RFC 9112 §3.2.2).
        let named = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let host = named.or_else(|| headers.get(header::HOST).cloned());
        strip(headers, &OURS_TO_SAY);
        if let Some(protocol) = protocol {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
        }
        if parts.extensions.get::<Believed>().is_none() {
            [FORWARDED_HOST, FORWARDED_PROTO].iter().for_each(|name| _ = headers.remove(name));
        }
        if let Some(address) = outside.address.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
            headers.insert(FORWARDED_FOR, address);
        }
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        let scheme = if outside.https { "https" } else { "http" };
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(scheme));
        headers.append(header::VIA, VIA);
        if let Some(id) = parts.extensions.get::<RequestId>() {
            headers.insert(REQUEST_ID, id.clone().into_header());
        }
        let statement = self.statement_keys.sign(Speaker::Gateway(outside), &parts.method, target.as_str(), &body);
        let unsigned = || Error::Internal("a request could not be vouched for".into());
        headers.insert(mesh::STATEMENT, statement.ok_or_else(unsigned)?);
        headers.insert(mesh::TIMEOUT, mesh::peer::millis_until(deadline));
        let mut request = axum::http::Request::new(body);
        *request.method_mut() = parts.method;
        let mut there = uri::Parts::default();
        there.path_and_query = Some(target);
        // A path alone is a URI.
        *request.uri_mut() = Uri::from_parts(there).map_err(|_| Error::NotFound)?;
        *request.headers_mut() = parts.headers;
        Ok(request)
    }

    /// The answer as it goes back.
    fn back(&self, mut answer: Response<Body>, switch: Option<Switch>, is_head: bool) -> Result<Response<Body>, Error> {
        if let Some(changed) = answer.headers().get(mesh::CHANGED).and_then(|changed| changed.to_str().ok()) {
            self.callers.forget(changed.split(' '));
        }
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = answer.headers_mut().remove(header::UPGRADE).filter(|_| switched);
        strip(answer.headers_mut(), &[]);
        if switched {
            let strange = || Error::Unavailable(format!("{} switched protocols unasked", self.upstream.name()));
            let (switch, protocol) = switch.zip(protocol).ok_or_else(strange)?;
            let headers = answer.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
            let Switch { client, tunnel, stopping, .. } = switch;
            let stopped = async {
                match stopping {
                    Some(mut stopping) => stopping.wait().await,
                    None => std::future::pending().await,
                }
            };
            tokio::spawn(tunnel.join(client, hyper::upgrade::on(&mut answer), stopped));
        } else if is_head && !answer.headers().contains_key(header::CONTENT_LENGTH) {
            *answer.body_mut() = Body::new(Withheld);
        }
        Ok(answer)
    }
}

/// The body that HEAD did not ask for, of which the service did not say how long it is: nobody may say so in its place.
struct Withheld;

impl HttpBody for Withheld {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Takes out what ends here, on the way there and back, and what else is named.
fn strip(headers: &mut HeaderMap, more: &[&str]) {
    let ends = |name: &str| HOP_BY_HOP.contains(&name) || mesh::OURS.iter().any(|ours| ours == name);
    // Most clients name nothing, or what is taken out in any case.
    let named = connection(headers).filter(|name| *name != "close" && !HOP_BY_HOP.contains(name));
    let named: Vec<HeaderName> = named.filter_map(|name| name.parse().ok()).collect();
    // Few of them are there: to look for each by its hash would cost more than to look at all that are.
    let goes = |name: &&HeaderName| ends(name.as_str()) || more.contains(&name.as_str()) || named.contains(name);
    while let Some(name) = headers.keys().find(goes).cloned() {
        headers.remove(name);
    }
}

/// What concerns the connection alone, as its header names it.
fn connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The protocols that a client would rather speak. Not another kind of HTTP: what is said then would reach the service as if the
/// gateway had said it.
fn wanted(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let protocol = protocols.next().filter(|_| protocols.next().is_none())?;
    let is_http = |name: &str| ["h2c", "h2", "http", "tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
    let mut names = protocol.to_str().ok()?.split(',').map(|name| name.split('/').next().unwrap_or_default().trim());
    let may = !names.any(is_http) && connection(headers).any(|name| name.eq_ignore_ascii_case("upgrade"));
    may.then(|| protocol.clone())
}
