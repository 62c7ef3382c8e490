//! /api/v2/users

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{PASSWORD, administrator, register};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_invalid, assert_problem, etag, log_in, patch, walk};

on_each!(
    administrators_list_and_read_accounts,
    accounts_are_found_by_what_they_are,
    others_may_not,
    a_deactivated_account_is_out_at_once,
    roles_change_at_once,
    the_last_administrator_stays,
    sessions_of_an_account_are_listed,
    sessions_of_an_account_are_ended,
);

fn path(id: &str) -> String {
    format!("/api/v2/users/{id}")
}

fn administrators_list_and_read_accounts(topology: Topology) {
    let server = Server::start(topology);
    let admin = administrator(&server);
    let people: Vec<String> = (0..5).map(|_| register(&server).id).collect();
    let api = log_in(&server, &admin.email);
    let seen: Vec<String> = walk(&api, "/api/v2/users?", 2).iter().map(|item| text(&item["id"])).collect();
    let mut expected = people.clone();
    expected.reverse();
    expected.push(admin.id);
    assert_eq!(seen, expected);
    let one = api.get(&path(&people[0])).expect(200);
    assert_eq!(one.json()["id"], people[0].as_str());
    for nothing in [NOBODY, "x"] {
        assert_problem(&api.get(&path(nothing)), 404, "not-found");
    }
    assert_problem(&api.get("/api/v2/users?cursor=x"), 422, "validation-failed");
}

const NONE: [&str; 0] = [];

fn accounts_are_found_by_what_they_are(topology: Topology) {
    let server = Server::start(topology);
    let admin = administrator(&server);
    let api = log_in(&server, &admin.email);
    let people: Vec<_> = (0..5).map(|_| register(&server)).collect();
    let grace = json!({ "username": "Grace_Hopper", "email": "grace@navy.example", "password": PASSWORD });
    server.client().post("/api/v2/accounts", &grace).expect(201);
    patch(&api, &path(&people[1].id), "*", &json!({ "active": false })).expect(200);
    patch(&api, &path(&people[2].id), "*", &json!({ "active": false })).expect(200);
    patch(&api, &path(&people[3].id), "*", &json!({ "role": "admin" })).expect(200);
    let found = |query: &str| -> Vec<String> {
        walk(&api, &format!("/api/v2/users?{query}&"), 2).iter().map(|account| text(&account["username"])).collect()
    };
    let name = |person: usize| people[person].username.clone();
    assert_eq!(found("active=false"), [name(2), name(1)]);
    assert_eq!(found("role=admin"), [name(3), admin.username.clone()]);
    assert_eq!(found("role=admin&active=false"), NONE);
    assert_eq!(found("role=user&active=true"), ["Grace_Hopper".to_owned(), name(4), name(0)]);
    assert_eq!(found("q=HOPPER"), ["Grace_Hopper"]);
    assert_eq!(found("q=navy.EX"), ["Grace_Hopper"]);
    assert_eq!(found(&format!("q={}&active=false", name(1))), [name(1)]);
    assert_eq!(found(&format!("q={}&active=true", name(1))), NONE);
    assert_eq!(found("q=%25"), NONE, "no pattern");
    for (wrong, pointer) in [
        ("role=queen", "/role"),
        ("active=yes", "/active"),
        ("q=", "/q"),
        (&*format!("q={}", "x".repeat(101)), "/q"),
        ("name=ada", "/name"),
    ] {
        let answer = api.get(&format!("/api/v2/users?{wrong}"));
        assert_problem(&answer, 422, "validation-failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wrong}");
    }
    let cursor = api.get("/api/v2/users?limit=1").expect(200).json()["next_cursor"].clone();
    let other = format!("/api/v2/users?role=user&cursor={}", text(&cursor));
    assert_problem(&api.get(&other), 422, "validation-failed");
}

fn others_may_not(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (register(&server), register(&server));
    let api = log_in(&server, &eve.email);
    for (path, status, code) in [("/api/v2/users".to_owned(), 403, "forbidden"), (path(&ada.id), 403, "forbidden")] {
        assert_problem(&api.get(&path), status, code);
        assert_problem(&server.client().get(&path), 401, "unauthenticated");
    }
    assert_problem(&patch(&api, &path(&eve.id), "*", &json!({ "role": "admin" })), 403, "forbidden");
    assert_problem(&api.get(&format!("{}/sessions", path(&ada.id))), 403, "forbidden");
    assert_eq!(api.get("/api/v2/me").json()["role"], "user");
}

