//! API v1: a thin translation, frozen.

mod login;
mod me;
mod register;
pub mod user;

#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use api::v1::{Failure, FieldError, V1Routes};
use serde::Serialize;
use serde_json::{Map, Value};
use user::V1User;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Auth, Rule};

pub(super) fn router() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new()
        .v1_routes(routes!(register::handle))
        .v1_routes(routes!(login::handle))
        .v1_routes(routes!(me::handle))
}

/// What registering and logging in return.
#[derive(Serialize, ToSchema)]
struct UserAndToken {
    user: V1User,
    token: String,
}

/// A field as the monolith's validator read it: numbers and truth values are their text, nothing is the empty text. `None` is
/// a list or an object, which no rule accepts.
fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name) {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(truth)) => Some(truth.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => None,
    }
}

fn validation_failure(fields: &Map<String, Value>, broken: Vec<&'static Rule>) -> Failure {
    let errors = broken.into_iter().map(|rule| FieldError::body(rule.field, fields.get(rule.field), rule.message));
    Failure::validation(errors.collect())
}
