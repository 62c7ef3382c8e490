//! How both databases go about lists, whatever they know of the data: by the index that is meant for it, without a sort.

use kernel::Currency;
use rusqlite::params_from_iter;
use stock::store::HOLDS_OF;
use storage::{Database, StoreError};
use tokio_postgres::SimpleQueryMessage;

use super::sql::{self, Dialect, Param, Sql};
use super::suite::{owner, queries};
use super::{By, ListQuery, Shelf};
use crate::catalogue::model::Status;
use crate::catalogue::store::suite::{Fixture, on_both};

/// So many products of so many owners and categories, half of them active.
async fn fill(f: &Fixture, products: u32, owners: u32, categories: u32) {
    let columns = "insert into products (id, owner_id, handle, name, name_key, category, tags, status, currency, option_names, \
        images, price, in_stock, version, created_at, updated_at, variants)";
    let values = |id: &str, owner: &str, pad: &str, yes: &str| {
        format!(
            "select {id}, {owner}, 'h' || n, 'N', 'n' || (n * 7919 % 20000), 'c' || (n % {categories}), '[]', \
             case when n % 2 = 0 then 'draft' else 'active' end, 'USD', '[]', '[]', n * 31 % 5000, {yes}, 1, n * 1000, 0, {pad}"
        )
    };
    match &f.database {
        Database::Sqlite(db) => {
            let series = format!(
                "with recursive series (n) as (select 1 union all select n + 1 from series where n < {products})"
            );
            let row = values(
                "randomblob(16)",
                &format!("unhex(printf('%032x', n % {owners}))"),
                "printf('%.600c', 'x')",
                "n % 7 > 0",
            );
            let sql = format!("{columns} {series} {row} from series");
            db.write(move |c| Ok(c.execute_batch(&format!("delete from products; {sql}"))?)).await.unwrap();
        }
        Database::Postgres(db) => {
            let owner = format!("lpad(to_hex(n % {owners}), 32, '0')::uuid");
            let row = values("gen_random_uuid()", &owner, "repeat('x', 600)", "n % 7 > 0");
            let connection = db.connection().await.unwrap();
            let sql = format!("delete from products; {columns} {row} from generate_series(1, {products}) as n");
            connection.batch_execute(&sql).await.unwrap();
        }
    }
}

