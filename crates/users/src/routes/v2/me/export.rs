//! `GET /api/v2/me/export`

use std::sync::Arc;

use api::caller::V2User;
use api::v2::{self, Refusal};
use auth::routes::v2::{V2Account, V2Session};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt, TryStreamExt};
use kernel::error::Unauthenticated;
use kernel::{Error, Uuid};
use products::Exported;
use products::catalogue::routes::v2::V2Product;
use stock::routes::reservations::V2Reservation;
use utoipa::ToSchema;

use crate::routes::Endpoints;

/// What an account is and has.
#[derive(ToSchema)]
#[schema(as = AccountExport)]
#[expect(dead_code, reason = "only described: it is written piece by piece")]
struct Export<'a> {
    account: V2Account,
    /// Live ones.
    sessions: Vec<V2Session>,
    /// Of every status, with their stock, newest first.
    products: Vec<V2Product<'a>>,
    /// In every state, newest first.
    reservations: Vec<V2Reservation<'a>>,
}

/// The caller's data
///
/// A file, sent while it is read: as many products as the account has.
#[utoipa::path(get, path = "/api/v2/me/export", operation_id = "export_me", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = Export, headers(("Content-Disposition" = String)))))]
pub async fn handle(State(endpoints): State<Arc<Endpoints>>, caller: V2User) -> Result<Response, Refusal> {
    let id = caller.principal.account_id;
    let gone = Error::Unauthenticated(Unauthenticated::Ended);
    let account = V2Account::from(endpoints.accounts.get(id).await?.ok_or(gone)?);
    let current = Some(caller.principal.session_id);
    let sessions = endpoints.accounts.sessions_of(id).await?;
    let sessions: Vec<_> = sessions.into_iter().map(|session| V2Session::new(session, current)).collect();
    let head =
        [b"{\"account\":", &v2::bytes(&account)[..], b",\"sessions\":", &v2::bytes(&sessions), b",\"products\":["];
    let head = stream::iter([Ok(Bytes::from(head.concat()))]);
    let products = begun(pieces(Arc::clone(&endpoints), id, List::Products)).await?;
    let between = stream::iter([Ok(Bytes::from_static(b"],\"reservations\":["))]);
    let reservations = begun(pieces(endpoints, id, List::Reservations)).await?;
    let tail = stream::iter([Ok(Bytes::from_static(b"]}"))]);
    let parts = [head.boxed(), products.boxed(), between.boxed(), reservations.boxed(), tail.boxed()];
    let whole = stream::iter(parts).flatten().inspect_err(|error: &Error| {
        tracing::error!(event = "request.failed", %error, "an export broke off");
    });
    let mut response = v2::private_json(axum::http::StatusCode::OK, Bytes::new());
    *response.body_mut() = Body::from_stream(whole);
    let attachment = HeaderValue::from_static("attachment; filename=\"primetrade-export.json\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, attachment);
    Ok(response)
}

/// A stream whose first piece is there, while the answer can still be refused.
async fn begun(
    pieces: impl Stream<Item = Result<Bytes, Error>> + Send,
) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send, Error> {
    let mut pieces = Box::pin(pieces);
    let first = pieces.next().await.transpose()?;
    Ok(stream::iter(first.map(Ok)).chain(pieces))
}

/// Lists that may be long.
#[derive(Clone, Copy)]
enum List {
    Products,
    Reservations,
}

/// What an account has as pieces of a JSON array, a page at a time, for as long as the account is active.
fn pieces(endpoints: Arc<Endpoints>, owner: Uuid, list: List) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let start = (None, true);
    stream::try_unfold(Some(start), move |state| {
        let endpoints = Arc::clone(&endpoints);
        async move {
            let Some((after, first)) = state else { return Ok(None) };
            if !endpoints.accounts.get(owner).await?.is_some_and(|account| account.active) {
                return Err(Error::Unauthenticated(Unauthenticated::Ended));
            }
            let Exported { items, next } = match list {
                List::Products => endpoints.products.export(owner, after).await?,
                List::Reservations => endpoints.products.export_reservations(owner, after).await?,
            };
            let comma: &[u8] = if first || items.is_empty() { b"" } else { b"," };
            let first = first && items.is_empty();
            Ok(Some((Bytes::from([comma, items.as_bytes()].concat()), next.map(|next| (Some(next), first)))))
        }
    })
}
