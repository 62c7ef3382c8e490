//! API v1's envelope, frozen: `{"success": …}`, and the translation of errors into it.

pub mod page;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::Error;
use kernel::error::Unauthenticated;
use platform::telemetry::metrics;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::body::{self, BodyError};
use super::header::MalformedHeader;
use super::idempotency::KeyRefused;
use super::{log_full_disk, seconds};

/// Mounting the way Express did it: a slash at the end of a path makes no difference.
pub trait V1Routes<S> {
    /// Mounts and documents the endpoints of one path.
    fn v1_routes(self, routes: UtoipaMethodRouter<S>) -> Self;
}

impl<S: Clone + Send + Sync + 'static> V1Routes<S> for OpenApiRouter<S> {
    fn v1_routes(self, routes: UtoipaMethodRouter<S>) -> Self {
        let (_, paths, methods) = &routes;
        let with_slash: Vec<_> = paths.paths.keys().map(|path| (format!("{path}/"), methods.clone())).collect();
        let router = self.routes(routes);
        with_slash.into_iter().fold(router, |router, (path, methods)| router.route(&path, methods))
    }
}

/// A successful answer.
#[derive(Serialize, ToSchema)]
pub struct Success<T: Serialize> {
    /// Always true.
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    data: Option<T>,
}

impl<T: Serialize> Success<T> {
    pub fn data(data: T) -> Self {
        Self { success: true, message: None, data: Some(data) }
    }

    pub fn said(message: &'static str, data: T) -> Self {
        Self { success: true, message: Some(message), data: Some(data) }
    }

    pub fn to_bytes(&self) -> Bytes {
        // Our answers are structs of strings and numbers, which always serialize.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// No data.
#[derive(Serialize)]
pub struct Nothing {}

/// A successful answer without data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Done {
    /// Always true.
    success: bool,
    message: String,
}

impl Success<Nothing> {
    pub fn message(message: &'static str) -> Self {
        Self { success: true, message: Some(message), data: None }
    }
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, self.to_bytes())
    }
}

/// A finished JSON body. What v1 returns depends on the caller, so nobody may keep it.
pub fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// One broken rule, as the monolith's validator reported it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldError {
    #[schema(value_type = String)]
    r#type: &'static str,
    /// As sent; left out when the field was absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[schema(value_type = String)]
    msg: &'static str,
    #[schema(value_type = String)]
    path: &'static str,
    #[schema(value_type = String)]
    location: &'static str,
}

impl FieldError {
    pub fn body(path: &'static str, value: Option<&Value>, msg: &'static str) -> Self {
        Self { r#type: "field", value: value.cloned(), msg, path, location: "body" }
    }

    pub fn query(path: &'static str, value: &str, msg: &'static str) -> Self {
        Self { r#type: "field", value: Some(Value::from(value)), msg, path, location: "query" }
    }
}

/// How v1 refuses.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureBody {
    /// Always false.
    success: bool,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Of a route that does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    path: Option<String>,
}

/// A failed answer.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    message: String,
    errors: Vec<FieldError>,
    path: Option<String>,
    retry_after: Option<u64>,
    cause: Option<Cause>,
}

