//! GET /api/v1/auth/me

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{NO_TOKEN, assert_failure, keys};

on_each!(a_user_sees_themselves, nobody_is_refused);

fn a_user_sees_themselves(topology: Topology) {
    let server = Server::start(topology);
    for (person, role) in [(register(&server), "user"), (administrator(&server), "admin")] {
        let answer = person.api.get("/api/v1/auth/me").expect(200).json();
        let user = &answer["data"]["user"];
        assert_eq!(answer, json!({ "success": true, "data": { "user": user } }));
        assert_eq!(keys(user), ["createdAt", "email", "id", "isActive", "role", "updatedAt", "username"]);
        assert_eq!(user["id"], person.id.as_str());
        assert_eq!(user["username"], person.username.as_str());
        assert_eq!(user["email"], person.email.as_str());
        assert_eq!(user["role"], role);
    }
}

fn nobody_is_refused(topology: Topology) {
    let server = Server::start(topology);
    assert_failure(&server.client().get("/api/v1/auth/me"), 401, NO_TOKEN);
}
