//! The examples in the documents are what a real server was sent and answered.
//!
//! A walk calls the operations of a version. What it tells is committed in `docs/openapi/examples-*.json`, of which the binary
//! makes its documents; `make docs` renews it.

mod v1;
mod v2;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use testkit::contract::{Operation, assert_examples, operations};
use testkit::{Client, Server, Topology};

use crate::plain::Plain;
use crate::v1::NOBODY;

const HEADERS: [(&str, &str); 3] =
    [("user-agent", "Firefox on Linux"), ("content-type", "application/json"), ("if-match", "*")];

#[test]
fn every_example_holds_to_its_schema() {
    assert_examples();
}

struct Walk {
    server: Server,
    version: &'static str,
    plain: Plain,
    /// By operation and `request` or status.
    told: BTreeMap<String, Value>,
}

impl Walk {
    fn on(server: Server, version: &'static str) -> Self {
        Self { server, version, plain: Plain::default(), told: BTreeMap::new() }
    }

    /// Calls an operation, and keeps its first answer of each status, with the request where it was taken. `at` is what stands
    /// for `{id}`, and a query.
    #[track_caller]
    fn ask(&mut self, client: &Client, operation: &str, at: &str, body: impl Into<Option<Value>>) -> Value {
        let known = operations().iter().find(|known| known.id == operation);
        let known = known.unwrap_or_else(|| panic!("no document has {operation}"));
        let (id, query) = at.split_at(at.find('?').unwrap_or(at.len()));
        let (method, path) = (&known.method, known.at(id) + query);
        let body = body.into();
        let sent = body.as_ref().map(Value::to_string);
        let answer = client.send(method, &path, &HEADERS, sent.as_deref().map(str::as_bytes));
        if let (Some(body), 200..300) = (body, answer.status) {
            self.keep(operation, "request", body);
        }
        if answer.body.is_empty() {
            return Value::Null;
        }
        self.keep(operation, &answer.status.to_string(), answer.json());
        answer.json()
    }

    fn keep(&mut self, operation: &str, what: &str, example: Value) {
        let example = self.plain.of(example);
        self.told.entry(format!("{operation} {what}")).or_insert(example);
    }

    /// Holds the refusals that were not told to the examples that the code derives for them. `ids` are objects that everyone
    /// sees, by how their paths begin.
    fn hold(&self, anyone: &Client, stranger: &Client, ids: &[(&str, &str)]) {
        for operation in self.operations() {
            let Operation { id: name, method, path, described, .. } = operation;
            let (_, seen) = ids.iter().find(|(begin, _)| path.starts_with(begin)).unwrap_or(&("", NOBODY));
            for (status, answer) in described["responses"].as_object().into_iter().flatten() {
                let (mut client, mut id, mut headers) = (anyone, *seen, HEADERS.to_vec());
                let mut body = self.told.get(&format!("{name} request")).map(Value::to_string).unwrap_or_default();
                let nobody = client.with_token("nonsense");
                match status.as_str() {
                    "400" if described["requestBody"].is_null() => headers[2].1 = "1",
                    "400" => body = "{".to_owned(),
                    "401" => client = &nobody,
                    "403" => client = stranger,
                    "404" => id = NOBODY,
                    "412" => headers[2].1 = "\"0\"",
                    "413" => body = " ".repeat((1 << 20) + 1),
                    "415" => headers[1].1 = "text/plain",
                    "428" => headers.truncate(2),
                    _ => continue,
                }
                if !self.told.contains_key(&format!("{name} {status}")) {
                    let body = (!body.is_empty()).then_some(body.as_bytes());
                    let told = client.send(method, &operation.at(id), &headers, body).json();
                    for example in contents(answer).map(|content| content["example"].clone()) {
                        assert_eq!(of_any_request(told.clone()), of_any_request(example), "{name} {status}");
                    }
                }
            }
        }
    }

    fn operations(&self) -> impl Iterator<Item = &'static Operation> {
        let first = self.version == "v1";
        operations().iter().filter(move |operation| operation.id.starts_with("v1_") == first)
    }

    /// Commits what was told, or holds it to what is committed; then nothing may lack an example.
    fn end(self, topology: Topology) {
        let lines = self.told.iter().map(|(what, example)| format!("{}: {example}", json!(what)));
        let told = format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"));
        let file = format!("../docs/openapi/examples-{}.json", self.version);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            if topology.is_sqlite() {
                std::fs::write(file, told).expect("docs/openapi can be written");
            }
            return;
        }
        let committed = std::fs::read_to_string(file).expect("docs/openapi/examples-*.json");
        for (told, committed) in told.lines().zip(committed.lines()) {
            assert_eq!(told, committed, "an example differs; run make docs");
        }
        assert_eq!(told.len(), committed.len(), "some examples are told no longer, or not yet");
        for Operation { id, described, .. } in self.operations() {
            let parts = described["responses"].as_object().into_iter().flatten().map(|(_, answer)| answer);
            for content in parts.chain([&described["requestBody"]]).flat_map(contents) {
                assert!(content.get("example").is_some(), "{id} lacks an example: {content}");
            }
        }
    }
}

fn contents(part: &Value) -> impl Iterator<Item = &Value> {
    part["content"].as_object().into_iter().flatten().map(|(_, content)| content)
}

/// A problem without what names its request.
fn of_any_request(mut problem: Value) -> Value {
    for name in ["instance", "request_id"] {
        problem.as_object_mut().and_then(|problem| problem.remove(name));
    }
    problem
}