fn a_deactivated_account_is_out_at_once(topology: Topology) {
    let server = Server::start(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let ada = register(&server);
    let api = log_in(&server, &ada.email);
    let version = etag(&admin.get(&path(&ada.id)).expect(200));
    let answer = patch(&admin, &path(&ada.id), &version, &json!({ "active": false })).expect(200);
    assert_eq!((&answer.json()["active"], &answer.json()["version"]), (&json!(false), &json!(2)));
    assert_problem(&api.get("/api/v2/me"), 401, "unauthenticated");
    ada.api.get("/api/v1/auth/me").expect(401);
    assert_problem(&patch(&admin, &path(&ada.id), &version, &json!({ "active": true })), 412, "stale-version");
    patch(&admin, &path(&ada.id), &etag(&answer), &json!({ "active": true })).expect(200);
    assert_problem(&api.get("/api/v2/me"), 401, "unauthenticated");
    log_in(&server, &ada.email).get("/api/v2/me").expect(200);
}

fn roles_change_at_once(topology: Topology) {
    let server = Server::start(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let ada = register(&server);
    let api = log_in(&server, &ada.email);
    assert_problem(&api.get("/api/v2/users"), 403, "forbidden");
    patch(&admin, &path(&ada.id), "*", &json!({ "role": "admin" })).expect(200);
    api.get("/api/v2/users").expect(200);
    for (change, pointer, code) in [
        (json!({ "role": "root" }), "/role", "value"),
        (json!({ "active": "yes" }), "/active", "type"),
        (json!({ "username": "x" }), "/username", "unknown-field"),
        (json!({ "version": 9 }), "/version", "unknown-field"),
    ] {
        assert_invalid(&patch(&admin, &path(&ada.id), "*", &change), &[(pointer, code)]);
    }
}

fn the_last_administrator_stays(topology: Topology) {
    let server = Server::start(topology);
    let (first, second) = (administrator(&server), administrator(&server));
    let [one, two] = [&first, &second].map(|admin| log_in(&server, &admin.email));
    // Both go at the same time: one of them has to stay, whichever it is.
    let demote = json!({ "role": "user" });
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let goers = [(&one, &first), (&two, &second)]
            .map(|(api, admin)| scope.spawn(|| patch(api, &path(&admin.id), "*", &demote).status));
        goers.into_iter().map(|goer| goer.join().expect("an answer")).collect()
    });
    let mut sorted = statuses.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [200, 409], "{statuses:?}");
    let (left, id) = if statuses[0] == 409 { (one, first.id) } else { (two, second.id) };
    assert_problem(&patch(&left, &path(&id), "*", &json!({ "active": false })), 409, "conflict");
    left.get("/api/v2/users").expect(200);
}

fn sessions_of_an_account_are_listed(topology: Topology) {
    let server = Server::start(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let ada = register(&server);
    log_in(&server, &ada.email);
    let list = admin.get(&format!("{}/sessions", path(&ada.id))).expect(200).json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    assert_problem(&admin.get(&format!("{}/sessions", path(NOBODY))), 404, "not-found");
}

fn sessions_of_an_account_are_ended(topology: Topology) {
    let server = Server::start(topology);
    let root = administrator(&server);
    let (admin, ada, eve) = (log_in(&server, &root.email), register(&server), register(&server));
    let [one, other, others] = [&ada, &ada, &eve].map(|person| log_in(&server, &person.email));
    let sessions = format!("{}/sessions", path(&ada.id));
    assert_problem(&others.delete(&sessions), 403, "forbidden");
    admin.delete(&sessions).expect(204);
    admin.delete(&sessions).expect(204);
    for ended in [&one, &other] {
        assert_problem(&ended.get("/api/v2/me"), 401, "unauthenticated");
    }
    ada.api.get("/api/v1/auth/me").expect(401);
    others.get("/api/v2/me").expect(200);
    assert_eq!(admin.get(&sessions).expect(200).json()["items"], json!([]));
    log_in(&server, &ada.email).get("/api/v2/me").expect(200);
    assert_problem(&admin.delete(&format!("{}/sessions", path(NOBODY))), 404, "not-found");
}
