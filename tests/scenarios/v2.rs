//! The words of API v2, as its clients know them.

use serde_json::{Value, json};
use testkit::{Client, Response, Server};

use crate::people::{PASSWORD, unique};
use crate::v1::text;

/// Logs in through v2 with the [`PASSWORD`] of all test accounts, however they were made.
#[track_caller]
pub fn log_in(server: &Server, email: &str) -> Client {
    let tokens = open(&server.client(), email, PASSWORD).expect(201).json();
    server.client().with_token(&text(&tokens["access_token"]))
}

pub fn open(client: &Client, email: &str, password: &str) -> Response {
    client.post("/api/v2/sessions", &json!({ "email": email, "password": password }))
}

pub fn refresh(client: &Client, refresh_token: &str) -> Response {
    client.post("/api/v2/sessions/refresh", &json!({ "refresh_token": refresh_token }))
}

/// Makes an account through v2, and returns its e-mail address.
#[track_caller]
pub fn register(server: &Server) -> String {
    let username = unique("user");
    let email = format!("{username}@example.com");
    let account = json!({ "username": username, "email": email, "password": PASSWORD });
    server.client().post("/api/v2/accounts", &account).expect(201);
    email
}

/// The ETag of an answer.
#[track_caller]
pub fn etag(response: &Response) -> String {
    response.header("etag").expect("an ETag").to_owned()
}

/// Sends JSON that changes what has this validator.
#[track_caller]
pub fn change(client: &Client, method: &str, path: &str, etag: &str, body: &Value) -> Response {
    let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let headers = [("content-type", media_type), ("if-match", etag)];
    client.send(method, path, &headers, Some(body.to_string().as_bytes()))
}

/// Sends a merge patch under `If-Match`.
#[track_caller]
pub fn patch(client: &Client, path: &str, etag: &str, body: &Value) -> Response {
    change(client, "PATCH", path, etag, body)
}

/// Deletes under `If-Match`.
#[track_caller]
pub fn delete(client: &Client, path: &str, etag: &str) -> Response {
    client.send("DELETE", path, &[("if-match", etag)], None)
}

/// Asserts a whole problem document.
#[track_caller]
pub fn assert_problem(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let problem = response.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail", "instance", "request_id"] {
        let text = problem[field].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{field}: {problem}");
    }
    assert_eq!(problem["request_id"].as_str(), response.header("x-request-id"));
    if code == "validation-failed" {
        let errors = problem["errors"].as_array().expect("errors");
        assert!(!errors.is_empty());
        for error in errors {
            for field in ["pointer", "detail", "code"] {
                assert!(error[field].is_string(), "{field}: {problem}");
            }
        }
    }
}

/// Asserts a refusal of the input for exactly these pointers and codes, in this order.
#[track_caller]
pub fn assert_invalid(response: &Response, errors: &[(&str, &str)]) {
    assert_problem(response, 422, "validation-failed");
    assert_errors(response, errors);
}

/// Asserts a conflict about a field of which only one may have the value.
#[track_caller]
pub fn assert_taken(response: &Response, pointer: &str) {
    assert_problem(response, 409, "conflict");
    assert_errors(response, &[(pointer, "taken")]);
}

#[track_caller]
pub fn assert_errors(response: &Response, errors: &[(&str, &str)]) {
    let problem = response.json();
    let told = problem["errors"].as_array().expect("errors").iter();
    let told: Vec<_> = told.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
    let expected: Vec<_> = errors.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
    assert_eq!(told, expected, "{problem}");
}

/// All pages of a list. `path` has a query, at least its question mark. Pages may be short, but none is too long.
#[track_caller]
pub fn pages(client: &Client, path: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("{path}&limit={limit}{cursor}")).expect(200).json();
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= limit, "{path}");
        pages.push(items.clone());
        match &page["next_cursor"] {
            Value::Null => return pages,
            next => cursor = format!("&cursor={}", text(next)),
        }
    }
}

/// An item of a list as its thing is by itself: without the ETag that its answer has.
#[track_caller]
pub fn single(mut item: Value) -> Value {
    item.as_object_mut().and_then(|item| item.remove("etag")).expect("an ETag");
    item
}

/// All items of a list, as [`pages`] has them.
#[track_caller]
pub fn walk(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    pages(client, path, limit).concat()
}
