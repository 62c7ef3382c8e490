//! The words of API v2.

use serde_json::{Value, json};
use testkit::{Client, Response, Server};

use crate::people::PASSWORD;
use crate::v1::text;

/// Logs in through v2 with [`PASSWORD`]; the client acts as this person.
#[track_caller]
pub fn log_in(server: &Server, email: &str) -> Client {
    let body = json!({ "email": email, "password": PASSWORD });
    let session = server.client().post("/api/v2/sessions", &body).expect(201).json();
    server.client().with_token(&text(&session["access_token"]))
}

/// Asserts that the input was refused for exactly these, in any order: `(pointer, code)`.
#[track_caller]
pub fn assert_invalid(response: &Response, expected: &[(&str, &str)]) {
    let problem = response.json();
    assert_eq!((response.status, &problem["code"]), (422, &json!("validation-failed")), "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    let mut told: Vec<(String, String)> = errors.iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect();
    told.sort_unstable();
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
    expected.sort_unstable();
    assert_eq!(told, expected, "{problem}");
}

/// All items of a list, page by page. `path` has a query, at least its question mark. Pages may be short, but none is too long.
#[track_caller]
pub fn walk(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("{path}&limit={limit}{cursor}")).expect(200).json();
        let found = page["items"].as_array().expect("items");
        assert!(found.len() <= limit, "{path}");
        items.extend(found.iter().cloned());
        match &page["next_cursor"] {
            Value::Null => return items,
            next => cursor = format!("&cursor={}", text(next)),
        }
    }
}
