//! The OpenAPI documents: what `utoipa` derives from the endpoints, with what every endpoint has in common.
//!
//! An endpoint declares its own answers. Those that follow from what it takes (a body, a token, an id, a condition) are added
//! here, so that no endpoint can forget them.

mod answers;
mod examples;
mod glossary;
mod parts;

use std::collections::HashSet;

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use platform::telemetry::metrics::Endpoints;
use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{self, Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

pub use self::parts::{
    IdInPath, IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, InConflict, NotTheirs, RefusedBatch,
};
use super::v1::FailureBody;
use super::v2::problem::Problem;

/// The endpoints of a service, or of all, by the document that describes them; `S` is what they are still to be given.
pub struct Api<S = ()> {
    pub v1: OpenApiRouter<S>,
    /// With what belongs to no version.
    pub v2: OpenApiRouter<S>,
}

impl Default for Api {
    /// No endpoints.
    fn default() -> Self {
        Self { v1: OpenApiRouter::new(), v2: OpenApiRouter::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Api { v1: self.v1.merge(other.v1), v2: self.v2.merge(other.v2) }
    }

    /// The endpoints, ready to serve.
    pub fn with_state(self, state: S) -> Api {
        Api { v1: self.v1.with_state(state.clone()), v2: self.v2.with_state(state) }
    }

    /// The paths on which POST takes an `Idempotency-Key`: what is sent again with the same key has one effect.
    pub fn keyed(&self) -> HashSet<&str> {
        let items = [&self.v1, &self.v2].map(|router| &router.get_openapi().paths.paths).into_iter().flatten();
        let keyed =
            items.filter(|(_, item)| item.post.as_ref().is_some_and(|post| takes_header(post, IDEMPOTENCY_KEY)));
        keyed.map(|(path, _)| path.as_str()).collect()
    }

    /// Which methods the routes have.
    pub fn endpoints(&self) -> Endpoints {
        let items = [&self.v1, &self.v2].map(|router| &router.get_openapi().paths.paths).into_iter().flatten();
        let endpoints = items.map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            let has = methods.into_iter().filter(|(_, operation)| operation.is_some());
            (path.as_str().into(), has.map(|(method, _)| method).collect())
        });
        endpoints.collect()
    }

    /// What describes the endpoints, without them: for this no store has to be open.
    pub fn described(self) -> Api {
        let described = |router: OpenApiRouter<S>| OpenApiRouter::with_openapi(router.into_openapi());
        Api { v1: described(self.v1), v2: described(self.v2) }
    }
}

/// The documents of both versions, as they are published; a test holds the committed ones to them.
pub struct Documents {
    pub v1: Bytes,
    pub v2: Bytes,
}

impl Documents {
    /// Derived from the endpoints.
    pub fn of(api: Api) -> Self {
        let write = |document, version| {
            // A document is a tree of strings, which always serializes.
            let mut text = serde_json::to_string_pretty(&complete(document, version)).unwrap_or_default();
            text.push('\n');
            Bytes::from(text)
        };
        Documents { v1: write(api.v1.into_openapi(), Version::V1), v2: write(api.v2.into_openapi(), Version::V2) }
    }
}

/// A document as it is served.
pub fn answer(document: Bytes) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=60")];
    (headers, document).into_response()
}

/// The endpoints without their documents.
impl From<Api> for axum::Router {
    fn from(api: Api) -> axum::Router {
        axum::Router::from(api.v1).merge(axum::Router::from(api.v2))
    }
}

/// Which API a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// Of nothing that is.
const EXAMPLE_ID: &str = "0195ea1b-3d02-8c11-a411-9be1d2c4f7a0";

/// As endpoints declare it.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The bearer token's name among the security schemes.
const BEARER: &str = "bearer";

/// What v2's operations are about, in the order in which a newcomer meets it.
const TAGS: [(&str, &str); 8] = [
    ("accounts", "Becoming somebody: an account, its address verified, its password chosen anew."),
    ("sessions", "Logging in and out. A session gives access tokens, and refresh tokens that are good once."),
    ("me", "The caller's own account."),
    ("products", "The catalogue: everyone sees what is active, sellers change what is theirs."),
    ("batches", "Many changes in one request and one transaction."),
    ("reservations", "Units that are kept for a buyer, until they are bought or given back."),
    ("users", "Accounts, for administrators."),
    ("jobs", "Work that is done some time after the change that asks for it, for administrators."),
];

fn tag(name: &str, about: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(about)).build()
}

