//! The words of API v1, as its clients know them.

use serde_json::{Value, json};
use testkit::{Client, Response};

pub const USERNAME_LENGTH: &str = "Username must be between 3 and 50 characters";
pub const USERNAME_LETTERS: &str = "Username can only contain letters, numbers, and underscores";
pub const EMAIL: &str = "Please provide a valid email address";
pub const PASSWORD_LENGTH: &str = "Password must be at least 6 characters long";
pub const PASSWORD_MIX: &str =
    "Password must contain at least one uppercase letter, one lowercase letter, and one number";
pub const PASSWORD_REQUIRED: &str = "Password is required";
pub const NAME: &str = "Product name must be between 1 and 200 characters";
pub const PRICE: &str = "Price must be a positive number";
pub const STOCK: &str = "Stock must be a non-negative integer";
pub const CATEGORY: &str = "Category must not exceed 100 characters";
pub const DESCRIPTION: &str = "Description must be at most 64 KiB";
pub const PAGE: &str = "Page must be a positive integer";
pub const LIMIT: &str = "Limit must be between 1 and 100";

pub const NO_TOKEN: &str = "Authentication required. Please provide a valid token.";
pub const BAD_TOKEN: &str = "Invalid token.";
pub const EXPIRED_TOKEN: &str = "Token has expired. Please login again.";
pub const ENDED_TOKEN: &str = "Invalid or inactive user token.";

/// A UUID that nothing has.
pub const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// One entry of `errors`: `field` broke the rule with this message, and was sent as `value`.
pub fn broken(field: &str, value: impl Into<Value>, msg: &str) -> Value {
    json!({ "type": "field", "value": value.into(), "msg": msg, "path": field, "location": "body" })
}

/// The same for a field that was not sent: there is no `value` key.
pub fn absent(field: &str, msg: &str) -> Value {
    json!({ "type": "field", "msg": msg, "path": field, "location": "body" })
}

/// The same for a query parameter.
pub fn broken_query(parameter: &str, value: &str, msg: &str) -> Value {
    json!({ "type": "field", "value": value, "msg": msg, "path": parameter, "location": "query" })
}

/// Asserts a refusal of exactly these broken rules in this order.
#[track_caller]
pub fn assert_invalid(response: &Response, errors: &[Value]) {
    let expected = json!({ "success": false, "message": "Validation failed", "errors": errors });
    assert_eq!((response.status, response.json()), (400, expected));
}

/// Asserts a failure that says exactly this and nothing else.
#[track_caller]
pub fn assert_failure(response: &Response, status: u16, message: &str) {
    let expected = json!({ "success": false, "message": message });
    assert_eq!((response.status, response.json()), (status, expected));
}

/// Asserts a refusal whose wording is the server's own: the status, the envelope, and no look inside.
#[track_caller]
pub fn assert_refused(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    assert_eq!(body["success"], false, "{body}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    for inside in ["stack", ".rs:", "panicked", "sqlite", "postgres", "SELECT", "select "] {
        assert!(!response.text().contains(inside), "{inside} in {body}");
    }
}

pub fn log_in(client: &Client, email: &str, password: &str) -> Response {
    client.post("/api/v1/auth/login", &json!({ "email": email, "password": password }))
}

/// Creates a product and returns it.
#[track_caller]
pub fn create(api: &Client, product: &Value) -> Value {
    let answer = api.post("/api/v1/products", product).expect(201).json();
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["message"], "Product created successfully", "{answer}");
    answer["data"]["product"].clone()
}

/// Creates a product of which only the name matters.
#[track_caller]
pub fn create_named(api: &Client, name: &str) -> Value {
    create(api, &json!({ "name": name, "price": 1 }))
}

/// The `data` of a list of products; `query` is without its question mark.
#[track_caller]
pub fn list(api: &Client, query: &str) -> Value {
    let answer = api.get(&format!("/api/v1/products?{query}")).expect(200).json();
    assert_eq!(answer["success"], true, "{answer}");
    answer["data"].clone()
}

/// The names of a list of products.
#[track_caller]
pub fn names(api: &Client, query: &str) -> Vec<String> {
    let data = list(api, query);
    let products = data["products"].as_array().expect("products");
    products.iter().map(|product| text(&product["name"])).collect()
}

/// The path of a product.
pub fn path(product: &Value) -> String {
    format!("/api/v1/products/{}", text(&product["id"]))
}

#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The keys of an object, in alphabetical order.
#[track_caller]
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Asserts a time as v1 writes it: `2026-11-23T01:11:06.898Z`.
#[track_caller]
pub fn assert_time(value: &Value) {
    let shape: String = text(value).chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{value}");
}

/// Asserts a UUID in its usual form.
#[track_caller]
pub fn assert_uuid(value: &Value) {
    let shape: String = text(value).chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect();
    assert_eq!(shape, "00000000-0000-0000-0000-000000000000", "{value}");
}