async fn plan(f: &Fixture, sql: &Sql<'_>) -> String {
    match &f.database {
        Database::Sqlite(db) => {
            let explain = |c: &rusqlite::Connection| {
                let mut statement = c.prepare(&format!("explain query plan {}", sql.text))?;
                let steps = statement.query_map(params_from_iter(&sql.params), |row| row.get::<_, String>(3))?;
                Ok::<_, StoreError>(steps.collect::<Result<Vec<_>, _>>()?.join("\n"))
            };
            db.read_point(explain).unwrap()
        }
        Database::Postgres(db) => {
            let types = |param: &Param<'_>| match param {
                Param::Id(_) => "uuid",
                Param::Number(_) => "bigint",
                Param::Text(_) => "text",
                Param::Flag(_) => "boolean",
                Param::Ids(_) => "uuid[]",
            };
            // One more, for statements that have none.
            let types: Vec<&str> = sql.params.iter().map(types).chain(["bigint"]).collect();
            let nulls = vec!["null"; types.len()].join(", ");
            let connection = db.connection().await.unwrap();
            let (types, text) = (types.join(", "), &sql.text);
            connection.batch_execute(&format!("prepare list ({types}) as {text}")).await.unwrap();
            let plan = connection.simple_query(&format!("explain (costs off) execute list ({nulls})")).await.unwrap();
            connection.batch_execute("deallocate list").await.unwrap();
            let lines = plan.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

fn index_of(query: &ListQuery) -> String {
    let shelf = match query.shelf {
        Shelf::Own(_) => "owner",
        Shelf::Hidden => "hidden",
        Shelf::Public(Some(_)) => "active_owner",
        Shelf::Public(None) if query.category.is_some() => "active_category",
        Shelf::Public(None) => "active",
    };
    let shelf = if query.sort.by == By::Updated && shelf != "owner" { "active" } else { shelf };
    let sort = match (query.sort.by, shelf) {
        (By::Created, "active_owner" | "active_category") => "",
        (By::Created, _) => "_newest",
        (By::Updated, _) => "_updated",
        (By::Price, _) => "_price",
        (By::Name, _) => "_name",
    };
    format!("products_{shelf}{sort}")
}

/// Every table access of the plan is a search in this index.
fn assert_searches(f: &Fixture, plan: &str, index: &str, told: &str) {
    let accesses: Vec<&str> = match &f.database {
        Database::Sqlite(_) => plan.lines().filter(|line| line.contains(" products ")).collect(),
        Database::Postgres(_) => plan.lines().filter(|line| line.contains(" on products")).collect(),
    };
    assert!(!accesses.is_empty(), "{told}\n{plan}");
    for access in accesses {
        let searches = match &f.database {
            Database::Sqlite(_) => {
                // A list that begins at the very end of its index has no condition there.
                let from_its_end = access.ends_with(&format!("SCAN products USING INDEX {index}"));
                let within = access.contains("SEARCH products USING ") && access.contains(&format!("INDEX {index} ("));
                within || from_its_end
            }
            Database::Postgres(_) => access.contains(&format!("using {index} on")),
        };
        assert!(searches, "expected {index}: {told}\n{plan}");
    }
    let from_its_end = told.contains(" and true order by name_key desc");
    if matches!(&f.database, Database::Postgres(_)) && !from_its_end {
        assert!(plan.contains("Index Cond: "), "{told}\n{plan}");
    }
    // How the few sellers who are off sale are found does not matter.
    let of_products = |line: &&str| !line.contains("sellers_off_sale");
    for step in ["TEMP B-TREE", "Sort", "Seq Scan", "Bitmap"] {
        assert!(!plan.lines().filter(of_products).any(|line| line.contains(step)), "{step}: {told}\n{plan}");
    }
}

/// The products are found by what narrows the list, and then looked up by their ids.
fn assert_finds(f: &Fixture, plan: &str, query: &ListQuery, told: &str) {
    let finder = match (&query.handle, &query.sku_key) {
        (Some(_), _) => ["sqlite_autoindex_products_2", "\"products.owner_id, products.handle\""],
        (None, Some(_)) => ["variants_sku_key"; 2],
        (None, None) => ["variants_barcode"; 2],
    };
    let (finder, by_id) = match &f.database {
        Database::Sqlite(_) => (finder[0], "sqlite_autoindex_products_1 (id=?)"),
        Database::Postgres(_) => (finder[1], " products_pkey"),
    };
    assert!(plan.contains(finder) && plan.contains(by_id), "expected {finder}: {told}\n{plan}");
    assert!(!plan.contains("SCAN products") && !plan.contains("Seq Scan"), "{told}\n{plan}");
}

fn dialect(f: &Fixture) -> Dialect {
    match &f.database {
        Database::Sqlite(_) => Dialect::Sqlite,
        Database::Postgres(_) => Dialect::Postgres,
    }
}

async fn assert_lists_follow_their_indexes(f: &Fixture, state: &str) {
    let dialect = dialect(f);
    for query in queries() {
        let rows = query.rows(dialect, 101, 21);
        if query.is_few() {
            // Nobody asks how many of the first ones fit: they are counted.
            assert_finds(f, &plan(f, &rows).await, &query, &format!("{state}: {}", rows.text));
            continue;
        }
        for sql in [rows, query.first(dialect, 2_000)] {
            let plan = plan(f, &sql).await;
            assert_searches(f, &plan, &index_of(&query), &format!("{state}: {}", sql.text));
        }
    }
}

#[test]
fn lists_are_searches_in_their_index_whatever_the_data() {
    on_both(async |f| {
        assert_lists_follow_their_indexes(&f, "an empty table").await;
        let analyze = async || match &f.database {
            Database::Sqlite(_) => {}
            Database::Postgres(db) => db.connection().await.unwrap().batch_execute("analyze products").await.unwrap(),
        };
        for (products, owners, categories) in [(3, 1, 1), (20_000, 1, 1), (20_000, 50, 20), (20_000, 20_000, 20_000)] {
            let state = format!("{products} products of {owners} owners in {categories} categories");
            fill(&f, products, owners, categories).await;
            assert_lists_follow_their_indexes(&f, &format!("{state}, statistics of before")).await;
            analyze().await;
            assert_lists_follow_their_indexes(&f, &state).await;
        }
    });
}

#[test]
fn counts_and_categories_stay_in_indexes() {
    on_both(async |f| {
        fill(&f, 20_000, 50, 20).await;
        if let Database::Postgres(db) = &f.database {
            db.connection().await.unwrap().batch_execute("vacuum analyze products").await.unwrap();
        }
        for after in [None, Some("c1")] {
            let (statement, after) = sql::categories(after);
            let categories = Sql {
                dialect: dialect(&f),
                text: statement.to_owned(),
                params: vec![Param::Text(after), Param::Number(20)],
            };
            let categories = plan(&f, &categories).await;
            assert!(categories.contains("products_active_category"), "{categories}");
            assert!(!categories.contains("ORDER BY"), "{categories}");
        }
        for (query, index) in [
            (ListQuery::new(Shelf::Public(None), Currency::USD), "products_active_"),
            (
                ListQuery { category: Some("c1".into()), ..ListQuery::new(Shelf::Public(None), Currency::USD) },
                "products_active_category",
            ),
            (ListQuery::new(Shelf::Own(owner(0)), Currency::USD), "owner_id"),
        ] {
            let plan = plan(&f, &query.count(dialect(&f))).await;
            assert!(plan.contains(index), "{plan}");
            assert!(plan.contains("COVERING INDEX") || plan.contains("Index Only Scan"), "{plan}");
        }
        let sample = ListQuery { in_stock: Some(true), ..ListQuery::new(Shelf::Public(None), Currency::USD) };
        let sample = plan(&f, &sample.sample(dialect(&f))).await;
        assert!(sample.contains("products_newest") && !sample.contains("TEMP B-TREE"), "{sample}");
    });
}

#[test]
fn what_is_held_of_a_seller_is_a_search() {
    on_both(async |f| {
        let params = vec![Param::Id(owner(0)), Param::Id(owner(1)), Param::Number(21)];
        let held = Sql { dialect: dialect(&f), text: HOLDS_OF.to_owned(), params };
        let plan = plan(&f, &held).await;
        assert!(plan.contains("reservations_held_by_owner"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
    });
}

#[test]
fn many_are_estimated() {
    on_both(async |f| {
        fill(&f, 20_000, 50, 20).await;
        let all = ListQuery::new(Shelf::Public(None), Currency::USD);
        let one_category = ListQuery { category: Some("c1".into()), ..all.clone() };
        let in_stock = ListQuery { in_stock: Some(true), ..all.clone() };
        let estimate = async |query: &ListQuery| f.lists.estimate(query).await.unwrap();
        assert_eq!(estimate(&all).await, 10_000, "without statistics it is counted, without filters it is the half");
        if let Database::Postgres(db) = &f.database {
            db.connection().await.unwrap().batch_execute("analyze products").await.unwrap();
        }
        assert_eq!(f.lists.count(&all).await.unwrap(), 10_000);
        assert_eq!(estimate(&all).await, 10_000);
        assert_eq!(estimate(&one_category).await, 1_000, "few are counted");
        let drafts = ListQuery { status: Some(Status::Draft), ..ListQuery::new(Shelf::Hidden, Currency::USD) };
        assert_eq!(f.lists.count(&drafts).await.unwrap(), 10_000);
        assert!((estimate(&drafts).await - 10_000).abs() < 500, "drafts");
        let (exact, estimated) = (f.lists.count(&in_stock).await.unwrap(), estimate(&in_stock).await);
        assert!((exact - estimated).abs() < exact / 20, "{estimated} for {exact}");
    });
}
