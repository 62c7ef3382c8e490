//! What most products do not say of themselves: kept beside their row, so that those who say nothing of it pay nothing.

use std::collections::HashSet;
use std::fmt;

use kernel::product::Grams;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stock::model::Inventory;

use super::Image;

/// What else is known of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetails {
    /// Such as `Home & Garden > Decor > Mirrors`; the category is often its last part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seo_title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seo_description: Option<String>,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Whether a buyer who asks for too many units learns how many are left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show_available: bool,
}

/// What else is known of a variant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantDetails {
    #[serde(default, skip_serializing_if = "Inventory::is_tracked")]
    pub inventory: Inventory,
    /// Whether it is sold beyond its stock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backorder: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Grams>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

impl ProductDetails {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl VariantDetails {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Named values, in the order in which they came; no name is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a value at its place, or as the last one; without a value, takes the name away.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        let place = self.0.iter().position(|(known, _)| known == name);
        match (place, value) {
            (Some(place), Some(value)) => self.0[place].1 = value,
            (Some(place), None) => drop(self.0.remove(place)),
            (None, Some(value)) => self.0.push((name.to_owned(), value)),
            (None, None) => {}
        }
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Attributes, M::Error> {
                let (mut named, mut seen) = (Attributes::default(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(M::Error::custom(format!("duplicate field `{name}`")));
                    }
                    named.0.push((name, value));
                }
                Ok(named)
            }
        }

        deserializer.deserialize_map(Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_their_order() {
        let text = r#"{"custom.b":"2","a":"1"}"#;
        let mut attributes: Attributes = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&attributes).unwrap(), text);
        attributes.set("custom.b", Some("3".into()));
        attributes.set("c", Some("4".into()));
        attributes.set("a", None);
        attributes.set("d", None);
        assert_eq!(serde_json::to_string(&attributes).unwrap(), r#"{"custom.b":"3","c":"4"}"#);
        for refused in [r#"{"a":"1","a":"2"}"#, r#"{"a":1}"#, r#"["a"]"#] {
            assert!(serde_json::from_str::<Attributes>(refused).is_err(), "{refused}");
        }
    }
}
