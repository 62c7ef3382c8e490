//! E-mail verification and password reset, by the mails that a development sink shows.

use serde_json::json;
use testkit::{Client, Deployment, Topology, eventually, on_each};

use crate::mails::{start, start_as};
use crate::people::PASSWORD;
use crate::v1::text;
use crate::v2::{assert_invalid, assert_problem, delete, etag, log_in, open, patch, register};

on_each!(
    an_address_is_verified_once,
    another_address_is_pending_until_it_is_confirmed,
    a_change_of_mind_ends_what_is_pending,
    another_password_ends_what_is_pending,
    nobody_learns_whose_address_another_is,
    an_address_that_was_taken_meanwhile_is_not_given,
    a_forgotten_password_is_replaced,
    a_reset_dies_with_the_password_and_the_address,
    unknown_addresses_look_alike_and_get_no_mail,
    who_is_registered_is_told_so,
    nobody_can_have_an_address_flooded,
    permissions_are_for_one_purpose,
    mails_survive_a_kill,
);

fn an_address_is_verified_once(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    let tokens = mails.tokens(&email, "confirm", 1);
    let verify = |token: &str| server.client().post("/api/v2/email-verifications", &json!({ "token": token }));
    for wrong in ["", "x", &tokens[0][1..]] {
        assert_invalid(&verify(wrong), &[("/token", "not-good")]);
    }
    assert_eq!(api.get("/api/v2/me").json()["email_verified"], false);
    verify(&tokens[0]).expect(204);
    assert_eq!(api.get("/api/v2/me").json()["email_verified"], true);
    assert_invalid(&verify(&tokens[0]), &[("/token", "not-good")]);
    let again = api.send("POST", "/api/v2/me/email-verification", &[], None);
    assert_problem(&again, 409, "conflict");
}

fn another_address_is_pending_until_it_is_confirmed(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    let old = mails.tokens(&email, "confirm", 1);
    let verify = |token: &str| server.client().post("/api/v2/email-verifications", &json!({ "token": token }));
    let me = || api.get("/api/v2/me").expect(200).json();
    let names = || (me()["email"].clone(), me()["email_verified"].clone(), me()["pending_email"].clone());
    patch(&api, "/api/v2/me", "*", &json!({ "email": "new@example.com" })).expect(200);
    assert_eq!(names(), (json!(email), json!(false), json!("new@example.com")));
    eventually("it was told", || mails.to(&email).iter().any(|mail| mail.contains("is to have")).then_some(()));
    assert_invalid(&verify(&old[0]), &[("/token", "not-good")]);
    mails.tokens("new@example.com", "confirm", 1);
    // The same change again mails again, as whoever got no answer would like.
    patch(&api, "/api/v2/me", "*", &json!({ "email": "new@example.com" })).expect(200);
    let earlier = mails.tokens("new@example.com", "confirm", 2);
    api.send("POST", "/api/v2/me/email-verification", &[], None).expect(202);
    let all = mails.tokens("new@example.com", "confirm", 3);
    let last = all.iter().find(|token| !earlier.contains(token)).expect("another token");
    earlier.iter().for_each(|token| assert_invalid(&verify(token), &[("/token", "not-good")]));
    // The present address is good until then.
    open(&server.client(), "new@example.com", PASSWORD).expect(401);
    open(&server.client(), &email, PASSWORD).expect(201);
    verify(last).expect(204);
    assert_eq!(names(), (json!("new@example.com"), json!(true), json!(null)));
    open(&server.client(), "new@example.com", PASSWORD).expect(201);
    open(&server.client(), &email, PASSWORD).expect(401);
    eventually("it was told", || mails.to(&email).iter().any(|mail| mail.contains("has another")).then_some(()));
}

fn a_change_of_mind_ends_what_is_pending(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    patch(&api, "/api/v2/me", "*", &json!({ "email": "new@example.com" })).expect(200);
    let token = mails.tokens("new@example.com", "confirm", 1).remove(0);
    let me = patch(&api, "/api/v2/me", "*", &json!({ "email": email })).expect(200).json();
    assert_eq!((&me["email"], &me["pending_email"]), (&json!(email), &json!(null)));
    let verify = server.client().post("/api/v2/email-verifications", &json!({ "token": token }));
    assert_invalid(&verify, &[("/token", "not-good")]);
    // Erased with the account, whoever of the processes and releases did it.
    patch(&api, "/api/v2/me", "*", &json!({ "email": "new@example.com" })).expect(200);
    delete(&api, "/api/v2/me", "*").expect(204);
    assert!(server.sql("auth", "select 1 from accounts where pending_email is not null").is_empty());
}

