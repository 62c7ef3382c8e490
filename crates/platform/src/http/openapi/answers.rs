//! What all answers have in common: their headers, and that they have the fields which the document names and no others.

use std::collections::BTreeSet;

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, AllOf, ArrayItems};
use utoipa::openapi::{Components, Header, Object, ObjectBuilder, OpenApi, RefOr, Response, Schema, Type};

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

/// Closes every object that an answer can hold, so that a field which no document names is an error that tests see. Request
/// bodies stay as their types say: v1 ignores what it does not know.
pub fn close(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let mut found = BTreeSet::new();
    let items = document.paths.paths.values_mut();
    let answers =
        items.flat_map(|item| operations(item)).flat_map(|operation| operation.responses.responses.values_mut());
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
                    if !object.properties.is_empty() && object.additional_properties.is_none() {
                        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                    }
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
