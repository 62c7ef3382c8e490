//! What users makes of the events of other services: tables of its own database. Each is made by a reader of that service's log, and
//! can be made anew from it.

use effects::log::reader::READERS;
use effects::{COMMON_POSTGRES, COMMON_SQLITE, JOBS_POSTGRES, JOBS_SQLITE, TAGS};
use storage::belonging::STORE;
use storage::migrate::{Migration, Migrations};

use crate::projection::DeclaredProjection;

/// Declares the module of each projection, and lists them.
macro_rules! projections {
    ($($name:ident,)*) => {
        $(mod $name;)*

        pub const PROJECTIONS: [DeclaredProjection; [$(stringify!($name)),*].len()] = [$($name::PROJECTION),*];

        /// The schema of the database that users is started with.
        pub const MIGRATIONS: Migrations = Migrations {
            sqlite: &[
                Migration { version: 1, name: "common", sql: COMMON_SQLITE },
                Migration { version: 2, name: "jobs", sql: JOBS_SQLITE },
            ],
            postgres: &[
                Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
                Migration { version: 2, name: "jobs", sql: JOBS_POSTGRES },
            ],
            additions: &[STORE, TAGS, READERS, $($name::PROJECTION.tables),*],
        };
    };
}

projections! {
    accounts_per_day,
}
