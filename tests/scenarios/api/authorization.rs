//! Who may call what: a row for every operation of the documents, tried as everyone.

use std::collections::BTreeSet;

use testkit::contract::operations;
use testkit::{Client, Response, Server, Topology, on_both};

use crate::catalogue::{HOME, all_active, import};
use crate::people::{PASSWORD, Person, administrator, register, unique};
use crate::v1::{create_named, text};

on_both!(everyone_gets_what_their_row_says,);

/// Who gets an answer other than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Everyone,
    AnyAccount,
    OwnerAndAdmins,
    Admins,
}
use Allowed::{Admins, AnyAccount, Everyone, OwnerAndAdmins};

/// Operation, who may, and a valid body. `$NEW` is a word that nothing has, `$OWNER` the e-mail address of the owner, `$PASSWORD`
/// everyone's password; `{id}` becomes an object of the owner's, see [`Cast::path`].
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
    ("GET /api/v2/products", Everyone, ""),
    ("GET /api/v2/products/{id}", Everyone, ""),
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
        (Everyone, _)
        | (_, Role::Admin)
        | (AnyAccount | OwnerAndAdmins, Role::Owner)
        | (AnyAccount, Role::Stranger) => &[],
        (_, Role::Anonymous) => &[401],
        // v2 does not say that it has what the caller may not see.
        (OwnerAndAdmins, _) if template.starts_with("/api/v2/") => &[403, 404],
        (OwnerAndAdmins | Admins, _) => &[403],
    }
}

/// Those who ask, and what they ask for.
struct Cast<'a> {
    server: &'a Server,
    owner: Person,
    stranger: Person,
    admin: Person,
    /// An active product of the owner's.
    active: String,
}

impl<'a> Cast<'a> {
    fn new(server: &'a Server) -> Self {
        let owner = register(server);
        import(server, HOME, &owner.email).expect_code(0);
        let active = text(&all_active(&server.client()).first().expect("an active product")["id"]);
        Self { server, owner, stranger: register(server), admin: administrator(server), active }
    }

    /// Everyone who can ask: without v2's log-in, nobody but the public asks v2.
    fn callers(&self, method: &str, template: &str) -> Vec<(Role, Client)> {
        // What ends one's own session must not end it for the rows to come.
        let ends_session = method != "GET" && (template.contains("/me") || template.contains("/sessions"));
        let fresh = ends_session.then(|| (register(self.server), register(self.server), administrator(self.server)));
        let (stranger, owner, admin) = match &fresh {
            Some((stranger, owner, admin)) => (stranger, owner, admin),
            None => (&self.stranger, &self.owner, &self.admin),
        };
        let people = [(Role::Stranger, stranger), (Role::Owner, owner), (Role::Admin, admin)];
        let client = |person: &Person| match template.starts_with("/api/v2/") {
            true => self.v2(person),
            false => Some(person.api.clone()),
        };
        let known = people.into_iter().filter_map(|(role, person)| Some((role, client(person)?)));
        [(Role::Anonymous, self.server.client())].into_iter().chain(known).collect()
    }

    /// This person in v2, once one can log in there.
    fn v2(&self, person: &Person) -> Option<Client> {
        operations().iter().find(|operation| operation.method == "POST" && operation.path == "/api/v2/sessions")?;
        let body = serde_json::json!({ "email": person.email, "password": PASSWORD });
        let session = self.server.client().post("/api/v2/sessions", &body).expect(201).json();
        Some(self.server.client().with_token(&text(&session["access_token"])))
    }

    fn ask(&self, client: &Client, method: &str, template: &str, body: &str) -> Response {
        let body =
            body.replace("$NEW", &unique("new")).replace("$OWNER", &self.owner.email).replace("$PASSWORD", PASSWORD);
        // Whatever the version: this is about persons.
        let headers = [("content-type", "application/json"), ("if-match", "*")];
        client.send(method, &self.path(method, template), &headers, (!body.is_empty()).then_some(body.as_bytes()))
    }

    /// An address of something that is the owner's: a new one where the caller may take it away.
    fn path(&self, method: &str, template: &str) -> String {
        let Some((collection, _)) = template.split_once("/{") else { return template.to_owned() };
        let id = match collection {
            "/api/v1/products" => text(&create_named(&self.owner.api, "asked for")["id"]),
            "/api/v2/products" if method == "GET" => self.active.clone(),
            "/api/v1/users" | "/api/v2/users" => self.owner.id.clone(),
            other => panic!("no object for {other}/{{id}}: say here how the owner gets one"),
        };
        template.replace("{id}", &id)
    }
}