/// Completes the document of one API version.
pub fn complete(mut document: OpenApi, version: Version) -> OpenApi {
    let (title, about) = match version {
        Version::V1 => ("PrimeTrade API v1", "Frozen: what the first clients were written for. New clients use v2."),
        Version::V2 => (
            "PrimeTrade API v2",
            "Accounts, sessions and the catalogue of a marketplace. Refusals are problem documents (RFC 9457), lists have \
             cursors, changes name the version that they are based on (`If-Match`), and creations can be repeated safely \
             (`Idempotency-Key`). Money is in minor units, times are RFC 3339 in UTC.",
        ),
    };
    document.info = Info::new(title, env!("CARGO_PKG_VERSION"));
    document.info.description = Some(about.to_owned());
    document.info.license = Some(License::new("MIT OR Apache-2.0"));
    document.tags = (version == Version::V2).then(|| TAGS.map(|(name, about)| tag(name, about)).to_vec());
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.security_schemes.insert(BEARER.to_owned(), SecurityScheme::Http(scheme).into());
    match version {
        Version::V1 => add_schema::<FailureBody>(components),
        Version::V2 => {
            add_schema::<Problem<'_>>(components);
        }
    }
    let examples = examples::Examples::of(version);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            if version == Version::V1 {
                add_forms(operation);
            }
            mend_optional_body(operation);
            add_refusals(operation, version);
            let instance = path.replace("{id}", EXAMPLE_ID).replace("{owner_id}", EXAMPLE_ID);
            examples.add_to(operation, &instance.replace("{handle}", "desk-lamp"));
            answers::add_headers(operation);
        }
    }
    answers::close(&mut document);
    glossary::describe(&mut document);
    document
}

/// Says that a request is of exactly one of these ways, which `utoipa` cannot derive.
pub fn one_of(document: &mut OpenApi, schema: &str, ways: Value) {
    let schema = document.components.as_mut().and_then(|components| components.schemas.get_mut(schema));
    if let Some(RefOr::T(Schema::Object(object))) = schema {
        object.extensions.get_or_insert_default().insert("oneOf".to_owned(), ways);
    }
}

fn add_schema<T: ToSchema + PartialSchema>(components: &mut Components) {
    components.schemas.insert(T::name().into_owned(), T::schema());
    let mut used = Vec::new();
    T::schemas(&mut used);
    components.schemas.extend(used);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// What v1 takes as JSON it takes from an HTML form too.
fn add_forms(operation: &mut Operation) {
    if let Some(RefOr::T(body)) = &mut operation.request_body
        && let Some(json) = body.content.get("application/json").cloned()
    {
        body.content.insert("application/x-www-form-urlencoded".to_owned(), json);
    }
}

/// A body that may be left out is not null: `utoipa` says that it may be either.
fn mend_optional_body(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::T(Schema::OneOf(ways))) = &content.schema
            && let Some(there) = ways.items.iter().find(|way| matches!(way, RefOr::Ref(_))).cloned()
        {
            content.schema = Some(there);
            body.required = Some(openapi::Required::False);
        }
    }
}

/// What the parts of an operation may be refused for.
fn add_refusals(operation: &mut Operation, version: Version) {
    let mut statuses = vec![500, 503];
    let parameters: Vec<_> = operation.parameters.iter().flatten().filter_map(inline).collect();
    let has = |place: ParameterIn| parameters.iter().any(|parameter| parameter.parameter_in == place);
    let has_header = |name| takes_header(operation, name);
    if has(ParameterIn::Path) {
        statuses.push(404);
    }
    if operation.security.as_ref().is_some_and(|security| !security.is_empty()) {
        statuses.push(401);
    }
    match version {
        Version::V1 => {
            if operation.request_body.is_some() {
                statuses.extend([400, 413]);
            }
            if has(ParameterIn::Query) {
                statuses.push(400);
            }
            if has_header(IDEMPOTENCY_KEY) {
                statuses.extend([400, 409, 422]);
            }
        }
        Version::V2 => {
            if operation.request_body.is_some() {
                statuses.extend([400, 413, 415, 422]);
            }
            if has(ParameterIn::Query) {
                statuses.push(422);
            }
            if has_header("If-Match") {
                statuses.extend([400, 412, 428]);
            }
            if has_header(IDEMPOTENCY_KEY) {
                statuses.extend([400, 409, 422]);
            }
        }
    }
    for status in statuses {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| RefOr::T(refusal(status, version)));
    }
    // An endpoint need not word what its status says.
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(response), Ok(status)) = (response, status.parse())
            && response.description.is_empty()
        {
            response.description = meaning(status).to_owned();
        }
    }
}

fn takes_header(operation: &Operation, name: &str) -> bool {
    operation.parameters.iter().flatten().filter_map(inline).any(|parameter| parameter.name == name)
}

fn inline<T>(part: &RefOr<T>) -> Option<&T> {
    match part {
        RefOr::T(part) => Some(part),
        RefOr::Ref(_) => None,
    }
}

/// A refusal as an endpoint declares it beyond those that are added by themselves.
pub fn refusal(status: u16, version: Version) -> openapi::Response {
    let (media_type, schema) = match version {
        Version::V1 => ("application/json", FailureBody::name()),
        Version::V2 => ("application/problem+json", Problem::name()),
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new().description(meaning(status)).content(media_type, content).build()
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done",
        201 => "Created",
        202 => "Accepted, and done soon",
        204 => "Done; there is nothing to say",
        400 => "The body, the input or a header is not well formed",
        401 => "No valid token",
        403 => "Visible to the caller, but not theirs",
        404 => "Absent, or invisible to the caller",
        409 => "In conflict with the present state, or a request with the same key is in progress",
        412 => "Changed since it was read",
        413 => "The body is too large",
        415 => "The body has another type",
        422 => "The input breaks the rules that are listed",
        428 => "If-Match is missing",
        429 => "Too many requests",
        503 => "Busy, or something needed cannot be reached; try again later",
        _ => "A defect of the server's own",
    }
}
