//! `DELETE /api/v2/me`

use std::sync::Arc;

use api::caller::V2User;
use api::conditional::IfMatch;
use api::openapi::{IfMatchHeader, InConflict};
use api::v2::{self, Refusal};
use auth::Cause;
use axum::extract::State;
use axum::response::Response;
use kernel::Error;

use crate::routes::Endpoints;
use crate::{erasure, off_sale};

/// Erase one's own account
///
/// Nobody can log in to it any more, what is personal is gone, and nothing of it is for sale; its products are archived soon after. It
/// cannot be undone, and needs a log-in
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
    let given = Arc::clone(&endpoints);
    let erase = async move {
        let (accounts, products) = (&*given.accounts, &*given.products);
        let account = accounts.get(id).await?.ok_or(Error::NotFound)?;
        // What is certain to be refused must not take anything off sale, not even for a moment.
        expected.check(account.version)?;
        let change = accounts.erase(id, &expected, &cause);
        off_sale::during(accounts, products, &given.missed, (id, true), change).await?;
        // Whatever hinders it: the account is erased, nothing of it is for sale, and the rest is taken up again.
        let _ = erasure::finish(accounts, products, id).await;
        Ok(())
    };
    endpoints.tasks.run(erase).await?;
    Ok(v2::done())
}
