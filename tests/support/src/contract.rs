//! What the committed OpenAPI documents promise, held against what the server answers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use serde_json::Value;

use crate::client::Response;

const FILES: [&str; 2] = ["v1.json", "v2.json"];

/// One operation of a document.
pub struct Operation {
    pub id: String,
    /// In capitals.
    pub method: String,
    /// The path's template: `/api/v1/products/{id}`.
    pub path: String,
    /// As it stands in its document.
    pub described: Value,
    answers: HashMap<u16, Answer>,
}

impl Operation {
    /// Where it is done with the thing of this id; or of this owner's id and handle, with a slash between them.
    pub fn at(&self, id: &str) -> String {
        let by_handle = if id.contains('/') { id.to_owned() } else { format!("{id}/desk-lamp") };
        self.path.replace("{id}", id).replace("{owner_id}/{handle}", &by_handle)
    }
}

struct Answer {
    /// Names, in lower case, of the headers that are always there.
    headers: Vec<String>,
    /// By media type. Without any, there is no body.
    bodies: HashMap<String, Option<Arc<Validator>>>,
}

/// Every operation of v1 and v2.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| FILES.iter().flat_map(|file| read(&document(file))).collect())
}

/// Panics unless every example in the documents holds to the schema beside it.
pub fn assert_examples() {
    for document in FILES.map(document) {
        Schemas::of(&document).assert_examples(&document);
    }
}

/// Whether an answer is one that the documents promise.
///
/// # Errors
/// What differs.
pub fn check(method: &str, path: &str, response: &Response) -> Result<(), String> {
    // Those that HTTP itself defines.
    if matches!(method, "HEAD" | "OPTIONS") {
        return Ok(());
    }
    let path = path.split('?').next().unwrap_or_default();
    let undocumented = || match response.status {
        404 | 405 => Ok(()),
        ..400 if !path.starts_with("/api/") => Ok(()),
        status => Err(format!("no document has this operation, so it cannot answer {status}")),
    };
    operation(method, path).map_or_else(undocumented, |operation| operation.check(response))
}

/// The operation that answers this request: of several templates that fit, the one with the fewest parameters.
fn operation(method: &str, path: &str) -> Option<&'static Operation> {
    // As the monolith did, v1 takes a slash at the end too.
    let path = if path.starts_with("/api/v1/") { path.strip_suffix('/').unwrap_or(path) } else { path };
    let fitting = operations().iter().filter(|operation| operation.method == method && fits(&operation.path, path));
    fitting.min_by_key(|operation| operation.path.matches('{').count())
}

fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut sent) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), sent.next()) {
            (None, None) => return true,
            (Some(expected), Some(sent)) if expected == sent || (expected.starts_with('{') && !sent.is_empty()) => {}
            _ => return false,
        }
    }
}

impl Operation {
    fn check(&self, response: &Response) -> Result<(), String> {
        let Operation { method, path, answers, .. } = self;
        let answer = answers
            .get(&response.status)
            .ok_or_else(|| format!("{method} {path} declares no status {}: {}", response.status, response.text()))?;
        let told = format!("{method} {path} with status {}", response.status);
        for header in &answer.headers {
            response.header(header).ok_or_else(|| format!("{told} declares the header {header}, which is missing"))?;
        }
        if answer.bodies.is_empty() {
            return if response.body.is_empty() {
                Ok(())
            } else {
                Err(format!("{told} declares no body: {}", response.text()))
            };
        }
        let sent = response.header("content-type").unwrap_or_default();
        let media_type = sent.split(';').next().unwrap_or_default().trim();
        let schema = answer.bodies.get(media_type).ok_or_else(|| format!("{told} does not declare {sent:?}"))?;
        let Some(schema) = schema else { return Ok(()) };
        let body = serde_json::from_slice(&response.body).map_err(|error| format!("{told} is no JSON: {error}"))?;
        let errors: Vec<String> =
            schema.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("{told} breaks its schema: {}\n{body}", errors.join("; "))) }
    }
}

fn document(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi").join(file);
    let text = std::fs::read_to_string(&path).expect("the committed document");
    serde_json::from_str(&text).expect("a document is JSON")
}

fn read(document: &Value) -> Vec<Operation> {
    let mut schemas = Schemas::of(document);
    let mut operations = Vec::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(item) {
            let answers = object(&operation["responses"]).map(|(status, answer)| {
                let status = status.parse().expect("declared statuses are numbers");
                (status, Answer { headers: required_headers(answer), bodies: bodies(answer, &mut schemas) })
            });
            operations.push(Operation {
                id: operation["operationId"].as_str().expect("an operation has an id").to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                answers: answers.collect(),
                described: operation.clone(),
            });
        }
    }
    operations
}

fn required_headers(answer: &Value) -> Vec<String> {
    let required = object(&answer["headers"]).filter(|(_, header)| header["required"] == true);
    required.map(|(name, _)| name.to_lowercase()).collect()
}

fn bodies(answer: &Value, schemas: &mut Schemas) -> HashMap<String, Option<Arc<Validator>>> {
    let declared = object(&answer["content"]);
    let body = |(media_type, content): (&String, &Value)| {
        let json = media_type.ends_with("json").then(|| schemas.compiled(&content["schema"]));
        (media_type.clone(), json)
    };
    declared.map(body).collect()
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The schemas of one document, each compiled once.
struct Schemas {
    /// What `$ref` leads to.
    components: Value,
    compiled: HashMap<String, Arc<Validator>>,
}

impl Schemas {
    fn of(document: &Value) -> Self {
        Self { components: document["components"].clone(), compiled: HashMap::new() }
    }

    fn assert_examples(&mut self, part: &Value) {
        let of_type = part.get("type").is_some_and(|kind| kind.is_string() || kind.is_array()).then_some(part);
        if let (Some(schema), Some(example)) = (part.get("schema").or(of_type), part.get("example")) {
            assert!(self.compiled(schema).is_valid(example), "an example that breaks its own schema: {part}");
        }
        let inner = part.as_object().into_iter().flat_map(|fields| fields.values());
        inner.chain(part.as_array().into_iter().flatten()).for_each(|part| self.assert_examples(part));
    }

    fn compiled(&mut self, schema: &Value) -> Arc<Validator> {
        let compile = || {
            let mut root = schema.clone();
            root["components"] = self.components.clone();
            let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&root);
            Arc::new(validator.expect("a schema of a document is valid"))
        };
        Arc::clone(self.compiled.entry(schema.to_string()).or_insert_with(compile))
    }
}
