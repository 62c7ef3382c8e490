//! The roles of a deployment. A process has all of them, or some; what it has not, it asks of the processes that have it. The gateway
//! is the door before them.

mod set;

pub use self::set::{GATEWAY, Roles};

use api::openapi::Api;

use crate::config::DeclaredService;
use crate::role::Role;

/// Declares the module of each role, and lists them.
macro_rules! roles {
    ($($role:ident,)*) => {
        $(pub mod $role;)*

        /// Every role, in the order in which a process makes them: each may ask those before it.
        pub const ROLES: [&Role; [$(stringify!($role)),*].len()] = [$(&$role::ROLE),*];
    };
}

roles! {
    auth,
    products,
    users,
    notifications,
}

/// What describes every endpoint. Nothing is opened for it.
pub fn described() -> Api {
    let services = ROLES.into_iter().filter_map(|role| role.described).map(|described| described());
    ::gateway::described(services.fold(Api::default(), Api::merge))
}

/// The services, as the settings know them.
pub fn declared() -> [DeclaredService; ROLES.len()] {
    ROLES.map(|role| DeclaredService { name: role.name, holds: role.keeps.map(|keeps| keeps.holds) })
}