/// What the operator should know; never sent.
#[derive(Debug)]
enum Cause {
    Failed(String),
    DiskFull(Box<str>),
    /// There was too much of this.
    Shed(&'static str),
}

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new(), path: None, retry_after: None, cause: None }
    }

    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "Validation failed") }
    }

    /// As it is sent.
    pub(crate) fn body(self) -> FailureBody {
        FailureBody { success: false, message: self.message, errors: self.errors, path: self.path }
    }

    pub fn route_not_found(path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..Self::new(StatusCode::NOT_FOUND, "Route not found") }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Words::NONE.failure(error)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit) => {
                Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("Request body is larger than {limit} bytes"))
            }
            BodyError::Broken => Failure::new(StatusCode::BAD_REQUEST, "Request body ended early"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match &self.cause {
            Some(Cause::Failed(cause)) => {
                tracing::error!(event = "request.failed", error = %cause, "a request failed");
            }
            Some(Cause::DiskFull(cause)) => log_full_disk(cause),
            Some(Cause::Shed(what)) => metrics().shed(what),
            None => {}
        }
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = json(status, serde_json::to_vec(&self.body()).unwrap_or_default().into());
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An endpoint's own sentences for the kinds of error that v1 words by endpoint.
#[derive(Clone, Copy)]
pub struct Words {
    pub not_found: &'static str,
    pub forbidden: &'static str,
    pub conflict: Option<&'static str>,
}

impl Words {
    pub const NONE: Words = Words { not_found: "Not found", forbidden: "Access denied.", conflict: None };

    /// The one place where error kinds become v1 answers.
    pub fn failure(&self, error: Error) -> Failure {
        let (status, message) = match error {
            Error::Invalid(violations) => {
                let details: Vec<String> = violations.into_iter().map(|violation| violation.detail).collect();
                return Failure::new(StatusCode::BAD_REQUEST, details.join(". "));
            }
            Error::Unauthenticated(reason) => (StatusCode::UNAUTHORIZED, unauthenticated(reason)),
            Error::Forbidden(_) => (StatusCode::FORBIDDEN, self.forbidden),
            Error::NotFound | Error::ReferenceNotFound(_) => (StatusCode::NOT_FOUND, self.not_found),
            Error::Conflict(violation) => {
                return Failure::new(StatusCode::CONFLICT, self.conflict.map_or(violation.detail, str::to_owned));
            }
            Error::InsufficientStock(_) => (StatusCode::CONFLICT, "Insufficient stock"),
            Error::Stale => (StatusCode::CONFLICT, "It was changed by others meanwhile"),
            Error::IdempotencyInFlight => (StatusCode::CONFLICT, "A request with this Idempotency-Key is in progress"),
            Error::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "This Idempotency-Key was used with another request")
            }
            Error::Overloaded { what, retry_after } => {
                let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "The server is busy. Please try again.");
                return Failure {
                    retry_after: Some(seconds(retry_after, None)),
                    cause: Some(Cause::Shed(what)),
                    ..failure
                };
            }
            Error::RateLimited { retry_after, .. } => {
                let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Please try again later.");
                return Failure { retry_after: Some(seconds(retry_after, None)), ..failure };
            }
            Error::Unavailable(cause) => {
                let failure =
                    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable. Please try again.");
                return Failure { retry_after: Some(1), cause: Some(Cause::Failed(cause)), ..failure };
            }
            Error::DiskFull(cause) => {
                let message =
                    "The server's disk is full. Nothing can be changed for now; reading works. Please try again later.";
                let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, message);
                return Failure {
                    retry_after: Some(1),
                    cause: Some(Cause::DiskFull(cause.into_boxed_str())),
                    ..failure
                };
            }
            Error::Internal(cause) => {
                let failure = Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");
                return Failure { cause: Some(Cause::Failed(cause)), ..failure };
            }
        };
        Failure::new(status, message)
    }
}

fn unauthenticated(reason: Unauthenticated) -> &'static str {
    match reason {
        Unauthenticated::Missing | Unauthenticated::Malformed => {
            "Authentication required. Please provide a valid token."
        }
        Unauthenticated::Invalid => "Invalid token.",
        Unauthenticated::Expired => "Token has expired. Please login again.",
        // v1 asks for no recent log-in.
        Unauthenticated::Ended | Unauthenticated::TooLongAgo => "Invalid or inactive user token.",
        Unauthenticated::WrongCredentials => "Invalid email or password",
        Unauthenticated::Deactivated => "Account is deactivated. Please contact administrator.",
    }
}

/// A request body as the monolith read it: a JSON object, or an HTML form as an object of strings. A JSON array has no fields,
/// and so has a body of any other type.
pub struct Fields {
    pub fields: Map<String, Value>,
    /// The bytes as sent, for fingerprints.
    pub raw: Bytes,
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let raw = body::of(&mut parts, body).await?;
        let is = |media_type| body::is_media_type(&parts.headers, media_type);
        let fields = if raw.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else if is("application/json").unwrap_or(true) {
            parse_object(&raw)?
        } else if is("application/x-www-form-urlencoded") == Some(true) {
            form_urlencoded::parse(&raw).map(|(name, value)| (name.into_owned(), Value::from(value))).collect()
        } else {
            Map::new()
        };
        Ok(Fields { fields, raw })
    }
}

fn parse_object(raw: &[u8]) -> Result<Map<String, Value>, Failure> {
    let malformed = |detail: String| Failure::new(StatusCode::BAD_REQUEST, format!("Malformed JSON: {detail}"));
    match serde_json::from_slice(raw).map_err(|error| malformed(error.to_string()))? {
        Value::Object(fields) => Ok(fields),
        Value::Array(_) => Ok(Map::new()),
        _ => Err(malformed("expected an object".into())),
    }
}

impl From<MalformedHeader> for Failure {
    fn from(MalformedHeader(violation): MalformedHeader) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, violation.detail)
    }
}

impl From<KeyRefused> for Failure {
    fn from(refused: KeyRefused) -> Self {
        match refused {
            KeyRefused::Several(malformed) => malformed.into(),
            KeyRefused::Invalid(error) => error.into(),
        }
    }
}
