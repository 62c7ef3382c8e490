//! What is told of a refusal, for people and programs.

use std::borrow::Cow;

use axum::http::StatusCode;
use kernel::Violation;
use kernel::error::Needed;
use platform::RequestId;
use serde::Serialize;
use utoipa::ToSchema;

use super::batch::ItemResult;
use super::pointer;

/// What is wrong, for people and programs (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// A URI of the kind of problem.
    #[schema(example = "urn:primetrade:problem:not-found")]
    r#type: String,
    #[schema(value_type = String)]
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    detail: &'a str,
    /// The path that was asked.
    instance: &'a str,
    /// A stable word for the kind of problem: `malformed-body`, `malformed-header`, `unauthenticated`, `forbidden`, `not-found`,
    /// `method-not-allowed`, `conflict`, `insufficient-stock`, `idempotency-in-flight`, `stale-version`, `payload-too-large`,
    /// `unsupported-media-type`, `validation-failed`, `idempotency-key-reused`, `precondition-required`, `rate-limited`, `internal`, `overloaded`, `unavailable`. There may be more.
    #[schema(value_type = String, example = "not-found")]
    code: &'static str,
    /// The request's id, as in `X-Request-Id` and the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    /// Of `forbidden`: what the caller has to be, `owner` of the resource (or an administrator), or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "owner")]
    needed: Option<Needed>,
    /// What is wrong with the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<InputError<'a>>,
    /// Of a batch that is done as a whole or not at all: what kept each of its items from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    results: Vec<ItemResult<'a>>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        kind: &Kind,
        detail: &'a str,
        path: &'a str,
        request_id: Option<&'a RequestId>,
        errors: Vec<InputError<'a>>,
    ) -> Self {
        Problem {
            r#type: kind.uri(),
            title: kind.title,
            status: kind.status.as_u16(),
            detail,
            instance: path,
            code: kind.code,
            request_id: request_id.map(RequestId::as_str),
            needed: None,
            errors,
            results: Vec::new(),
        }
    }

    pub(super) fn with_needed(self, needed: Needed) -> Self {
        Self { needed: Some(needed), ..self }
    }

    pub(super) fn with_results(self, results: Vec<ItemResult<'a>>) -> Self {
        Self { results, ..self }
    }
}

/// One broken rule of the input.
#[derive(Serialize, ToSchema)]
pub struct InputError<'a> {
    /// A JSON pointer (RFC 6901) into the body, the empty one to all of it; or a slash and the name of a header or query
    /// parameter.
    #[schema(example = "/variants/0/price")]
    pointer: String,
    #[schema(value_type = String)]
    detail: Cow<'a, str>,
    /// A stable word for the kind of error: `required`, `type`, `unknown-field`, `length`, `range`, `format`, `taken` and others.
    code: &'a str,
    /// Of what is taken: the value that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<&'a str>,
    /// Of what is taken: the path of the resource that has it, where it is one of the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/api/v2/products/0195ea1b-3d02-8c11-a411-9be1d2c4f7a0")]
    holder: Option<String>,
    /// Of a line that asks for too many units: how many there are, if the seller lets buyers know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    available: Option<i64>,
}

impl<'a> InputError<'a> {
    pub(super) fn new(field: &str, detail: impl Into<Cow<'a, str>>, code: &'a str) -> Self {
        Self { pointer: pointer::to(field), detail: detail.into(), code, value: None, holder: None, available: None }
    }

    /// Those of an input that lies at `within` in the body.
    pub(super) fn all(violations: &'a [Violation], within: &str) -> Vec<Self> {
        let error = |v: &'a Violation| {
            let field = match (within, &*v.field) {
                ("", field) => Cow::Borrowed(field),
                (within, "") => Cow::Borrowed(within),
                (within, field) => Cow::Owned(format!("{within}/{field}")),
            };
            let error = Self::new(&field, &*v.detail, &v.code);
            let Some(more) = &v.more else { return error };
            let holder = more.holder.as_ref().map(|holder| format!("/api/v2/{holder}"));
            Self { value: more.value.as_deref(), holder, available: more.available, ..error }
        };
        violations.iter().map(error).collect()
    }
}

pub(super) struct Kind {
    pub status: StatusCode,
    pub code: &'static str,
    pub title: &'static str,
}

impl Kind {
    pub fn uri(&self) -> String {
        Self::uri_of(self.code)
    }

    pub fn uri_of(code: &str) -> String {
        format!("urn:primetrade:problem:{code}")
    }
}
