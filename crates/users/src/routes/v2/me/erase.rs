//! `DELETE /api/v2/me`

use std::sync::Arc;
use std::time::Duration;

use auth::Cause;
use axum::extract::State;
use axum::response::Response;
use platform::http::caller::V2User;
use platform::http::conditional::IfMatch;
use platform::http::openapi::{IfMatchHeader, InConflict};
use platform::http::v2::{self, Refusal};

use crate::routes::Endpoints;

/// How long the answer waits for the products to be archived. What is left then goes on by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Erase one's own account
///
/// Nobody can log in to it any more, what is personal is gone, and its products are archived. It cannot be undone, and needs a log-in
/// of the last ten minutes.
#[utoipa::path(delete, path = "/api/v2/me", operation_id = "erase_me", tag = "me", security(("bearer" = [])),
    params(IfMatchHeader), responses((status = 204, description = "Erased"), InConflict))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    caller: V2User,
    IfMatch(expected): IfMatch,
) -> Result<Response, Refusal> {
    // It cannot be undone: a token that was stolen must not be enough.
    caller.principal.logged_in_recently(endpoints.context.now())?;
    let id = caller.principal.account_id;
    let cause = Cause::of(id, caller.request_id());
    endpoints.accounts.erase(id, &expected, &cause).await?;
    // On a task of its own: a client that hangs up does not cut it short.
    let rest = tokio::spawn(async move { endpoints.products.archive_all(id).await });
    // Whatever hinders it: the account is erased, and the rest is taken up again.
    let _ = tokio::time::timeout(PATIENCE, rest).await;
    Ok(v2::done())
}
