//! Requests that say something in one of two ways.

use api::openapi;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// Adds to the document what in a request excludes what; `null` is as if it were absent. Said by what is not, because clients that
/// are generated would turn "null only" into a type of its own.
pub fn describe(document: &mut OpenApi) {
    let price = json!({ "$ref": "#/components/schemas/Money" });
    let varied = |variant: &str, fields: &[&str]| {
        let plain = json!({ "required": ["price"], "properties": { "price": price }, "not": sent("variants") });
        let others: Vec<_> = fields.iter().map(|field| sent(field)).collect();
        let variants = json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{variant}") } });
        let varied =
            json!({ "required": ["variants"], "properties": { "variants": variants }, "not": { "anyOf": others } });
        json!([plain, varied])
    };
    openapi::one_of(document, "ProductReplacement", varied("VariantReplacement", &PLAIN[1..]));
    openapi::one_of(document, "NewProduct", varied("NewVariant", &PLAIN));
    let number = json!({ "type": "integer" });
    let either =
        |one: &str, other: &str| json!({ "required": [one], "properties": { one: number }, "not": sent(other) });
    let ways = json!([either("delta", "on_hand"), either("on_hand", "delta")]);
    openapi::one_of(document, "StockAdjustment", ways.clone());
    openapi::one_of(document, "StockItem", ways);
}

/// What a product has that consists of one variant.
const PLAIN: [&str; 5] = ["stock", "price", "compare_at_price", "sku", "barcode"];

/// There, and not null.
fn sent(field: &str) -> Value {
    json!({ "required": [field], "properties": { field: { "not": { "type": "null" } } } })
}
