//! `POST /api/v2/reservations` and what is below. Repeatable with an `Idempotency-Key`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::{Timestamp, Uuid};
use platform::http::caller::V2User;
use platform::http::openapi::{IdInPath, IdempotencyKeyHeader, InConflict};
use platform::http::path::ResourceId;
use platform::http::v2::refusal::Problem;
use platform::http::v2::{self, JsonBody, OptionalJsonBody, Refusal, Repeatable};
use platform::idempotency::Answer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller;
use crate::model::{Line, Reservation, State as ReservationState};
use crate::routes::Endpoints;

/// What a buyer wants to have kept, of one seller: all of it, or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReservation {
    /// Lines of one variant are one.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<Line>,
    /// For how many seconds.
    #[schema(minimum = 1, maximum = 3600, example = 900)]
    ttl_seconds: i64,
}

/// For how long units are to be kept from now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReservationExtension)]
pub struct Extension {
    /// As many as it was made for, if it is not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3600, nullable = false)]
    ttl_seconds: Option<i64>,
}

/// Units that are kept for an account, for a time.
#[derive(Serialize, ToSchema)]
#[schema(as = Reservation)]
struct V2Reservation<'a> {
    id: Uuid,
    #[schema(value_type = ReservationState)]
    state: &'static str,
    /// One for each variant.
    #[schema(value_type = Vec<Line>)]
    lines: &'a [Line],
    /// When the units are given back, if it is held until then.
    expires_at: Timestamp,
    created_at: Timestamp,
}

impl<'a> From<&'a Reservation> for V2Reservation<'a> {
    fn from(reservation: &'a Reservation) -> Self {
        Self {
            id: reservation.id,
            state: reservation.state.as_str(),
            lines: &reservation.lines,
            expires_at: reservation.expires_at,
            created_at: reservation.created_at,
        }
    }
}

fn render(reservation: &Reservation) -> Bytes {
    v2::bytes(&V2Reservation::from(reservation))
}

fn shown(answer: &Answer) -> Response {
    v2::private_json(StatusCode::OK, answer.body.clone())
}

/// Keep units for a time
///
/// The units of all lines are kept, or of none. They are available again when the time is over or the reservation is released; they are
/// sold when it is committed.
#[utoipa::path(post, path = "/api/v2/reservations", operation_id = "hold_stock", tag = "reservations",
    security(("bearer" = [])), params(IdempotencyKeyHeader), request_body = NewReservation,
    responses((status = 201, body = V2Reservation, headers(("Location" = String))),
        (status = 404, body = Problem, content_type = "application/problem+json"), InConflict))]
pub async fn hold(
    State(endpoints): State<Arc<Endpoints>>,
    user: V2User,
    repeatable: Repeatable,
    JsonBody { value, raw }: JsonBody<NewReservation>,
) -> Result<Response, Refusal> {
    let products = &endpoints.products;
    let repeat = repeatable.by(&user.principal, "/api/v2/reservations".into(), &raw, products.context.now())?;
    let answer = products.hold(caller(user), value.lines, value.ttl_seconds, repeat, render).await?;
    Ok(v2::repeat::response(answer, |answer| v2::created(&format!("/api/v2/{}", answer.subject), answer.body.clone())))
}

/// A reservation
#[utoipa::path(get, path = "/api/v2/reservations/{id}", operation_id = "get_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath), responses((status = 200, body = V2Reservation)))]
pub async fn get(
    State(endpoints): State<Arc<Endpoints>>,
    user: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    let reservation = endpoints.products.reservation(&caller(user), id).await?;
    Ok(v2::private_json(StatusCode::OK, render(&reservation)))
}

/// Give units back
///
/// Done twice, it is done once.
#[utoipa::path(delete, path = "/api/v2/reservations/{id}", operation_id = "release_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath), responses((status = 204), InConflict))]
pub async fn release(
    State(endpoints): State<Arc<Endpoints>>,
    user: V2User,
    ResourceId(id): ResourceId,
) -> Result<Response, Refusal> {
    endpoints.products.release(caller(user), id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Keep units longer
///
/// For so many seconds from now, a day in all at most. One that is kept longer anyway stays so. The body may be empty.
#[utoipa::path(post, path = "/api/v2/reservations/{id}/extend", operation_id = "extend_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = Option<Extension>,
    responses((status = 200, body = V2Reservation), InConflict))]
pub async fn extend(
    State(endpoints): State<Arc<Endpoints>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    OptionalJsonBody { value, raw }: OptionalJsonBody<Extension>,
) -> Result<Response, Refusal> {
    let products = &endpoints.products;
    let path = format!("/api/v2/reservations/{id}/extend");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let ttl = value.unwrap_or_default().ttl_seconds;
    let answer = products.extend(caller(user), id, ttl, repeat, render).await?;
    Ok(v2::repeat::response(answer, shown))
}

/// Buy what is kept
///
/// The units leave the stock. Done twice, it is done once. The body may be empty.
#[utoipa::path(post, path = "/api/v2/reservations/{id}/commit", operation_id = "commit_reservation", tag = "reservations",
    security(("bearer" = [])), params(IdInPath, IdempotencyKeyHeader), request_body = Option<Nothing>,
    responses((status = 200, body = V2Reservation), InConflict))]
pub async fn commit(
    State(endpoints): State<Arc<Endpoints>>,
    user: V2User,
    ResourceId(id): ResourceId,
    repeatable: Repeatable,
    OptionalJsonBody { raw, .. }: OptionalJsonBody<Nothing>,
) -> Result<Response, Refusal> {
    let products = &endpoints.products;
    let path = format!("/api/v2/reservations/{id}/commit");
    let repeat = repeatable.by(&user.principal, path, &raw, products.context.now())?;
    let answer = products.commit(caller(user), id, repeat, render).await?;
    Ok(v2::repeat::response(answer, shown))
}

/// An object without fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmptyObject)]
pub struct Nothing {}
