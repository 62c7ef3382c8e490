//! What all answers have in common: their headers, and that they have exactly the fields which the document names.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, AllOf, ArrayItems, SchemaType};
use utoipa::openapi::{Components, Header, Object, ObjectBuilder, OpenApi, Paths, RefOr, Response, Schema, Type};

use super::{inline, operations, takes_header};

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

/// A stored answer says that it is one, a fresh one says nothing.
fn replayed() -> Header {
    Header::new(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])))
}

/// Closes every object that an answer can hold, so that a field which no document names is an error that tests see, and so is
/// the lack of one. What only requests hold stays as its type says: v1 ignores what it does not know.
pub fn close(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let asked = asked(&document.paths, components);
    let mut found = BTreeSet::new();
    let answers = document.paths.paths.values_mut().flat_map(operations);
    for response in answers.flat_map(|operation| operation.responses.responses.values_mut()) {
        if let RefOr::T(Response { content, .. }) = response {
            let schemas = content.values_mut().filter_map(|content| match content {
                RefOr::T(content) => content.schema.as_mut(),
                RefOr::Ref(_) => None,
            });
            schemas.for_each(|schema| close_schema(schema, components, true, &mut found));
        }
    }
    let mut closed = BTreeSet::new();
    while let Some(name) = found.pop_first() {
        if let Some(mut schema) = components.schemas.get(&name).cloned().filter(|_| closed.insert(name.clone())) {
            close_schema(&mut schema, components, !asked.contains(&name), &mut found);
            components.schemas.insert(name, schema);
        }
    }
}

/// The schemas that bodies of requests hold.
fn asked(paths: &Paths, components: &Components) -> BTreeSet<String> {
    let items = paths.paths.values();
    let operations = items.flat_map(|item| [&item.get, &item.put, &item.post, &item.delete, &item.patch]).flatten();
    let bodies = operations.filter_map(|operation| serde_json::to_value(operation.request_body.as_ref()?).ok());
    let mut names = BTreeSet::new();
    let mut parts: Vec<Value> = bodies.collect();
    while let Some(part) = parts.pop() {
        match part {
            Value::String(text) => {
                if let Some((name, schema)) = named(&text).and_then(|name| components.schemas.get_key_value(name))
                    && names.insert(name.clone())
                {
                    parts.extend(serde_json::to_value(schema));
                }
            }
            Value::Array(inner) => parts.extend(inner),
            Value::Object(inner) => parts.extend(inner.into_iter().map(|(_, inner)| inner)),
            _ => {}
        }
    }
    names
}

/// Closes a schema, and tells the names of those that it refers to.
fn close_schema(schema: &mut RefOr<Schema>, components: &Components, whole: bool, found: &mut BTreeSet<String>) {
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
                    close_object(object, whole);
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
    inner.into_iter().for_each(|schema| close_schema(schema, components, whole, found));
}

/// Our answers say `null` or leave a field out, never both; so what may be null is always there. In a `whole` object, that is:
/// one that requests hold too need not be.
fn close_object(object: &mut Object, whole: bool) {
    if !object.properties.is_empty() && object.additional_properties.is_none() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
    if whole {
        let nullable =
            object.properties.iter().filter(|(name, field)| may_be_null(field) && !object.required.contains(name));
        let nullable: Vec<String> = nullable.map(|(name, _)| name.clone()).collect();
        object.required.extend(nullable);
    }
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
