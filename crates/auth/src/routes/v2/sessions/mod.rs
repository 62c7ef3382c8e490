//! Sessions of API v2, one file per endpoint.

pub mod end;
pub mod end_all;
pub mod end_current;
pub mod list;
pub mod open;
pub mod refresh;

use api::v2::{self, Page};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Timestamp, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Audience, Opened, Session};

/// What a client needs to act in its session.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
struct V2Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    #[schema(inline)]
    token_type: TokenType,
    /// Seconds until the access token is over.
    expires_in: u64,
    /// Good for one refresh, which gives the next one.
    refresh_token: String,
}

#[derive(Serialize, ToSchema)]
enum TokenType {
    Bearer,
}

fn answer(opened: Opened) -> Response {
    let tokens = V2Tokens {
        access_token: opened.access_token,
        token_type: TokenType::Bearer,
        expires_in: opened.expires_in,
        refresh_token: opened.refresh_token,
    };
    v2::private_json(StatusCode::CREATED, v2::bytes(&tokens))
}

/// A session, as its owner and administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct V2Session {
    id: Uuid,
    #[schema(inline, value_type = Audience)]
    api: &'static str,
    /// Whether the request came in this session.
    current: bool,
    /// How the device named itself when it was last seen.
    device: Option<String>,
    /// Where from it was last seen.
    address: Option<String>,
    created_at: Timestamp,
    /// The log-in, or the last refresh.
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

pub type V2SessionPage = Page<V2Session>;

impl V2Session {
    pub fn new(session: Session, current: Option<Uuid>) -> Self {
        Self {
            id: session.id,
            api: session.api.api(),
            current: current == Some(session.id),
            device: session.used_by.device,
            address: session.used_by.address.map(|address| address.to_string()),
            created_at: session.created_at,
            last_used_at: session.refreshed_at.unwrap_or(session.created_at),
            expires_at: session.expires_at,
        }
    }
}
