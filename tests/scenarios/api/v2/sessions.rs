//! /api/v2/sessions

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, Deployment, Response, Server, Topology, eventually, on_each};

use crate::people::{PASSWORD, Person, register};
use crate::v1::{keys, text};
use crate::v2::{assert_problem, log_in, open, refresh};

on_each!(
    a_log_in_gives_tokens,
    wrong_credentials_are_told_alike,
    a_refresh_token_is_good_once,
    a_lost_answer_can_be_asked_again,
    a_replay_ends_the_family,
    races_of_one_token_have_one_successor,
    sessions_outlive_restarts_and_key_rotation,
    log_out_here_and_everywhere,
    sessions_are_listed_and_ended,
    tokens_are_bound_to_their_api,
    a_known_device_is_not_locked_out,
    a_session_ends_with_its_time,
);

/// Tokens of a new session.
#[track_caller]
fn tokens(client: &Client, email: &str) -> Value {
    open(client, email, PASSWORD).expect(201).json()
}

fn refresh_token(tokens: &Value) -> String {
    text(&tokens["refresh_token"])
}

#[track_caller]
fn acts(server: &Server, tokens: &Value) -> Response {
    server.client().with_token(&text(&tokens["access_token"])).get("/api/v2/me")
}

fn start(topology: Topology) -> (Server, Person) {
    let server = Server::start(topology);
    let ada = register(&server);
    (server, ada)
}

fn a_log_in_gives_tokens(topology: Topology) {
    let (server, ada) = start(topology);
    let answer = open(&server.client(), &ada.email.to_uppercase(), PASSWORD).expect(201);
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let tokens = answer.json();
    assert_eq!(keys(&tokens), ["access_token", "expires_in", "refresh_token", "token_type"]);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(acts(&server, &tokens).expect(200).json()["id"], ada.id.as_str());
    // Nothing by which one could act is stored.
    for table in ["sessions", "accounts", "one_time_tokens"] {
        for row in server.sql("auth", &format!("select * from {table}")) {
            assert!(!row.iter().any(|column| column.contains(&refresh_token(&tokens))), "{table}");
        }
    }
}

fn wrong_credentials_are_told_alike(topology: Topology) {
    let (server, ada) = start(topology);
    let told = |email: &str, password: &str| {
        let answer = open(&server.client(), email, password);
        assert_problem(&answer, 401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some());
        answer.json()["detail"].clone()
    };
    let wrong = told(&ada.email, "Wrong1horse");
    assert_eq!(told("nobody@example.com", PASSWORD), wrong);
    assert_eq!(told(&ada.email, &PASSWORD.to_lowercase()), wrong);
}

fn a_refresh_token_is_good_once(topology: Topology) {
    let (server, ada) = start(topology);
    let first = tokens(&server.client(), &ada.email);
    let second = refresh(&server.client(), &refresh_token(&first)).expect(201).json();
    assert_eq!(keys(&second), keys(&first));
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    acts(&server, &second).expect(200);
    acts(&server, &first).expect(200);
    let third = refresh(&server.client(), &refresh_token(&second)).expect(201).json();
    acts(&server, &third).expect(200);
    for wrong in ["", "x", &text(&first["access_token"]), &"A".repeat(5_000)] {
        assert_problem(&refresh(&server.client(), wrong), 401, "unauthenticated");
    }
    acts(&server, &third).expect(200);
}

fn a_lost_answer_can_be_asked_again(topology: Topology) {
    let (server, ada) = start(topology);
    let first = tokens(&server.client(), &ada.email);
    let answers: Vec<Value> =
        (0..3).map(|_| refresh(&server.client(), &refresh_token(&first)).expect(201).json()).collect();
    for answer in &answers {
        assert_eq!(answer["refresh_token"], answers[0]["refresh_token"], "there is one successor");
        acts(&server, answer).expect(200);
    }
}

fn a_replay_ends_the_family(topology: Topology) {
    let (server, ada) = start(topology);
    let first = tokens(&server.client(), &ada.email);
    let second = refresh(&server.client(), &refresh_token(&first)).expect(201).json();
    let third = refresh(&server.client(), &refresh_token(&second)).expect(201).json();
    let other = tokens(&server.client(), &ada.email);
    assert_problem(&refresh(&server.client(), &refresh_token(&first)), 401, "unauthenticated");
    for dead in [&first, &second, &third] {
        assert_problem(&acts(&server, dead), 401, "unauthenticated");
        assert_problem(&refresh(&server.client(), &refresh_token(dead)), 401, "unauthenticated");
    }
    acts(&server, &other).expect(200);
    // The log is written beside the requests.
    let reused = || server.log_lines().into_iter().find(|line| line["event"] == "auth.refresh.reused");
    eventually("the operator is told", reused);
}

fn races_of_one_token_have_one_successor(topology: Topology) {
    const RACES: usize = 20;
    const RUNNERS: usize = 50;
    let (server, ada) = start(topology);
    let mut current = tokens(&server.client(), &ada.email);
    for _ in 0..RACES {
        let token = refresh_token(&current);
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let race = || refresh(&server.client(), &token).expect(201).json();
            let runners: Vec<_> = (0..RUNNERS).map(|_| scope.spawn(race)).collect();
            runners.into_iter().map(|runner| runner.join().expect("an answer")).collect()
        });
        assert!(answers.iter().all(|answer| answer["refresh_token"] == answers[0]["refresh_token"]));
        current = answers[0].clone();
    }
    acts(&server, &current).expect(200);
}

