//! Products from files, and the public list of them.

use std::path::Path;

use serde_json::Value;
use testkit::{Client, Deployment, Outcome};

use crate::v2::walk;

/// Sample files of Shopify: 20 products each.
pub const APPAREL: &str = "shopify/apparel.csv";
pub const HOME: &str = "shopify/home-and-garden.csv";

/// The whole path of a file in the tests' data.
pub fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name).display().to_string()
}

/// Imports one of the tests' files for the account of this e-mail address.
pub fn import(deployment: &Deployment, name: &str, owner: &str) -> Outcome {
    deployment.run(&["import", "csv", &file(name), "--owner", owner])
}

/// One page of the public list; `query` is without its question mark.
#[track_caller]
pub fn page(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/v2/products?{query}")).expect(200).json()
}

/// Every active product, in the order of the list.
#[track_caller]
pub fn all_active(client: &Client) -> Vec<Value> {
    walk(client, "/api/v2/products?", 100)
}

/// A product to import.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub handle: &'a str,
    pub title: &'a str,
    pub category: &'a str,
    /// `active`, `draft` or `archived`.
    pub status: &'a str,
    /// As a decimal.
    pub price: &'a str,
    pub stock: u32,
}

/// Imports these products for the account of this e-mail address, with prices in this currency. Several are written at
/// once, so that of neighbours either may be the newer one.
#[track_caller]
pub fn import_rows(deployment: &Deployment, owner: &str, currency: &str, rows: &[Row<'_>]) {
    let mut csv = String::from("Handle,Title,Type,Status,Variant Price,Variant Inventory Qty\n");
    for Row { handle, title, category, status, price, stock } in rows {
        csv.push_str(&format!("{handle},{title},{category},{status},{price},{stock}\n"));
    }
    let file = deployment.folder().join(format!("{}.csv", crate::people::unique("rows")));
    std::fs::write(&file, csv).expect("a file");
    let file = file.display().to_string();
    deployment.run(&["import", "csv", &file, "--owner", owner, "--currency", currency]).expect_code(0);
}
