//! Units that are kept for a buyer. What is repeatable takes an `Idempotency-Key`.

pub mod commit;
pub mod extend;
pub mod get;
pub mod hold;
pub mod list;
pub mod release;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use kernel::{Timestamp, Uuid};
use platform::http::v2;
use platform::idempotency::Answer;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller;
use crate::model::{HeldLine, Reservation, State as ReservationState};

/// Units that are kept for an account, for a time.
#[derive(Serialize, ToSchema)]
#[schema(as = Reservation)]
pub struct V2Reservation<'a> {
    id: Uuid,
    #[schema(value_type = ReservationState)]
    state: &'static str,
    /// One for each variant.
    #[schema(value_type = Vec<HeldLine>)]
    lines: &'a [HeldLine],
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

pub(crate) fn render(reservation: &Reservation) -> Bytes {
    v2::bytes(&V2Reservation::from(reservation))
}

fn shown(answer: &Answer) -> Response {
    v2::private_json(StatusCode::OK, answer.body.clone())
}
