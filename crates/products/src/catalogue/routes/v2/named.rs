//! Objects whose keys their clients choose: the options of variants, and the attributes of products.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use kernel::product::{MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_OPTION, MAX_OPTIONS};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{AdditionalProperties, Schema, SchemaType};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::catalogue::model::Attributes;

/// Names with values, in the order sent, repeated names among them: the rules tell of those.
#[derive(Debug, Clone, Default)]
pub struct Options<T = String>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Options<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Options<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Options<T>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Options(pairs))
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl PartialSchema for Options {
    fn schema() -> RefOr<Schema> {
        options(Type::String.into(), "`{\"Size\": \"Small\"}`: all variants of a product have the same names")
    }
}

impl ToSchema for Options {
    fn name() -> Cow<'static, str> {
        "VariantOptions".into()
    }
}

/// What is null is to go.
pub type OptionsPatch = Options<Option<String>>;

impl PartialSchema for OptionsPatch {
    fn schema() -> RefOr<Schema> {
        options(SchemaType::from_iter([Type::String, Type::Null]), "`{\"Size\": \"Small\"}`: others stay as they are")
    }
}

impl ToSchema for OptionsPatch {
    fn name() -> Cow<'static, str> {
        "VariantOptionsPatch".into()
    }
}

fn options(values: SchemaType, about: &str) -> RefOr<Schema> {
    let text = || ObjectBuilder::new().min_length(Some(1)).max_length(Some(MAX_OPTION));
    let value = text().schema_type(values);
    let options = ObjectBuilder::new()
        .description(Some(about))
        .property_names(Some(Schema::from(text().schema_type(Type::String))))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::from(value)))))
        .max_properties(Some(MAX_OPTIONS));
    RefOr::T(Schema::from(options))
}

/// `{"custom.material": "Wool"}`, in the order in which they are shown.
#[derive(Debug, Deserialize)]
pub struct AttributeMap(pub Attributes);

impl PartialSchema for AttributeMap {
    fn schema() -> RefOr<Schema> {
        attributes(
            Type::String.into(),
            "Named values, such as `{\"custom.material\": \"Wool\"}`: 256 KiB at most together",
        )
    }
}

impl ToSchema for AttributeMap {
    fn name() -> Cow<'static, str> {
        "Attributes".into()
    }
}

/// What is null is to go; others stay as they are.
#[derive(Debug, Deserialize)]
pub struct AttributesPatch(pub Options<Option<String>>);

impl PartialSchema for AttributesPatch {
    fn schema() -> RefOr<Schema> {
        let values = SchemaType::from_iter([Type::String, Type::Null]);
        attributes(values, "Named values to change; what is null is to go, others stay as they are")
    }
}

impl ToSchema for AttributesPatch {
    fn name() -> Cow<'static, str> {
        "AttributesPatch".into()
    }
}

fn attributes(values: SchemaType, about: &str) -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_ATTRIBUTE_NAME));
    let value = ObjectBuilder::new().schema_type(values).max_length(Some(MAX_ATTRIBUTE_BYTES));
    let attributes = ObjectBuilder::new()
        .description(Some(about))
        .property_names(Some(Schema::from(name)))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::from(value)))))
        .max_properties(Some(MAX_ATTRIBUTES));
    RefOr::T(Schema::from(attributes))
}