/// A thief with a session has the address changed; the owner does as the mail advises.
fn another_password_ends_what_is_pending(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let log_in = |password: &str| {
        let tokens = open(&server.client(), &email, password).expect(201).json();
        server.client().with_token(&text(&tokens["access_token"]))
    };
    let have_changed = |api: &Client, address: &str| {
        patch(api, "/api/v2/me", "*", &json!({ "email": address })).expect(200);
        mails.tokens(address, "confirm", 1).remove(0)
    };
    let is_over = |token: &str| {
        let verify = server.client().post("/api/v2/email-verifications", &json!({ "token": token }));
        assert_invalid(&verify, &[("/token", "not-good")]);
    };
    let (second, third) = ("incorrect zebra capacitor", "impossible walrus lantern");
    let api = log_in(PASSWORD);
    let token = have_changed(&api, "first@example.com");
    let change = json!({ "current_password": PASSWORD, "new_password": second });
    api.put("/api/v2/me/password", &change).expect(204);
    is_over(&token);
    let token = have_changed(&log_in(second), "second@example.com");
    server.client().post("/api/v2/password-resets", &json!({ "email": email })).expect(202);
    let reset = json!({ "token": mails.tokens(&email, "Choose", 1)[0], "password": third });
    server.client().post("/api/v2/password-resets/confirm", &reset).expect(204);
    is_over(&token);
    let me = log_in(third).get("/api/v2/me").expect(200).json();
    assert_eq!((&me["email"], &me["pending_email"]), (&json!(email), &json!(null)));
}

/// Whoever tries may look at all that is theirs, and reads no mail but their own.
fn nobody_learns_whose_address_another_is(topology: Topology) {
    let (server, mails) = start(topology);
    let owner = register(&server);
    let see = |address: &str| {
        let eve = register(&server);
        // Before another address takes its place: what is too late is not mailed.
        mails.tokens(&eve, "confirm", 1);
        let api = log_in(&server, &eve);
        let answer = patch(&api, "/api/v2/me", "*", &json!({ "email": address })).expect(200);
        let again = api.send("POST", "/api/v2/me/email-verification", &[], None).expect(202);
        let same = patch(&api, "/api/v2/me", "*", &json!({ "email": address })).expect(200);
        let log_in = open(&server.client(), address, "Another1password").expect(401);
        let seen = [
            etag(&answer),
            etag(&same),
            answer.text(),
            again.text(),
            same.text(),
            api.get("/api/v2/me").expect(200).text(),
            api.get("/api/v2/me/export").expect(200).text(),
            log_in.json()["detail"].to_string(),
        ];
        let own = api.get("/api/v2/me").json();
        let personal = ["id", "username", "email", "pending_email", "created_at", "updated_at"];
        let seen = seen.join("\n");
        assert!(seen.contains(address));
        let plain = personal.iter().fold(seen, |text, field| text.replace(own[field].as_str().unwrap_or("-"), field));
        // Sessions have ids and times of their own.
        plain.split("\"sessions\"").next().unwrap_or_default().to_owned()
    };
    assert_eq!(see(&owner), see("free@example.com"));
    eventually("the owner was told", || mails.to(&owner).iter().any(|mail| mail.contains("You have")).then_some(()));
    assert_eq!(mails.to(&owner).iter().filter(|mail| mail.contains("Token: ")).count(), 1, "of the registration");
    open(&server.client(), &owner, PASSWORD).expect(201);
}

fn an_address_that_was_taken_meanwhile_is_not_given(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    patch(&log_in(&server, &email), "/api/v2/me", "*", &json!({ "email": "wanted@example.com" })).expect(200);
    let token = mails.tokens("wanted@example.com", "confirm", 1).remove(0);
    let body = json!({ "username": "quicker", "email": "wanted@example.com", "password": PASSWORD });
    server.client().post("/api/v2/accounts", &body).expect(201);
    let verify = server.client().post("/api/v2/email-verifications", &json!({ "token": token }));
    assert_problem(&verify, 409, "conflict");
    log_in(&server, &email);
}

