//! DELETE /api/v1/products/:id

use serde_json::json;
use testkit::{Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{assert_failure, create_named, names, path};

on_each!(its_owner_and_administrators_delete_a_product, others_are_refused);

fn its_owner_and_administrators_delete_a_product(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin) = (register(&server), administrator(&server));
    create_named(&ada.api, "kept");
    for person in [&ada, &admin] {
        let product = path(&create_named(&ada.api, "deleted"));
        let answer = person.api.delete(&product).expect(200).json();
        assert_eq!(answer, json!({ "success": true, "message": "Product deleted successfully" }));
        assert_failure(&ada.api.get(&product), 404, "Product not found");
        assert_failure(&ada.api.put(&product, &json!({ "stock": 1 })), 404, "Product not found");
        assert_failure(&person.api.delete(&product), 404, "Product not found");
    }
    assert_eq!(names(&ada.api, ""), ["kept"]);
}

fn others_are_refused(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let product = path(&create_named(&ada.api, "kept"));
    let message = "Access denied. You can only delete your own products.";
    assert_failure(&bob.api.delete(&product), 403, message);
    ada.api.get(&product).expect(200);
}
