//! Accounts to test with.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use testkit::{Client, Server};

use crate::v1;

/// Good enough for the rules of v1 and v2.
pub const PASSWORD: &str = "Correct1horse";

/// Somebody with an account, logged in through v1.
pub struct Person {
    pub id: String,
    pub username: String,
    pub email: String,
    pub token: String,
    /// Acts as this person.
    pub api: Client,
}

/// A name that no other test uses.
pub fn unique(word: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{word}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Registers an ordinary user.
#[track_caller]
pub fn register(server: &Server) -> Person {
    let username = unique("user");
    let email = format!("{username}@example.com");
    let body = json!({ "username": username, "email": email, "password": PASSWORD });
    let answer = server.client().post("/api/v1/auth/register", &body).expect(201).json();
    person(server, &answer["data"])
}

/// Makes an administrator by command, and logs in.
#[track_caller]
pub fn administrator(server: &Server) -> Person {
    administrator_named(server, &unique("admin"))
}

/// The same, with a name of choice.
#[track_caller]
pub fn administrator_named(server: &Server, username: &str) -> Person {
    let email = format!("{username}@example.com");
    let command = ["admin", "create", "--username", username, "--email", &email, "--password-stdin"];
    server.run_with_input(&command, &format!("{PASSWORD}\n")).expect_code(0);
    log_in(server, &email)
}

/// Logs in with [`PASSWORD`].
#[track_caller]
pub fn log_in(server: &Server, email: &str) -> Person {
    let answer = v1::log_in(&server.client(), email, PASSWORD).expect(200).json();
    person(server, &answer["data"])
}

/// From the `data` of a registration or log-in.
fn person(server: &Server, data: &serde_json::Value) -> Person {
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    let token = text(&data["token"]);
    Person {
        id: text(&data["user"]["id"]),
        username: text(&data["user"]["username"]),
        email: text(&data["user"]["email"]),
        api: server.client().with_token(&token),
        token,
    }
}
