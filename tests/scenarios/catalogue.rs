//! Products from files, and the public list of them.

use std::path::Path;

use serde_json::Value;
use testkit::{Client, Deployment, Outcome};

use crate::v1::text;

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
    let mut products = Vec::new();
    let mut query = "limit=100".to_owned();
    loop {
        let page = page(client, &query);
        products.extend(page["items"].as_array().expect("items").iter().cloned());
        match &page["next_cursor"] {
            Value::Null => return products,
            next => query = format!("limit=100&cursor={}", text(next)),
        }
    }
}
