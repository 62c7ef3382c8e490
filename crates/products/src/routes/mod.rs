//! The endpoints of the catalogue, one file each.

pub mod v1;
pub mod v2;

use std::ops::Deref;
use std::sync::Arc;

use api::openapi::Api;
use api::v1::V1Routes;
use auth::{Account, Accounts};
use axum::extract::FromRef;
use kernel::{Error, Uuid};
use stock::StockService;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::v1::shown::ShownStock;
use crate::service::Products;

/// What every endpoint is given.
#[derive(Clone)]
pub struct Endpoints(Arc<State>);

/// See [`Endpoints`].
pub struct State {
    pub products: Products,
    /// Owners of products, from their own service.
    pub accounts: Arc<dyn Accounts>,
    /// What the sessions of v1 know of stock.
    pub shown: ShownStock,
}

/// Every endpoint of the catalogue.
pub fn api(products: Products, accounts: Arc<dyn Accounts>) -> Api {
    let shown = ShownStock::new(products.context.clone());
    endpoints().with_state(Endpoints(Arc::new(State { products, accounts, shown })))
}

/// What describes them.
pub fn described() -> Api {
    endpoints().described()
}

fn endpoints() -> Api<Endpoints> {
    let v1 = OpenApiRouter::new().v1_routes(routes!(v1::list::handle, v1::create::handle)).v1_routes(routes!(
        v1::get::handle,
        v1::update::handle,
        v1::delete::handle
    ));
    let mut v2 = OpenApiRouter::new()
        .routes(routes!(v2::list::handle, v2::create::handle))
        .routes(routes!(v2::get::handle, v2::replace::handle, v2::patch::handle, v2::delete::handle))
        .routes(routes!(v2::get_by_handle::handle))
        .routes(routes!(v2::list_variants::handle, v2::create_variant::handle))
        .routes(routes!(v2::get_variant::handle, v2::patch_variant::handle, v2::delete_variant::handle))
        .routes(routes!(stock::routes::adjust_stock::handle))
        .routes(routes!(v2::batch::prices::handle))
        .routes(routes!(v2::batch::status::handle))
        .routes(routes!(v2::batch::stock::handle))
        .routes(routes!(stock::routes::stock_movements::handle))
        .routes(routes!(stock::routes::low_stock::get, stock::routes::low_stock::set))
        .routes(routes!(stock::routes::reservations::list::handle, stock::routes::reservations::hold::handle))
        .routes(routes!(stock::routes::reservations::get::handle, stock::routes::reservations::release::handle))
        .routes(routes!(stock::routes::reservations::extend::handle))
        .routes(routes!(stock::routes::reservations::commit::handle))
        .routes(routes!(v2::mine::handle))
        .routes(routes!(stock::routes::reservations::holds::handle))
        .routes(routes!(v2::seller::handle))
        .routes(routes!(v2::of_user::handle))
        .routes(routes!(v2::categories::handle));
    v2::ways::describe(v2.get_openapi_mut());
    Api { v1, v2 }
}

impl Deref for Endpoints {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FromRef<Endpoints> for StockService {
    fn from_ref(endpoints: &Endpoints) -> Self {
        endpoints.products.stock.clone()
    }
}

impl State {
    /// The accounts of these owners, each once.
    async fn owners(&self, ids: impl Iterator<Item = Uuid>) -> Result<Vec<Account>, Error> {
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.is_empty() {
            true => Ok(Vec::new()),
            false => self.accounts.by_ids(&ids).await,
        }
    }
}
