//! What all answers have in common: their headers, and that they have exactly the fields which the document names.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::HeaderValue;
use kernel::Error;
use kernel::error::Unauthenticated;
use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, AllOf, ArrayItems, SchemaType};
use utoipa::openapi::{Components, Header, Object, ObjectBuilder, OpenApi, RefOr, Response, Schema, Type};

use super::{Version, inline, operations, takes_header};
use crate::http::RequestId;
use crate::http::v1::Failure;
use crate::http::v2::Refusal;

const REPLAYED: &str = "Idempotent-Replayed";

/// Adds the headers that follow from an answer's status; marks those that it always has.
pub fn add_headers(operation: &mut Operation) {
    let replays = takes_header(operation, "Idempotency-Key");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let mut add = |name: &str, header: Header| {
            response.headers.entry(name.to_owned()).or_insert_with(|| header.into());
        };
        add("X-Request-Id", Header::default());
        match status.as_str() {
            "401" => add("WWW-Authenticate", Header::default()),
            "429" | "503" => {
                add("Retry-After", Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))))
            }
            "200" | "201" | "202" | "204" | "404" | "409" if replays => add(REPLAYED, replayed()),
            _ => {}
        }
        for (name, header) in &mut response.headers {
            if let (RefOr::T(header), true) = (header, name != REPLAYED) {
                // utoipa has no field for it.
                header.extensions = Some(Extensions::from_iter([("required", true)]));
            }
        }
    }
}

/// Shows refusals as the server words them; at `path`.
pub fn add_examples(operation: &mut Operation, path: &str, version: Version) {
    for (status, response) in &mut operation.responses.responses {
        let (RefOr::T(response), Ok(status)) = (response, status.parse()) else { continue };
        for content in response.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            content.example = content.example.take().or_else(|| match version {
                Version::V1 => v1_example(status),
                Version::V2 => v2_example(status, path),
            });
        }
    }
}

fn v2_example(status: u16, path: &str) -> Option<Value> {
    let request_id = RequestId::sent(&HeaderValue::from_static("0195ea1b-41f7-8e55-8000-5c2f1d0a9b3e"));
    Refusal::example(status)?.with_document(path, request_id.as_ref(), |document| serde_json::to_value(document).ok())
}

/// Those that v1 words alike at every endpoint.
fn v1_example(status: u16) -> Option<Value> {
    let error = match status {
        401 => Error::Unauthenticated(Unauthenticated::Missing),
        422 => Error::IdempotencyKeyReused,
        429 => Error::RateLimited { policy: "login", retry_after: Duration::from_secs(2) },
        500 => Error::Internal(String::new()),
        503 => Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) },
        _ => return None,
    };
    serde_json::to_value(Failure::from(error).body()).ok()
}

/// A stored answer says that it is one, a fresh one says nothing.
fn replayed() -> Header {
    Header::new(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])))
}

/// Closes every object that an answer can hold, so that a field which no document names is an error that tests see, and so is
/// the lack of one. Request bodies stay as their types say: v1 ignores what it does not know.
pub fn close(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let mut found = BTreeSet::new();
    let items = document.paths.paths.values_mut();
    let answers = items.flat_map(operations).flat_map(|operation| operation.responses.responses.values_mut());
    for response in answers {
        if let RefOr::T(Response { content, .. }) = response {
            let schemas = content.values_mut().filter_map(|content| match content {
                RefOr::T(content) => content.schema.as_mut(),
                RefOr::Ref(_) => None,
            });
            schemas.for_each(|schema| close_schema(schema, components, &mut found));
        }
    }
    let mut closed = BTreeSet::new();
    while let Some(name) = found.pop_first() {
        if let Some(mut schema) = components.schemas.get(&name).cloned().filter(|_| closed.insert(name.clone())) {
            close_schema(&mut schema, components, &mut found);
            components.schemas.insert(name, schema);
        }
    }
}

/// Closes a schema, and tells the names of those that it refers to.
fn close_schema(schema: &mut RefOr<Schema>, components: &Components, found: &mut BTreeSet<String>) {
    let inner: Vec<&mut RefOr<Schema>> = match schema {
        RefOr::Ref(other) => {
            found.extend(named(&other.ref_location).map(str::to_owned));
            return;
        }
        RefOr::T(schema) => {
            if let Schema::AllOf(all) = schema {
                *schema = Schema::Object(joined(all, components));
            }
            match schema {
                Schema::Object(object) => {
                    close_object(object);
                    object.properties.values_mut().collect()
                }
                Schema::Array(array) => match &mut array.items {
                    ArrayItems::RefOrSchema(items) => vec![items.as_mut()],
                    ArrayItems::False => Vec::new(),
                },
                Schema::OneOf(one) => one.items.iter_mut().collect(),
                Schema::AnyOf(any) => any.items.iter_mut().collect(),
                _ => Vec::new(),
            }
        }
    };
    inner.into_iter().for_each(|schema| close_schema(schema, components, found));
}

/// Our answers say `null` or leave a field out, never both; so what may be null is always there.
fn close_object(object: &mut Object) {
    if !object.properties.is_empty() && object.additional_properties.is_none() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
    let nullable =
        object.properties.iter().filter(|(name, field)| may_be_null(field) && !object.required.contains(name));
    let nullable: Vec<String> = nullable.map(|(name, _)| name.clone()).collect();
    object.required.extend(nullable);
}

fn may_be_null(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => is_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => is_null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(may_be_null),
        _ => false,
    }
}

fn is_null(schema_type: &SchemaType) -> bool {
    match schema_type {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(some) => some.contains(&Type::Null),
        SchemaType::AnyValue => false,
    }
}

/// One object of all the parts (a struct that another one flattens): closed parts would exclude each other.
fn joined(all: &AllOf, components: &Components) -> Object {
    let mut joined = Object::new();
    joined.description.clone_from(&all.description);
    for part in &all.items {
        let part = match part {
            RefOr::Ref(other) => {
                named(&other.ref_location).and_then(|name| components.schemas.get(name)).and_then(inline)
            }
            RefOr::T(schema) => Some(schema),
        };
        if let Some(Schema::Object(part)) = part {
            joined.properties.extend(part.properties.clone());
            joined.required.extend(part.required.iter().cloned());
        }
    }
    joined
}

fn named(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}