fn sessions_outlive_restarts_and_key_rotation(topology: Topology) {
    let (mut server, ada) = start(topology);
    let first = tokens(&server.client(), &ada.email);
    server.run(&["keys", "rotate"]).expect_code(0);
    let second = refresh(&server.client(), &refresh_token(&first)).expect(201).json();
    acts(&server, &first).expect(200);
    acts(&server, &second).expect(200);
    server.restart();
    acts(&server, &second).expect(200);
    refresh(&server.client(), &refresh_token(&second)).expect(201);
}

fn log_out_here_and_everywhere(topology: Topology) {
    let (server, ada) = start(topology);
    let [here, there] = [(); 2].map(|()| tokens(&server.client(), &ada.email));
    let api = server.client().with_token(&text(&here["access_token"]));
    api.delete("/api/v2/sessions/current").expect(204);
    assert_problem(&acts(&server, &here), 401, "unauthenticated");
    assert_problem(&refresh(&server.client(), &refresh_token(&here)), 401, "unauthenticated");
    acts(&server, &there).expect(200);
    let api = server.client().with_token(&text(&there["access_token"]));
    api.delete("/api/v2/sessions").expect(204);
    assert_problem(&acts(&server, &there), 401, "unauthenticated");
    ada.api.get("/api/v1/auth/me").expect(401);
}

fn sessions_are_listed_and_ended(topology: Topology) {
    let (server, ada) = start(topology);
    let eve = register(&server);
    let body = json!({ "email": ada.email, "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json"), ("user-agent", "Ada's telephone")];
    let phone = server.client().send("POST", "/api/v2/sessions", &headers, Some(body.as_bytes())).expect(201).json();
    let api = log_in(&server, &ada.email);
    let list = api.get("/api/v2/sessions").expect(200).json();
    let items = list["items"].as_array().expect("items");
    let about: Vec<_> = items.iter().map(|item| (text(&item["api"]), item["current"] == true)).collect();
    assert_eq!(about, [("v2".into(), true), ("v2".into(), false), ("v1".into(), false)]);
    assert_eq!((&items[1]["device"], &items[1]["address"]), (&json!("Ada's telephone"), &json!("127.0.0.1")));
    let path = format!("/api/v2/sessions/{}", text(&items[1]["id"]));
    assert_problem(&log_in(&server, &eve.email).delete(&path), 404, "not-found");
    acts(&server, &phone).expect(200);
    api.delete(&path).expect(204);
    assert_problem(&acts(&server, &phone), 401, "unauthenticated");
    assert_problem(&api.delete(&path), 404, "not-found");
    assert_problem(&server.client().get("/api/v2/sessions"), 401, "unauthenticated");
}

fn tokens_are_bound_to_their_api(topology: Topology) {
    let (server, ada) = start(topology);
    assert_problem(&ada.api.get("/api/v2/me"), 401, "unauthenticated");
    log_in(&server, &ada.email).get("/api/v1/auth/me").expect(401);
}

fn a_known_device_is_not_locked_out(topology: Topology) {
    let server = Deployment::new(topology).set("LIMITS__ENABLED", "true").start();
    let ada = register(&server);
    let cookie = open(&server.client(), &ada.email, PASSWORD).expect(201);
    let cookie = cookie.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let (cookie, _) = cookie.split_once(';').expect("attributes");
    for _ in 0..10 {
        open(&server.client(), &ada.email, "Wrong1horse").expect(401);
    }
    let held = open(&server.client(), &ada.email, PASSWORD);
    assert_problem(&held, 429, "rate-limited");
    assert!(held.header("retry-after").is_some());
    assert_problem(&open(&server.client(), "nobody@example.com", PASSWORD), 401, "unauthenticated");
    let body = json!({ "email": ada.email, "password": PASSWORD }).to_string();
    let with_cookie = |cookie: &str| {
        let headers = [("content-type", "application/json"), ("cookie", cookie)];
        server.client().send("POST", "/api/v2/sessions", &headers, Some(body.as_bytes()))
    };
    with_cookie(&format!("other=1; {cookie}")).expect(201);
    with_cookie("primetrade-device=forged").expect(429);
}

fn a_session_ends_with_its_time(topology: Topology) {
    let deployment = Deployment::new(topology);
    let server = deployment.set("AUTH__ACCESS_TOKEN_LIFETIME", "1s").set("AUTH__REFRESH_TOKEN_LIFETIME", "3s").start();
    let ada = register(&server);
    let first = tokens(&server.client(), &ada.email);
    assert_eq!(first["expires_in"], 1);
    std::thread::sleep(Duration::from_millis(2_100));
    assert_problem(&acts(&server, &first), 401, "unauthenticated");
    let second = refresh(&server.client(), &refresh_token(&first)).expect(201).json();
    std::thread::sleep(Duration::from_millis(3_100));
    assert_problem(&refresh(&server.client(), &refresh_token(&second)), 401, "unauthenticated");
}
