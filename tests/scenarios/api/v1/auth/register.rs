//! POST /api/v1/auth/register

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{PASSWORD, administrator, register};
use crate::v1::{assert_failure, assert_time, assert_uuid, keys, log_in};

on_each!(
    a_registration_answers_with_the_user_and_a_token,
    what_is_taken_is_a_conflict,
    protected_fields_are_ignored,
    a_form_registers_too,
    simultaneous_registrations_of_one_name_make_one_account,
);

const TAKEN: &str = "User with this email or username already exists";
const PATH: &str = "/api/v1/auth/register";

fn a_registration_answers_with_the_user_and_a_token(topology: Topology) {
    let server = Server::start(topology);
    let client = server.client();
    let body = json!({ "username": "  Ada_1 ", "email": " ada@example.com ", "password": PASSWORD });
    let answer = client.post(PATH, &body).expect(201).json();

    assert_eq!(keys(&answer), ["data", "message", "success"]);
    assert_eq!(answer["success"], true);
    assert_eq!(answer["message"], "User registered successfully");
    assert_eq!(keys(&answer["data"]), ["token", "user"]);
    let user = &answer["data"]["user"];
    // Never a password or hash.
    assert_eq!(keys(user), ["createdAt", "email", "id", "isActive", "role", "updatedAt", "username"]);
    assert_uuid(&user["id"]);
    assert_eq!(user["username"], "Ada_1");
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["role"], "user");
    assert_eq!(user["isActive"], true);
    assert_time(&user["createdAt"]);
    assert_time(&user["updatedAt"]);

    let token = answer["data"]["token"].as_str().expect("a token");
    let me = client.with_token(token).get("/api/v1/auth/me").expect(200).json();
    assert_eq!(&me["data"]["user"], user);
}

fn what_is_taken_is_a_conflict(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let client = server.client();
    let try_as = |username: &str, email: &str| {
        client.post(PATH, &json!({ "username": username, "email": email, "password": PASSWORD }))
    };
    assert_failure(&try_as(&ada.username, "other@example.com"), 409, TAKEN);
    assert_failure(&try_as("somebody_else", &ada.email), 409, TAKEN);
    assert_failure(&try_as(&ada.username, &ada.email), 409, TAKEN);
    // E-mail addresses are compared without regard to case.
    assert_failure(&try_as("somebody_else", &ada.email.to_uppercase()), 409, TAKEN);
    // Trimmed before they are compared.
    assert_failure(&try_as(&format!(" {} ", ada.username), "other@example.com"), 409, TAKEN);
    assert_failure(&try_as("somebody_else", &format!("  {} ", ada.email)), 409, TAKEN);
    try_as("somebody_else", "other@example.com").expect(201);
}

fn protected_fields_are_ignored(topology: Topology) {
    let server = Server::start(topology);
    let admin = administrator(&server);
    let body = json!({
        "username": "eve", "email": "eve@example.com", "password": PASSWORD,
        "role": "admin", "id": admin.id, "isActive": false,
        "createdAt": "2001-01-01T00:00:00.000Z", "updatedAt": "2001-01-01T00:00:00.000Z",
        "token": "x", "unknown": { "deep": [1, 2, 3] },
    });
    let user = server.client().post(PATH, &body).expect(201).json()["data"]["user"].clone();
    assert_eq!(user["role"], "user");
    assert_ne!(user["id"], admin.id.as_str());
    assert_eq!(user["isActive"], true);
    for time in ["createdAt", "updatedAt"] {
        assert!(!user[time].as_str().expect("a time").starts_with("2001"));
    }
}

fn a_form_registers_too(topology: Topology) {
    let server = Server::start(topology);
    let form = "username=form_user&email=form%2Buser%40example.com&password=Correct1+horse%26";
    let answer = server.client().post_form(PATH, form).expect(201).json();
    assert_eq!(answer["data"]["user"]["email"], "form+user@example.com");
    log_in(&server.client(), "form+user@example.com", "Correct1 horse&").expect(200);
}

fn simultaneous_registrations_of_one_name_make_one_account(topology: Topology) {
    let server = Server::start(topology);
    let client = &server.client();
    let race = |number: usize| {
        let body = json!({ "username": "racer", "email": format!("r{number}@example.com"), "password": PASSWORD });
        client.post(PATH, &body).status
    };
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|number| scope.spawn(move || race(number))).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}
