//! `PATCH /api/v2/users/{id}`

use std::sync::Arc;

use api::caller::V2Admin;
use api::conditional::IfMatch;
use api::openapi::{IdInPath, IfMatchHeader};
use api::path::ResourceId;
use api::v2::problem::Problem;
use api::v2::{self, JsonBody, Refusal, sent};
use auth::routes::v2::{V2Account, etag};
use auth::{Administration, Cause};
use axum::extract::State;
use axum::response::Response;
use kernel::{Error, Role};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::off_sale;
use crate::routes::Endpoints;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default, deserialize_with = "sent")]
    #[schema(nullable = false)]
    role: Option<Role>,
    /// Who is deactivated is logged out everywhere and cannot log in, and nothing of theirs is for sale, until they are active again.
    /// What buyers held before may still be bought.
    #[serde(default, deserialize_with = "sent")]
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// Change an account's role, or whether it is active
///
/// The last active administrator stays one.
#[utoipa::path(patch, path = "/api/v2/users/{id}", operation_id = "update_user", tag = "users", security(("bearer" = [])),
    params(IdInPath, IfMatchHeader),
    request_body(content((UserChange = "application/merge-patch+json"), (UserChange = "application/json"))),
    responses((status = 200, body = V2Account, headers(("ETag" = String))),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The last administrator")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(admin): V2Admin,
    ResourceId(id): ResourceId,
    IfMatch(expected): IfMatch,
    JsonBody { value, .. }: JsonBody<UserChange>,
) -> Result<Response, Refusal> {
    let cause = Cause::of(admin.principal.account_id, admin.request_id());
    let change = Administration { role: value.role, active: value.active };
    let before = endpoints.accounts.get(id).await?.ok_or(Error::NotFound)?;
    // What is certain to be refused must not take anything off sale, not even for a moment.
    expected.check(before.version)?;
    let goes_on_selling = before.active && value.active != Some(false);
    let given = Arc::clone(&endpoints);
    let administer = async move {
        let change = given.accounts.administer(id, &expected, change, &cause);
        if goes_on_selling {
            change.await
        } else {
            let (accounts, products) = (&*given.accounts, &*given.products);
            off_sale::during(accounts, products, &given.missed, (id, before.is_erased()), change).await
        }
    };
    let account = endpoints.tasks.run(administer).await?;
    Ok(v2::private_with_etag(etag(&account), &V2Account::from(account)))
}
