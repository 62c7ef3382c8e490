//! `GET /api/v1/products/:id`: for its owner and administrators.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use kernel::Error;
use platform::http::caller::V1User;
use platform::http::v1::{Failure, Success, Words};

use super::{Owner, ProductData, V1Product, path_id};
use crate::routes::Endpoints;

const WORDS: Words = Words {
    not_found: "Product not found",
    forbidden: "Access denied. You can only view your own products.",
    ..Words::NONE
};

pub async fn handle(
    State(endpoints): State<Endpoints>,
    V1User(caller): V1User,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let respond = async {
        let product = endpoints.products.managed(&caller, path_id(&id)).await?;
        let others = match product.owner_id == caller.account_id {
            true => Vec::new(),
            false => endpoints.owners([product.owner_id].into_iter()).await?,
        };
        let owner = match product.owner_id == caller.account_id {
            true => Some(Owner::from(&caller)),
            false => others.first().map(Owner::from),
        };
        Ok::<_, Error>(Success::data(ProductData { product: V1Product::new(&product, owner) }).into_response())
    };
    respond.await.map_err(|error| WORDS.failure(error))
}
