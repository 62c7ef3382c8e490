//! The schema of the database `products`, step by step.

use effects::{COMMON_POSTGRES, COMMON_SQLITE, JOBS_POSTGRES, JOBS_SQLITE, TAGS};
use storage::belonging::STORE;
use storage::migrate::{AddedSql, Addition, Migration, Migrations};

use crate::catalogue::store;

pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        Migration { version: 1, name: "common", sql: COMMON_SQLITE },
        Migration { version: 2, name: "products", sql: include_str!("../migrations/sqlite/0002_products.sql") },
        Migration {
            version: 3,
            name: "variants_in_row",
            sql: include_str!("../migrations/sqlite/0003_variants_in_row.sql"),
        },
        Migration { version: 4, name: "lists", sql: include_str!("../migrations/sqlite/0004_lists.sql") },
        Migration { version: 5, name: "stock_ledger", sql: include_str!("../migrations/sqlite/0005_stock_ledger.sql") },
        Migration { version: 6, name: "jobs", sql: JOBS_SQLITE },
        Migration {
            version: 7,
            name: "reservations_by_account",
            sql: include_str!("../migrations/sqlite/0007_reservations_by_account.sql"),
        },
    ],
    postgres: &[
        Migration { version: 1, name: "common", sql: COMMON_POSTGRES },
        Migration { version: 2, name: "products", sql: include_str!("../migrations/postgres/0002_products.sql") },
        Migration {
            version: 3,
            name: "variants_in_row",
            sql: include_str!("../migrations/postgres/0003_variants_in_row.sql"),
        },
        Migration { version: 4, name: "lists", sql: include_str!("../migrations/postgres/0004_lists.sql") },
        Migration {
            version: 5,
            name: "stock_ledger",
            sql: include_str!("../migrations/postgres/0005_stock_ledger.sql"),
        },
        Migration { version: 6, name: "jobs", sql: JOBS_POSTGRES },
        Migration {
            version: 7,
            name: "reservations_by_account",
            sql: include_str!("../migrations/postgres/0007_reservations_by_account.sql"),
        },
    ],
    additions: &[
        Addition::new(
            "details",
            include_str!("../migrations/sqlite/added_details.sql"),
            include_str!("../migrations/postgres/added_details.sql"),
        ),
        Addition::new(
            "listed_again",
            include_str!("../migrations/sqlite/added_listed_again.sql"),
            include_str!("../migrations/postgres/added_listed_again.sql"),
        ),
        Addition::new(
            "sellers_off_sale",
            include_str!("../migrations/sqlite/added_sellers_off_sale.sql"),
            include_str!("../migrations/postgres/added_sellers_off_sale.sql"),
        ),
        Addition::new(
            "sellers_settled",
            include_str!("../migrations/sqlite/added_sellers_settled.sql"),
            include_str!("../migrations/postgres/added_sellers_settled.sql"),
        ),
        Addition::new(
            "finders",
            include_str!("../migrations/sqlite/added_finders.sql"),
            include_str!("../migrations/postgres/added_finders.sql"),
        ),
        Addition::new(
            "goods",
            include_str!("../migrations/sqlite/added_goods.sql"),
            include_str!("../migrations/postgres/added_goods.sql"),
        ),
        Addition {
            name: "repeated_skus",
            sqlite: AddedSql { every_store: "", new_store: store::sqlite::ALLOW_REPEATED_SKUS },
            postgres: AddedSql { every_store: "", new_store: store::postgres::ALLOW_REPEATED_SKUS },
        },
        STORE,
        TAGS,
    ],
};
