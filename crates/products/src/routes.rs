//! The endpoints of the service, in the order of their documents.

use std::sync::Arc;

use api::openapi::Api;
use api::v1::V1Routes;
use auth::Accounts;
use axum::extract::FromRef;
use stock::StockService;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::catalogue::Products;
use crate::catalogue::routes::v1::{self, Monolith};
use crate::catalogue::routes::v2;
use crate::lists::{Lists, routes as lists};
use crate::sellers::{self, SellerNames};

/// What every endpoint is given its part of.
#[derive(Clone)]
struct Endpoints {
    stock: Arc<StockService>,
    products: Arc<Products>,
    lists: Arc<Lists>,
    v1: Arc<Monolith>,
    sellers: Arc<SellerNames>,
}

/// Every endpoint of the service. Owners of products are known by their own service.
pub fn api(lists: Lists, accounts: Arc<dyn Accounts>) -> Api {
    let (lists, products) = (Arc::new(lists.clone()), lists.products);
    let v1 = Arc::new(Monolith::new(Arc::clone(&products), Arc::clone(&accounts)));
    let sellers = Arc::new(SellerNames { lists: Arc::clone(&lists), accounts });
    endpoints().with_state(Endpoints { stock: Arc::clone(&products.stock), products, lists, v1, sellers })
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
        .routes(routes!(lists::list::handle, v2::create::handle))
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
        .routes(routes!(lists::list_own::handle))
        .routes(routes!(stock::routes::reservations::holds::handle))
        .routes(routes!(sellers::get::handle))
        .routes(routes!(sellers::list_products::handle))
        .routes(routes!(lists::categories::handle));
    v2::exclusive_fields::describe(v2.get_openapi_mut());
    Api { v1, v2 }
}

macro_rules! part {
    ($part:ident: $kind:ty) => {
        impl FromRef<Endpoints> for Arc<$kind> {
            fn from_ref(endpoints: &Endpoints) -> Self {
                Arc::clone(&endpoints.$part)
            }
        }
    };
}
part!(stock: StockService);
part!(products: Products);
part!(lists: Lists);
part!(v1: Monolith);
part!(sellers: SellerNames);
