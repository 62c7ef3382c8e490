//! Endpoints of services that run elsewhere: the same routes, each passed on with a statement of who calls.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use kernel::Error;
use platform::http::caller::Caller;
use platform::http::openapi::Api;
use platform::http::v2::Refusal;
use platform::http::{ClientAddress, RequestId, body};
use platform::internal::{self, Doubt, Envoy, Outside, Speaker};
use platform::scope;
use platform::upstream::{Call, Upstream};
use tokio::time::Instant;

use crate::callers::Callers;
use crate::client::Believed;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What concerns one connection, not who is at its far end (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// What the gateway has dealt with, or says itself.
const OURS_TO_SAY: [HeaderName; 6] = [
    // The statement stands in its place, and goes no further than it must.
    header::AUTHORIZATION,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::FORWARDED,
    header::HOST,
    HeaderName::from_static("x-real-ip"),
];

/// The way to a service that runs elsewhere.
pub struct Proxy {
    pub upstream: Arc<Upstream>,
    pub envoy: Arc<Envoy>,
    pub callers: Callers,
    pub sticky: Sticky,
}

/// Whose requests go to the same process each time, if the upstream keeps to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sticky {
    Everyone,
    /// Those who sent no token: what they try is counted by the process that they are sent to.
    Strangers,
}

/// The described endpoints, each passed on.
pub fn routes(described: &Api, proxy: Arc<Proxy>) -> Router {
    let mut router = Router::new();
    for (path, methods) in described.endpoints() {
        let filters = methods.into_iter().filter_map(|method| MethodFilter::try_from(method).ok());
        let there = filters.fold(MethodRouter::new(), |there, filter| there.on(filter, pass));
        if path.starts_with("/api/v1/") {
            // As in this process: a slash at the end of a path of v1 makes no difference.
            router = router.route(&format!("{path}/"), there.clone());
        }
        router = router.route(&path, there);
    }
    router.with_state(proxy)
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    proxy.pass(request).await.unwrap_or_else(|error| Refusal::from(error).into_response())
}

impl Proxy {
    async fn pass(&self, request: Request) -> Result<Response<Body>, Error> {
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| is_upgrade(&parts.headers));
        let (body, broken) = match body::of(&mut parts, body).await {
            Ok(body) => (body, None),
            Err(error) => (Bytes::new(), Some(error)),
        };
        let outside = Outside {
            caller: parts.extensions.remove::<Caller>(),
            address: parts.extensions.get().map(|ClientAddress(address)| *address),
            body: broken,
        };
        let repeatable = parts.method.is_safe() || parts.headers.contains_key(IDEMPOTENCY_KEY);
        let deadline = scope::current().and_then(|scope| scope.deadline).unwrap_or_else(Instant::now);
        let counted = self.sticky == Sticky::Everyone || outside.caller.is_none();
        let sticky = outside.address.filter(|_| counted).map(key);
        let request = self.onward(parts, outside, body, upgrade.is_some(), deadline)?;
        let answer = self.upstream.call(Call { request, deadline, repeatable, sticky }).await?;
        if let Some(doubt) = Doubt::told(answer.headers()) {
            // It is us who are not believed, not the client.
            return Err(doubt.refusal(self.upstream.name()));
        }
        Ok(self.back(answer, upgrade))
    }

    /// The request as it is passed on.
    fn onward(
        &self,
        mut parts: Parts,
        outside: Outside,
        body: Bytes,
        upgrade: bool,
        deadline: Instant,
    ) -> Result<axum::http::Request<Bytes>, Error> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let headers = &mut parts.headers;
        let switch = headers.get(header::UPGRADE).cloned().filter(|_| upgrade);
        let host = headers.get(header::HOST).cloned();
        strip(headers);
        OURS_TO_SAY.iter().for_each(|name| _ = headers.remove(name));
        if let Some(protocol) = switch {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
        }
        if parts.extensions.get::<Believed>().is_none() {
            [FORWARDED_HOST, FORWARDED_PROTO].iter().for_each(|name| _ = headers.remove(name));
        }
        if let Some(address) = outside.address.and_then(|address| HeaderValue::from_str(&address.to_string()).ok()) {
            headers.insert(FORWARDED_FOR, address);
        } else {
            headers.remove(FORWARDED_FOR);
        }
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        if let Some(id) = parts.extensions.get::<RequestId>() {
            headers.insert(REQUEST_ID, id.clone().into_header());
        }
        let statement = self.envoy.sign(Speaker::Gateway(outside), &parts.method, &target);
        let unsigned = || Error::Internal("a request could not be vouched for".into());
        headers.insert(internal::STATEMENT, statement.ok_or_else(unsigned)?);
        headers.insert(internal::TIMEOUT, internal::peer::millis_until(deadline));
        let mut request = axum::http::Request::new(body);
        *request.method_mut() = parts.method;
        *request.uri_mut() = target.parse().map_err(|_| Error::NotFound)?;
        *request.headers_mut() = parts.headers;
        Ok(request)
    }

    /// The answer as it goes back.
    fn back(&self, mut answer: Response<Body>, upgrade: Option<OnUpgrade>) -> Response<Body> {
        if let Some(changed) = answer.headers().get(internal::CHANGED).and_then(|changed| changed.to_str().ok()) {
            self.callers.forget(changed.split(' '));
        }
        let switched = (answer.status() == StatusCode::SWITCHING_PROTOCOLS)
            .then(|| answer.headers().get(header::UPGRADE).cloned());
        strip(answer.headers_mut());
        if let Some(protocol) = switched.flatten()
            && let Some(client) = upgrade
        {
            let headers = answer.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
            tokio::spawn(join(client, hyper::upgrade::on(&mut answer)));
        }
        answer
    }
}

/// Copies bytes both ways until one side ends. Its time is bounded by the listener, whose place it keeps.
async fn join(client: OnUpgrade, server: OnUpgrade) {
    if let (Ok(client), Ok(server)) = (client.await, server.await) {
        let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
        // Either side may break off at will.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

/// FNV-1a of the network that one client has to itself: of IPv6, the first half.
fn key(address: IpAddr) -> u64 {
    let octets = match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    };
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    octets.iter().fold(0xcbf2_9ce4_8422_2325, hash)
}

/// Takes out what ends here, on the way there and back.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().chain(&HOP_BY_HOP).chain(&internal::OURS).for_each(|name| _ = headers.remove(name));
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let asked = headers.get(header::CONNECTION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    headers.contains_key(header::UPGRADE) && asked.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}
