//! JSON from outside this process: an object where a struct is, and nothing else.
//!
//! Left to itself, derived code takes a list for a struct, its fields in order: another form of the same thing, which no document
//! names, no filter of a proxy knows, and which changes its meaning when somebody moves a field.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A `T` from JSON, in which each struct, however deep, is an object.
///
/// # Errors
/// What is no JSON, or does not fit.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Objects(&mut deserializer))?;
    deserializer.end()?;
    Ok(value)
}

/// A `T` from a JSON object only. Only enums with a tag need it, which serde reads before it knows that they are structs:
/// [`Objects`] has the others.
#[derive(Debug, Clone)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// A deserializer that has a struct read as a map, and all that is in it by the same rule.
pub struct Objects<D>(pub D);

/// What is passed on with its visitor wrapped.
macro_rules! passed_on {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* Within(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Fields(visitor))
    }

    passed_on! {
        deserialize_any()
        deserialize_bool()
        deserialize_i8()
        deserialize_i16()
        deserialize_i32()
        deserialize_i64()
        deserialize_i128()
        deserialize_u8()
        deserialize_u16()
        deserialize_u32()
        deserialize_u64()
        deserialize_u128()
        deserialize_f32()
        deserialize_f64()
        deserialize_char()
        deserialize_str()
        deserialize_string()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_map()
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
        deserialize_ignored_any()
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The visitor of a value that may have structs in it.
struct Within<V>(V);

/// What is visited as it is.
macro_rules! as_it_is {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    as_it_is! {
        visit_bool(bool)
        visit_i8(i8)
        visit_i16(i16)
        visit_i32(i32)
        visit_i64(i64)
        visit_i128(i128)
        visit_u8(u8)
        visit_u16(u16)
        visit_u32(u32)
        visit_u64(u64)
        visit_u128(u128)
        visit_f32(f32)
        visit_f64(f64)
        visit_char(char)
        visit_str(&str)
        visit_borrowed_str(&'de str)
        visit_string(String)
        visit_bytes(&[u8])
        visit_borrowed_bytes(&'de [u8])
        visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Objects(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Objects(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Within(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Within(variant))
    }
}

/// The visitor of a struct, which knows no lists.
struct Fields<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(entries))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        // A key has no structs in it.
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(deserializer))
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Within<A> {
    type Error = A::Error;
    type Variant = Within<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, variant) = self.0.variant_seed(seed)?;
        Ok((name, Within(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Within<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Within(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Within(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        // The fields of a variant are no different: read as if a map were all that it holds.
        self.0.newtype_variant_seed(Fields(visitor))
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Fields<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde_json::Value;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: i64,
        #[serde(default)]
        name: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Meters(Point);

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Nothing,
        Of(Point),
        Pair(Point, Point),
        Line { from: Point, to: Point },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Point { x: i64 },
    }

    fn point(x: i64) -> Point {
        Point { x, name: None }
    }

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        from_slice(text.as_bytes()).map_err(|error| error.to_string())
    }

    /// Lists are taken for structs by serde's own rule, and not by ours.
    #[track_caller]
    fn refused<T: DeserializeOwned + Debug>(text: &str) {
        assert!(serde_json::from_str::<T>(text).is_ok(), "{text} is what derived code takes");
        let refused = read::<T>(text).unwrap_err();
        assert!(refused.contains("an object"), "{text}: {refused}");
    }

    #[test]
    fn a_list_is_no_struct_wherever_it_is() {
        refused::<Point>("[1, null]");
        refused::<Option<Point>>("[1, null]");
        refused::<Vec<Point>>(r#"[{"x": 1}, [1, null]]"#);
        refused::<(i64, Point)>("[1, [1, null]]");
        refused::<BTreeMap<String, Point>>(r#"{"a": [1, null]}"#);
        refused::<Meters>("[1, null]");
        refused::<Shape>(r#"{"Of": [1, null]}"#);
        refused::<Shape>(r#"{"Pair": [{"x": 1}, [1, null]]}"#);
        refused::<Shape>(r#"{"Line": [{"x": 1}, {"x": 2}]}"#);
        refused::<Shape>(r#"{"Line": {"from": [1, null], "to": {"x": 2}}}"#);
        assert!(serde_json::from_str::<Tagged>(r#"["Point", 1]"#).is_ok());
        assert!(read::<Object<Tagged>>(r#"["Point", 1]"#).unwrap_err().contains("an object"));
    }

    #[test]
    fn objects_are_read_as_they_always_were() {
        let named = Point { x: -1, name: Some("a\"é".into()) };
        assert_eq!(read(r#"{"name": "a\"é", "x": -1}"#), Ok(named));
        assert_eq!(read::<Option<Point>>("null"), Ok(None));
        assert_eq!(read(r#"[{"x": 1}, {"x": 2}]"#), Ok(vec![point(1), point(2)]));
        assert_eq!(read(r#"[1, {"x": 2}]"#), Ok((1, point(2))));
        assert_eq!(read(r#"{"x": 3}"#), Ok(Meters(point(3))));
        assert_eq!(read("\"Nothing\""), Ok(Shape::Nothing));
        assert_eq!(read(r#"{"Of": {"x": 1}}"#), Ok(Shape::Of(point(1))));
        assert_eq!(read(r#"{"Pair": [{"x": 1}, {"x": 2}]}"#), Ok(Shape::Pair(point(1), point(2))));
        let line = Shape::Line { from: point(1), to: point(2) };
        assert_eq!(read(r#"{"Line": {"from": {"x": 1}, "to": {"x": 2}}}"#), Ok(line));
        assert_eq!(
            read::<Object<Tagged>>(r#"{"x": 1, "kind": "Point"}"#).map(|Object(t)| t),
            Ok(Tagged::Point { x: 1 })
        );
    }

    /// Numbers of any precision come as maps of a private kind, which must stay what they are.
    #[test]
    fn values_keep_all_digits_and_their_lists() {
        let text = r#"{"a":[1.50,-0,12345678901234567890123,[true,null,"b"]],"c":{}}"#;
        assert_eq!(read::<Value>(text).map(|value| value.to_string()), Ok(text.to_owned()));
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for text in ["", "{", "{}", r#"{"x": 1} x"#, r#"{"x": "1"}"#, r#"{"x": 1, "y": 2}"#, r#"{"x": 1, "x": 2}"#] {
            assert!(read::<Point>(text).is_err(), "{text}");
        }
        assert!(from_slice::<Point>(b"{\"x\": 1, \"name\": \"\xff\"}").is_err());
    }
}
