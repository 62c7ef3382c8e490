//! `POST /api/v2/sessions`

use std::sync::Arc;

use api::v2::problem::Problem;
use api::v2::{JsonBody, Refusal};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{V2Tokens, answer};
use crate::routes::{Client, Encrypted, InRequest};
use crate::service::invalid;
use crate::{Auth, Credentials};

/// The name of the cookie by which a device is known again.
const DEVICE_COOKIE: &str = "primetrade-device";
/// Half a year.
const DEVICE_SECONDS: u64 = 180 * 24 * 60 * 60;

#[derive(Deserialize, ToSchema)]
#[schema(as = Credentials)]
#[serde(deny_unknown_fields)]
pub struct Body {
    #[schema(format = "email", max_length = 100, example = "ada@example.com")]
    email: String,
    #[schema(format = Password, min_length = 1, example = "correct horse battery staple")]
    password: String,
}

/// Log in
#[utoipa::path(post, path = "/api/v2/sessions", operation_id = "log_in", tag = "sessions", request_body = Body,
    responses((status = 201, body = V2Tokens, headers(("Set-Cookie" = String, description = "Knows the device again"))),
        (status = 401, body = Problem, content_type = "application/problem+json", headers(("WWW-Authenticate" = String)),
            description = "The address or the password is wrong, or the account is deactivated"),
        (status = 429, body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64)),
            description = "Too many failed log-ins")))]
pub async fn handle(
    State(auth): State<Arc<Auth>>,
    Client(used_by): Client,
    Encrypted(encrypted): Encrypted,
    InRequest(request_id): InRequest,
    headers: HeaderMap,
    JsonBody { value, .. }: JsonBody<Body>,
) -> Result<Response, Refusal> {
    let credentials = Credentials::new(Some(&value.email), Some(&value.password)).map_err(invalid)?;
    let mut opened = auth.open_session(&credentials, used_by, device(&headers), request_id).await?;
    let cookie = opened.device.take().and_then(|device| cookie(&device, encrypted));
    let mut response = answer(opened);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Only the log-in needs to know the device, and no script. A client that speaks TLS sends it over nothing else.
fn cookie(device: &str, encrypted: bool) -> Option<HeaderValue> {
    let secure = if encrypted { "; Secure" } else { "" };
    let attributes = format!("Path=/api/v2/sessions; Max-Age={DEVICE_SECONDS}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&format!("{DEVICE_COOKIE}={device}; {attributes}")).ok()
}

fn device(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == DEVICE_COOKIE).map(|(_, value)| value)
}
