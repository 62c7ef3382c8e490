//! Who may call what: a row for every operation of the documents, tried as everyone.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::contract::operations;
use testkit::{Client, Response, Server, Topology, on_each};

use crate::catalogue::{HOME, all_active, import};
use crate::people::{PASSWORD, Person, administrator, register, unique};
use crate::selling::{create, usd};
use crate::v1::{create_named, text};
use crate::v2;

on_each!(everyone_gets_what_their_row_says,);

/// Who gets an answer other than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Everyone,
    AnyAccount,
    Owner,
    OwnerAndAdmins,
    Admins,
    /// Who got a token by mail, which here nobody did.
    WhoeverWasMailed,
}
use Allowed::{Admins, AnyAccount, Everyone, Owner, OwnerAndAdmins, WhoeverWasMailed};

/// Operation, who may, and a valid body. `$NEW` is a word that nothing has, `$OWNER` the e-mail address of the owner, `$PASSWORD`
/// everyone's password, `$REFRESH` a refresh token, `$VARIANT` a variant on sale; `{id}` becomes an object of the owner's, see [`Cast::path`].
const ROWS: &[(&str, Allowed, &str)] = &[
    ("GET /health", Everyone, ""),
    (
        "POST /api/v1/auth/register",
        Everyone,
        r#"{"username":"$NEW","email":"$NEW@example.com","password":"$PASSWORD"}"#,
    ),
    ("POST /api/v1/auth/login", Everyone, r#"{"email":"$OWNER","password":"$PASSWORD"}"#),
    ("GET /api/v1/auth/me", AnyAccount, ""),
    ("GET /api/v1/products", AnyAccount, ""),
    ("POST /api/v1/products", AnyAccount, r#"{"name":"$NEW","price":1}"#),
    ("GET /api/v1/products/{id}", OwnerAndAdmins, ""),
    ("PUT /api/v1/products/{id}", OwnerAndAdmins, r#"{"name":"$NEW"}"#),
    ("DELETE /api/v1/products/{id}", OwnerAndAdmins, ""),
    ("GET /api/v1/users", Admins, ""),
    ("GET /api/v1/users/{id}", Admins, ""),
    ("GET /.well-known/jwks.json", Everyone, ""),
    ("POST /api/v2/accounts", Everyone, r#"{"username":"$NEW","email":"$NEW@example.com","password":"$PASSWORD"}"#),
    ("GET /api/v2/sessions", AnyAccount, ""),
    ("POST /api/v2/sessions", Everyone, r#"{"email":"$OWNER","password":"$PASSWORD"}"#),
    ("DELETE /api/v2/sessions", AnyAccount, ""),
    ("DELETE /api/v2/sessions/current", AnyAccount, ""),
    ("DELETE /api/v2/sessions/{id}", Owner, ""),
    ("POST /api/v2/sessions/refresh", Everyone, r#"{"refresh_token":"$REFRESH"}"#),
    ("GET /api/v2/me", AnyAccount, ""),
    ("DELETE /api/v2/me", AnyAccount, ""),
    ("GET /api/v2/me/export", AnyAccount, ""),
    ("PATCH /api/v2/me", AnyAccount, r#"{"username":"$NEW"}"#),
    ("PUT /api/v2/me/password", AnyAccount, r#"{"current_password":"$PASSWORD","new_password":"$NEW zebra pin"}"#),
    ("POST /api/v2/me/email-verification", AnyAccount, ""),
    ("POST /api/v2/email-verifications", WhoeverWasMailed, r#"{"token":"guessed"}"#),
    ("POST /api/v2/password-resets", Everyone, r#"{"email":"$OWNER"}"#),
    ("POST /api/v2/password-resets/confirm", WhoeverWasMailed, r#"{"token":"guessed","password":"$NEW zebra pin"}"#),
    ("GET /api/v2/products", Everyone, ""),
    ("POST /api/v2/products", AnyAccount, r#"{"name":"$NEW","price":{"amount":1,"currency":"USD"}}"#),
    ("GET /api/v2/products/{id}", Everyone, ""),
    ("GET /api/v2/products/by-handle/{owner_id}/{handle}", Everyone, ""),
    ("GET /api/v2/products/{id}/variants", Everyone, ""),
    ("PUT /api/v2/products/{id}", OwnerAndAdmins, r#"{"name":"$NEW","price":{"amount":1,"currency":"USD"}}"#),
    ("PATCH /api/v2/products/{id}", OwnerAndAdmins, r#"{"name":"$NEW"}"#),
    ("DELETE /api/v2/products/{id}", OwnerAndAdmins, ""),
    (
        "POST /api/v2/products/{id}/variants",
        OwnerAndAdmins,
        r#"{"options":{"Size":"$NEW"},"price":{"amount":1,"currency":"USD"}}"#,
    ),
    ("GET /api/v2/variants/{id}", Everyone, ""),
    ("PATCH /api/v2/variants/{id}", OwnerAndAdmins, r#"{"barcode":"$NEW"}"#),
    ("DELETE /api/v2/variants/{id}", OwnerAndAdmins, ""),
    ("POST /api/v2/variants/{id}/stock-adjustments", OwnerAndAdmins, r#"{"delta":1,"reason":"$NEW"}"#),
    (
        "POST /api/v2/batch/prices",
        OwnerAndAdmins,
        r#"{"mode":"all","items":[{"variant_id":"$VARIANT","price":{"amount":7}}]}"#,
    ),
    (
        "POST /api/v2/batch/status",
        OwnerAndAdmins,
        r#"{"mode":"all","items":[{"product_id":"$PRODUCT","status":"active"}]}"#,
    ),
    (
        "POST /api/v2/batch/stock",
        OwnerAndAdmins,
        r#"{"mode":"all","reason":"$NEW","items":[{"variant_id":"$VARIANT","delta":1}]}"#,
    ),
    ("GET /api/v2/variants/{id}/stock-movements", OwnerAndAdmins, ""),
    ("GET /api/v2/variants/{id}/low-stock-threshold", OwnerAndAdmins, ""),
    ("PUT /api/v2/variants/{id}/low-stock-threshold", OwnerAndAdmins, r#"{"threshold":3}"#),
    ("GET /api/v2/reservations", AnyAccount, ""),
    ("GET /api/v2/me/holds", AnyAccount, ""),
    ("GET /api/v2/sellers/{id}", Everyone, ""),
    ("POST /api/v2/reservations", AnyAccount, r#"{"lines":[{"variant_id":"$VARIANT","quantity":1}],"ttl_seconds":60}"#),
    // Of the account that made them: to the seller of what is held they are as absent.
    ("GET /api/v2/reservations/{id}", OwnerAndAdmins, ""),
    ("DELETE /api/v2/reservations/{id}", OwnerAndAdmins, ""),
    ("POST /api/v2/reservations/{id}/extend", OwnerAndAdmins, r#"{"ttl_seconds":90}"#),
    ("POST /api/v2/reservations/{id}/commit", OwnerAndAdmins, ""),
    ("GET /api/v2/users", Admins, ""),
    ("GET /api/v2/users/{id}", Admins, ""),
    ("PATCH /api/v2/users/{id}", Admins, r#"{"active":true}"#),
    ("GET /api/v2/users/{id}/sessions", Admins, ""),
    ("DELETE /api/v2/users/{id}/sessions", Admins, ""),
    ("GET /api/v2/jobs", Admins, ""),
    ("GET /api/v2/jobs/{id}", Admins, ""),
    ("DELETE /api/v2/jobs/{id}", Admins, ""),
    ("POST /api/v2/jobs/{id}/replay", Admins, ""),
    ("GET /api/v2/categories", Everyone, ""),
    ("GET /api/v2/me/products", AnyAccount, ""),
    ("GET /api/v2/users/{id}/products", Admins, ""),
];

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let documented: BTreeSet<String> = operations().iter().map(|o| format!("{} {}", o.method, o.path)).collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|(operation, ..)| (*operation).to_owned()).collect();
    assert_eq!(rows.len(), ROWS.len(), "an operation has one row");
    let (missing, idle): (Vec<_>, Vec<_>) =
        (documented.difference(&rows).collect(), rows.difference(&documented).collect());
    assert!(missing.is_empty() && idle.is_empty(), "without a row: {missing:?}; without an operation: {idle:?}");
}

fn everyone_gets_what_their_row_says(topology: Topology) {
    let server = Server::start(topology);
    let cast = Cast::new(&server);
    for &(operation, allowed, body) in ROWS {
        let (method, template) = operation.split_once(' ').expect("a method and a path");
        for (role, client) in cast.callers(method, template) {
            let answer = cast.ask(&client, method, template, body);
            let refused = refusals(allowed, role, template);
            let as_told = match refused {
                [] => answer.status < 400,
                refused => refused.contains(&answer.status),
            };
            let expected = if refused.is_empty() { "an answer".to_owned() } else { format!("{refused:?}") };
            let (status, text) = (answer.status, answer.text());
            assert!(as_told, "{operation} as {role:?}: {status} instead of {expected}: {text}");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Anonymous,
    Stranger,
    Owner,
    Admin,
}

/// The statuses of which a caller gets one; none when the caller is served.
fn refusals(allowed: Allowed, role: Role, template: &str) -> &'static [u16] {
    match (allowed, role) {
        (Everyone, _) | (Owner, Role::Owner) | (OwnerAndAdmins, Role::Owner | Role::Admin) | (Admins, Role::Admin) => {
            &[]
        }
        (WhoeverWasMailed, _) => &[422],
        (_, Role::Anonymous) => &[401],
        (AnyAccount, _) => &[],
        // v2 does not say that it has what the caller may not see.
        (Owner | OwnerAndAdmins, _) if template.starts_with("/api/v2/") => &[403, 404],
        (Owner | OwnerAndAdmins | Admins, _) => &[403],
    }
}

/// Those who ask, and what they ask for.
struct Cast<'a> {
    server: &'a Server,
    owner: Person,
    stranger: Person,
    admin: Person,
    /// An active product of the owner's.
    active: Value,
}

impl<'a> Cast<'a> {
    fn new(server: &'a Server) -> Self {
        let owner = register(server);
        import(server, HOME, &owner.email).expect_code(0);
        let active = all_active(&server.client()).swap_remove(0);
        let variant = text(&active["variants"][0]["id"]);
        let many = json!({ "on_hand": 1_000, "reason": "for all" });
        let path = format!("/api/v2/variants/{variant}/stock-adjustments");
        v2::log_in(server, &owner.email).post(&path, &many).expect(201);
        Self { server, owner, stranger: register(server), admin: administrator(server), active }
    }

    fn callers(&self, method: &str, template: &str) -> Vec<(Role, Client)> {
        // What ends one's own sessions must not end them for the rows to come.
        let own = template.contains("/me") || template.contains("/sessions");
        let fresh = (method != "GET" && own && !template.contains('{'))
            .then(|| (register(self.server), register(self.server), administrator(self.server)));
        let (stranger, owner, admin) = match &fresh {
            Some((stranger, owner, admin)) => (stranger, owner, admin),
            None => (&self.stranger, &self.owner, &self.admin),
        };
        let client = |person: &Person| {
            if template.starts_with("/api/v2/") { v2::log_in(self.server, &person.email) } else { person.api.clone() }
        };
        vec![
            (Role::Anonymous, self.server.client()),
            (Role::Stranger, client(stranger)),
            (Role::Owner, client(owner)),
            (Role::Admin, client(admin)),
        ]
    }

    fn ask(&self, client: &Client, method: &str, template: &str, body: &str) -> Response {
        let refresh = if body.contains("$REFRESH") { text(&self.session()["refresh_token"]) } else { String::new() };
        let body = body.replace("$NEW", &unique("new")).replace("$OWNER", &self.owner.email);
        let body = body.replace("$PASSWORD", PASSWORD).replace("$REFRESH", &refresh);
        let body = body.replace("$VARIANT", &self.variant()).replace("$PRODUCT", &text(&self.active["id"]));
        // Whatever the version: this is about persons.
        let headers = [("content-type", "application/json"), ("if-match", "*")];
        client.send(method, &self.path(method, template), &headers, (!body.is_empty()).then_some(body.as_bytes()))
    }

    /// A new session of the owner's.
    fn session(&self) -> Value {
        v2::open(&self.server.client(), &self.owner.email, PASSWORD).expect(201).json()
    }

    fn variant(&self) -> String {
        text(&self.active["variants"][0]["id"])
    }

    /// A draft of two variants.
    fn draft(&self) -> Value {
        let variant = |size: &str| json!({ "options": { "Size": size }, "price": usd(1) });
        let shirt = json!({ "name": "asked for", "variants": [variant("S"), variant("L")] });
        create(&v2::log_in(self.server, &self.owner.email), &shirt)
    }

    /// An address of something that is the owner's: a new one where the caller may take it away.
    fn path(&self, method: &str, template: &str) -> String {
        let Some((collection, _)) = template.split_once("/{") else { return template.to_owned() };
        let id = match collection {
            "/api/v1/products" => text(&create_named(&self.owner.api, "asked for")["id"]),
            "/api/v2/products/by-handle" => {
                format!("{}/{}", text(&self.active["owner_id"]), text(&self.active["handle"]))
            }
            "/api/v2/products" if method == "GET" => text(&self.active["id"]),
            "/api/v2/variants" if method == "GET" => text(&self.active["variants"][0]["id"]),
            "/api/v2/sessions" => {
                let token = text(&self.session()["access_token"]);
                let sessions = self.server.client().with_token(&token).get("/api/v2/sessions").json();
                let items = sessions["items"].as_array().expect("sessions");
                text(&items.iter().find(|session| session["current"] == true).expect("this session")["id"])
            }
            "/api/v2/reservations" => {
                let basket = json!({ "lines": [{ "variant_id": self.variant(), "quantity": 1 }], "ttl_seconds": 600 });
                let owner = v2::log_in(self.server, &self.owner.email);
                text(&owner.post("/api/v2/reservations", &basket).expect(201).json()["id"])
            }
            // Every service has jobs, and none is anybody's.
            "/api/v2/jobs" => super::v2::jobs::parked(self.server, "products"),
            "/api/v2/products" => text(&self.draft()["id"]),
            "/api/v2/variants" => text(&self.draft()["variants"][0]["id"]),
            "/api/v1/users" | "/api/v2/users" | "/api/v2/sellers" => self.owner.id.clone(),
            other => panic!("no object for {other}/{{id}}: say here how the owner gets one"),
        };
        template.replace("{id}", &id).replace("{owner_id}/{handle}", &id)
    }
}
