//! The endpoints of user administration, one file each.

pub mod v1;
pub mod v2;

pub use v2::jobs::V2Job;

use std::sync::Arc;

use api::openapi::Api;
use api::v1::V1Routes;
use auth::Accounts;
use effects::jobs::JobAdmins;
use platform::Context;
use platform::tasks::WriteTasks;
use products::Catalogue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::off_sale::Missed;

/// What every endpoint is given.
pub struct Endpoints {
    pub accounts: Arc<dyn Accounts>,
    pub products: Arc<dyn Catalogue>,
    pub missed: Missed,
    pub job_admins: JobAdmins,
    pub context: Context,
    pub tasks: WriteTasks,
}

/// Every endpoint of user administration.
pub fn api(given: Arc<Endpoints>) -> Api {
    endpoints().with_state(given)
}

/// What describes them.
pub fn described() -> Api {
    endpoints().described()
}

fn endpoints() -> Api<Arc<Endpoints>> {
    let v1 = OpenApiRouter::new().v1_routes(routes!(v1::list::handle)).v1_routes(routes!(v1::get::handle));
    let v2 = OpenApiRouter::new()
        .routes(routes!(v2::list::handle))
        .routes(routes!(v2::get::handle, v2::patch::handle))
        .routes(routes!(v2::me::erase::handle))
        .routes(routes!(v2::me::export::handle))
        .routes(routes!(v2::sessions::list::handle, v2::sessions::end::handle))
        .routes(routes!(v2::jobs::list::handle))
        .routes(routes!(v2::jobs::get::handle, v2::jobs::discard::handle))
        .routes(routes!(v2::jobs::replay::handle));
    Api { v1, v2 }
}
