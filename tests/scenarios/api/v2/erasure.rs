//! DELETE /api/v2/me and GET /api/v2/me/export

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::catalogue::{APPAREL, HOME, all_active, import};
use crate::people::{PASSWORD, administrator, register};
use crate::selling::{RESERVATIONS, basket, create, id, on_sale, seller, usd};
use crate::v1::{keys, text};
use crate::v2::{assert_problem, delete, etag, log_in, open, refresh, walk};

on_each!(
    an_account_takes_its_data_along,
    nothing_personal_is_left,
    products_are_archived,
    the_last_administrator_stays,
    an_erasure_that_was_cut_short_is_finished,
);

const ME: &str = "/api/v2/me";

fn an_account_takes_its_data_along(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    import(&server, APPAREL, &ada.email).expect_code(0);
    let api = log_in(&server, &ada.email);
    create(&api, &json!({ "name": "a draft", "price": usd(1), "stock": 3 }));
    for _ in 0..6 {
        import(&server, HOME, &ada.email).expect_code(0);
    }
    let bought = on_sale(&seller(&server), 500);
    for _ in 0..101 {
        api.post(RESERVATIONS, &basket(&[(&id(&bought), 1)])).expect(201);
    }
    let answer = api.get("/api/v2/me/export").expect(200);
    assert!(answer.header("content-disposition").is_some_and(|value| value.starts_with("attachment")));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    let export = answer.json();
    assert_eq!(keys(&export), ["account", "products", "reservations", "sessions"]);
    assert_eq!(export["reservations"], json!(walk(&api, "/api/v2/reservations?", 100)));
    assert_eq!(export["reservations"].as_array().map(Vec::len), Some(101));
    assert_eq!(export["account"], api.get(ME).json());
    assert_eq!(export["sessions"].as_array().map(Vec::len), Some(2));
    let products = export["products"].as_array().expect("products");
    assert_eq!(products.len(), 41);
    assert!(
        products.iter().any(|product| product["status"] == "draft" && product["variants"][0]["stock"]["on_hand"] == 3)
    );
    let eve = log_in(&server, &register(&server).email).get("/api/v2/me/export").expect(200).json();
    assert_eq!((&eve["products"], &eve["reservations"]), (&json!([]), &json!([])));
}

fn nothing_personal_is_left(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let tokens = open(&server.client(), &ada.email, PASSWORD).expect(201).json();
    let api = server.client().with_token(&text(&tokens["access_token"]));
    assert_problem(&api.delete(ME), 428, "precondition-required");
    assert_problem(&delete(&api, ME, "\"7-account\""), 412, "stale-version");
    delete(&api, ME, &etag(&api.get(ME))).expect(204);
    assert_problem(&api.get(ME), 401, "unauthenticated");
    ada.api.get("/api/v1/auth/me").expect(401);
    assert_problem(&refresh(&server.client(), &text(&tokens["refresh_token"])), 401, "unauthenticated");
    assert_problem(&open(&server.client(), &ada.email, PASSWORD), 401, "unauthenticated");
    for table in ["accounts", "sessions", "one_time_tokens", "events_personal", "events"] {
        for row in server.sql("auth", &format!("select * from {table}")) {
            let text = row.join(" ");
            assert!(!text.contains(&ada.email) && !text.contains(&ada.username), "{table}: {text}");
        }
    }
    // The address is free again, for somebody new.
    let again = json!({ "username": ada.username, "email": ada.email, "password": PASSWORD });
    let made = server.client().post("/api/v2/accounts", &again).expect(201).json();
    assert_ne!(made["id"], ada.id.as_str());
    log_in(&server, &ada.email).get(ME).expect(200);
    let admin = log_in(&server, &administrator(&server).email);
    let path = format!("/api/v2/users/{}", ada.id);
    let erased = admin.get(&path).expect(200).json();
    assert_eq!((&erased["active"], &erased["email_verified"]), (&json!(false), &json!(false)));
    let revive = [("content-type", "application/json"), ("if-match", "*")];
    let answer = admin.send("PATCH", &path, &revive, Some(b"{\"active\": true}"));
    assert_problem(&answer, 409, "conflict");
}

fn products_are_archived(topology: Topology) {
    let server = Server::start(topology);
    let (ada, eve) = (register(&server), register(&server));
    import(&server, APPAREL, &ada.email).expect_code(0);
    import(&server, HOME, &eve.email).expect_code(0);
    let api = log_in(&server, &ada.email);
    delete(&api, ME, "*").expect(204);
    let left = all_active(&server.client());
    assert_eq!(left.len(), 20);
    assert!(left.iter().all(|product| product["owner_id"] == eve.id.as_str()));
    let admin = log_in(&server, &administrator(&server).email);
    testkit::eventually("they are archived", || {
        let hers = admin.get(&format!("/api/v2/users/{}/products?status=archived", ada.id)).expect(200).json();
        (hers["items"].as_array().map(Vec::len) == Some(20)).then_some(())
    });
}

fn the_last_administrator_stays(topology: Topology) {
    let server = Server::start(topology);
    let api = log_in(&server, &administrator(&server).email);
    assert_problem(&delete(&api, ME, "*"), 409, "conflict");
    api.get(ME).expect(200);
    administrator(&server);
    delete(&api, ME, "*").expect(204);
}

fn an_erasure_that_was_cut_short_is_finished(topology: Topology) {
    let mut server = Server::start(topology);
    let ada = register(&server);
    import(&server, APPAREL, &ada.email).expect_code(0);
    let id = match topology {
        Topology::Sqlite => format!("x'{}'", ada.id.replace('-', "")),
        Topology::Postgres | Topology::Split => format!("'{}'", ada.id),
    };
    // As a crash between the two databases leaves it.
    server.sql("auth", &format!("insert into erasures (account_id, requested_at) values ({id}, 1)"));
    server.restart();
    testkit::eventually("the products were archived", || all_active(&server.client()).is_empty().then_some(()));
    testkit::eventually("the erasure was done", || {
        server.sql("auth", "select * from erasures").is_empty().then_some(())
    });
}
