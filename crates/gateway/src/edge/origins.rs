//! Cross-origin requests, by the Fetch standard. Requests that no page of another origin makes pass by untouched.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use api::host;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::FutureExt;
use kernel::Error;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::{Listener, Step, refuse};

/// What a page may read of an answer, beside its body and what every page may.
const EXPOSED: [HeaderName; 6] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-request-id"),
];

pub struct Origins {
    /// None between our own processes: no page is there.
    rules: Option<CorsLayer>,
}

impl Origins {
    pub fn new(listener: &Listener) -> Self {
        Self { rules: listener.statement_keys().is_none().then(|| rules(&listener.settings.cors_origins)) }
    }
}

impl Step for Origins {
    type Held<'s> = Option<Box<Page>>;

    fn enter(&self, request: &mut Request) -> Result<Option<Box<Page>>, Response> {
        let (Some(rules), Some(page)) = (&self.rules, Page::behind(request)) else { return Ok(None) };
        if !page.asks_first() {
            return Ok(Some(page));
        }
        // Not even a page is answered before its request names a host.
        if host::check(request).is_err() { Ok(None) } else { Err(page.allow(rules, Response::default())) }
    }

    /// A page must be able to read why it is refused.
    fn leave(&self, page: Option<Box<Page>>, answer: &mut Response) {
        if let Some((page, rules)) = page.zip(self.rules.as_ref()) {
            *answer = page.allow(rules, std::mem::take(answer));
        }
    }
}

/// The rules: pages of these origins may call, with credentials.
fn rules(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.to_vec()))
        .allow_credentials(true)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(Duration::from_secs(3_600))
}

/// A page of another origin that makes a request.
pub struct Page {
    /// As much of the request as the rules look at.
    asked: Request,
}

impl Page {
    /// The page behind a request, if one is.
    fn behind(request: &Request) -> Option<Box<Self>> {
        let origin = request.headers().get(header::ORIGIN)?;
        let mut asked = Request::new(Body::empty());
        if request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            *asked.method_mut() = Method::OPTIONS;
            *asked.headers_mut() = request.headers().clone();
        } else {
            asked.headers_mut().insert(header::ORIGIN, origin.clone());
        }
        Some(Box::new(Self { asked }))
    }

    /// Whether its browser asks what the page may ask. That is for nobody but the rules to answer.
    fn asks_first(&self) -> bool {
        self.asked.method() == Method::OPTIONS
    }

    /// Lets the browser show the answer to the page, if that may see it.
    fn allow(self, rules: &CorsLayer, answer: Response) -> Response {
        let mut answer = Some(answer);
        let answered = service_fn(move |_| ready(Ok::<_, Infallible>(answer.take().unwrap_or_default())));
        // Nothing of it waits.
        match rules.layer(answered).oneshot(self.asked).now_or_never() {
            Some(Ok(response)) => response,
            Some(Err(never)) => match never {},
            None => refuse(Error::Internal("the rules for other origins did not answer".into())),
        }
    }
}