fn a_forgotten_password_is_replaced(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let api = log_in(&server, &email);
    server.client().post("/api/v2/password-resets", &json!({ "email": email.to_uppercase() })).expect(202);
    let token = mails.tokens(&email, "another password", 1).remove(0);
    let confirm = |password: &str| {
        let body = json!({ "token": token, "password": password });
        server.client().post("/api/v2/password-resets/confirm", &body)
    };
    assert_invalid(&confirm("short"), &[("/password", "length")]);
    assert_invalid(&confirm("password1"), &[("/password", "common")]);
    assert_invalid(&confirm("Passw0rd!"), &[("/password", "weak")]);
    open(&server.client(), &email, PASSWORD).expect(201);
    confirm("incorrect zebra capacitor").expect(204);
    assert_problem(&api.get("/api/v2/me"), 401, "unauthenticated");
    open(&server.client(), &email, PASSWORD).expect(401);
    open(&server.client(), &email, "incorrect zebra capacitor").expect(201);
    assert_invalid(&confirm("third time lucky"), &[("/token", "not-good")]);
    eventually("the owner was told", || mails.to(&email).iter().any(|mail| mail.contains("was changed")).then_some(()));
}

fn a_reset_dies_with_the_password_and_the_address(topology: Topology) {
    let (server, mails) = start(topology);
    let (email, other) = (register(&server), "elsewhere@example.com");
    let api = log_in(&server, &email);
    let ask = |email: &str| {
        server.client().post("/api/v2/password-resets", &json!({ "email": email })).expect(202);
        mails.tokens(email, "another password", 1).remove(0)
    };
    let confirm = |token: String| {
        let body = json!({ "token": token, "password": "incorrect zebra capacitor" });
        server.client().post("/api/v2/password-resets/confirm", &body)
    };
    let before = ask(&email);
    patch(&api, "/api/v2/me", "*", &json!({ "email": other })).expect(200);
    let confirmed = json!({ "token": mails.tokens(other, "confirm", 1).remove(0) });
    server.client().post("/api/v2/email-verifications", &confirmed).expect(204);
    assert_invalid(&confirm(before), &[("/token", "not-good")]);
    let before = ask(other);
    let body = json!({ "current_password": PASSWORD, "new_password": "correct zebra battery" });
    api.send("PUT", "/api/v2/me/password", &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
        .expect(204);
    assert_invalid(&confirm(before), &[("/token", "not-good")]);
    open(&server.client(), other, "correct zebra battery").expect(201);
}

fn unknown_addresses_look_alike_and_get_no_mail(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let ask = |email: &str| server.client().post("/api/v2/password-resets", &json!({ "email": email })).expect(202);
    let (known, unknown) = (ask(&email), ask("nobody@example.com"));
    assert_eq!((known.body, known.headers.len()), (unknown.body, unknown.headers.len()));
    mails.tokens(&email, "another password", 1);
    assert!(mails.to("nobody@example.com").is_empty());
    assert_invalid(&server.client().post("/api/v2/password-resets", &json!({ "email": "x" })), &[("/email", "format")]);
}

fn who_is_registered_is_told_so(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let body = json!({ "username": "someone", "email": email.to_uppercase(), "password": PASSWORD });
    server.client().post("/api/v2/accounts", &body).expect(201);
    eventually("the owner was told", || mails.to(&email).iter().any(|mail| mail.contains("You have")).then_some(()));
    assert!(mails.to(&email.to_uppercase()).is_empty());
}

fn nobody_can_have_an_address_flooded(topology: Topology) {
    let (server, mails) = start_as(Deployment::new(topology).set("LIMITS__ENABLED", "true"));
    let email = register(&server);
    for number in 0..15 {
        let body = json!({ "username": format!("someone_{number}"), "email": email, "password": PASSWORD });
        server.client().post("/api/v2/accounts", &body).expect(201);
    }
    let last = register(&server);
    mails.tokens(&last, "confirm", 1);
    assert_eq!(mails.to(&email).iter().filter(|mail| mail.contains("You have")).count(), 10);
    let api = log_in(&server, &last);
    let move_to = |email: &str| patch(&api, "/api/v2/me", "*", &json!({ "email": email })).status;
    let statuses: Vec<u16> = (0..12).flat_map(|_| [move_to("victim@example.com"), move_to(&last)]).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 22, "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}

fn permissions_are_for_one_purpose(topology: Topology) {
    let (server, mails) = start(topology);
    let email = register(&server);
    let verify = mails.tokens(&email, "confirm", 1).remove(0);
    let body = json!({ "token": verify, "password": "incorrect zebra capacitor" });
    assert_invalid(&server.client().post("/api/v2/password-resets/confirm", &body), &[("/token", "not-good")]);
    open(&server.client(), &email, PASSWORD).expect(201);
}

fn mails_survive_a_kill(topology: Topology) {
    let (mut server, mails) = start(topology);
    let email = register(&server);
    server.kill9();
    server.restart();
    mails.tokens(&email, "confirm", 1);
}
