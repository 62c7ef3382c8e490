//! Requests that say something in one of two ways.

use platform::http::openapi;
use serde_json::json;
use utoipa::openapi::OpenApi;

/// Adds to the document what in a request excludes what; `null` is as if it were absent.
pub fn describe(document: &mut OpenApi) {
    let absent = json!({ "type": "null" });
    let price = json!({ "$ref": "#/components/schemas/Price" });
    let plain = json!({ "required": ["price"], "properties": { "price": price, "variants": absent } });
    let varied = |fields| json!([plain, { "required": ["variants"], "properties": fields }]);
    let mut fields = json!({ "variants": { "type": "array" } });
    ["price", "compare_at_price", "sku", "barcode"].iter().for_each(|field| fields[field] = absent.clone());
    openapi::one_of(document, "ProductReplacement", varied(fields.clone()));
    fields["stock"] = absent.clone();
    openapi::one_of(document, "NewProduct", varied(fields));
    let number = json!({ "type": "integer" });
    let either = |one: &str, other: &str| json!({ "required": [one], "properties": { one: number, other: absent } });
    openapi::one_of(document, "StockAdjustment", json!([either("delta", "on_hand"), either("on_hand", "delta")]));
}
