//! PUT /api/v1/products/:id with texts that the product has already, longer than v1 lets anybody make them.

use serde_json::{Value, json};
use testkit::{Client, Server, Topology, on_each};

use crate::people::{administrator, register};
use crate::v1::{CATEGORY, DESCRIPTION, NAME, PRICE, assert_failure, assert_invalid, broken, create, path};

on_each!(
    texts_that_come_back_as_they_were_shown_are_taken,
    only_what_changed_is_told_as_wrong,
    a_description_has_at_most_64_kib,
);

struct Long {
    name: String,
    category: String,
    description: String,
}

/// A product as a file may bring it.
fn long(server: &Server, api: &Client) -> (Value, Long) {
    let product = create(api, &json!({ "name": "Lamp", "price": "9.90", "stock": 1 }));
    let long = Long { name: "n".repeat(255), category: "c".repeat(255), description: "d".repeat(65_537) };
    let Long { name, category, description } = &long;
    let id = product["id"].as_str().expect("an id").replace('-', "");
    // Ids are bytes on SQLite.
    let id = if server.topology().is_sqlite() { format!("x'{id}'") } else { format!("'{id}'") };
    let columns = format!("name = '{name}', category = '{category}', description = '{description}'");
    server.sql("products", &format!("update products set {columns} where id = {id}"));
    (product, long)
}

fn texts_that_come_back_as_they_were_shown_are_taken(topology: Topology) {
    let server = Server::start(topology);
    let (ada, admin) = (register(&server), administrator(&server));
    let (product, long) = long(&server, &ada.api);
    for (person, price) in [(&ada, "10.90"), (&admin, "11.90")] {
        let form = person.api.get(&path(&product)).expect(200).json()["data"]["product"].clone();
        assert_eq!(form["name"], long.name);
        let mut posted = json!({ "price": price, "stock": form["stock"].to_string() });
        for field in ["name", "category", "description"] {
            posted[field] = form[field].clone();
        }
        posted["name"] = format!("  {}\t", long.name).into();
        let after = person.api.put(&path(&product), &posted).expect(200).json()["data"]["product"].clone();
        assert_eq!(after["price"], price);
        assert_eq!((&after["name"], &after["category"]), (&json!(long.name), &json!(long.category)));
        assert_eq!(after["description"], long.description);
    }
    // They may be made shorter one by one.
    for (field, value) in [("name", "Lamp"), ("category", "Light"), ("description", "warm")] {
        let after = ada.api.put(&path(&product), &json!({ field: value })).expect(200).json();
        assert_eq!(after["data"]["product"][field], value);
    }
    // And not long again.
    let refused = ada.api.put(&path(&product), &json!({ "name": long.name }));
    assert_invalid(&refused, &[broken("name", long.name, NAME)]);
}

fn only_what_changed_is_told_as_wrong(topology: Topology) {
    let server = Server::start(topology);
    let (ada, bob) = (register(&server), register(&server));
    let (product, long) = long(&server, &ada.api);
    let at = path(&product);
    let other = "o".repeat(201);
    // The catalogue knows the name, and refuses what else is wrong, in the order of the rules.
    let body = json!({ "description": long.description, "category": other, "price": "free", "name": long.name });
    let errors = [broken("price", "free", PRICE), broken("category", other.as_str(), CATEGORY)];
    assert_invalid(&ada.api.put(&at, &body), &errors);
    let body = json!({ "category": other, "price": "1e8", "name": other });
    let errors = [
        broken("name", other.as_str(), NAME),
        broken("price", "1e8", PRICE),
        broken("category", other.as_str(), CATEGORY),
    ];
    assert_invalid(&ada.api.put(&at, &body), &errors);
    // Who does not manage the product is told nothing of it: to them, all of it is new.
    assert_invalid(&bob.api.put(&at, &body), &errors);
    assert_invalid(&bob.api.put(&at, &json!({ "name": long.name })), &[broken("name", long.name.as_str(), NAME)]);
    let errors = [broken("name", long.name.as_str(), NAME), broken("price", "free", PRICE)];
    assert_invalid(&bob.api.put(&at, &json!({ "price": "free", "name": long.name })), &errors);
    let message = "Access denied. You can only update your own products.";
    assert_failure(&bob.api.put(&at, &json!({ "name": "Lamp" })), 403, message);
}

fn a_description_has_at_most_64_kib(topology: Topology) {
    let server = Server::start(topology);
    let ada = register(&server);
    let product = create(&ada.api, &json!({ "name": "Lamp", "price": 1 }));
    let send = |description: &str| {
        let body = json!({ "name": "Lamp", "price": 1, "description": description });
        [ada.api.post("/api/v1/products", &body), ada.api.put(&path(&product), &body)]
    };
    for longest in ["d".repeat(65_536), "語".repeat(21_845)] {
        for answer in send(&longest) {
            assert!(answer.status < 300, "{}", answer.text());
            assert_eq!(answer.json()["data"]["product"]["description"], longest);
        }
    }
    // In bytes, not in characters.
    for long in ["d".repeat(65_537), "語".repeat(21_846)] {
        for answer in send(&long) {
            assert_invalid(&answer, &[broken("description", long.as_str(), DESCRIPTION)]);
        }
    }
}
