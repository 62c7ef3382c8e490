//! The bounds of a product, which are the same whichever way it comes, and its units of measure.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::{DecimalError, parse_fixed};

/// Characters of a name. API v1 takes fewer.
pub const MAX_NAME: usize = 255;
pub const MAX_CATEGORY: usize = 255;
pub const MAX_CATEGORY_PATH: usize = 1_000;
pub const MAX_HANDLE: usize = 255;
/// Characters of a SKU or barcode. It is part of an index, whose entries PostgreSQL bounds.
pub const MAX_CODE: usize = 255;
/// Bytes of all option values of a variant as they are stored, for the same reason.
pub const MAX_OPTION_BYTES: usize = 1_500;
/// Characters of an option's name or value.
pub const MAX_OPTION: usize = 255;
pub const MAX_OPTIONS: usize = 3;
pub const MAX_VARIANTS: usize = 2_048;
/// Bytes.
pub const MAX_DESCRIPTION: usize = 64 << 10;
pub const MAX_SEO_TITLE: usize = 255;
pub const MAX_SEO_DESCRIPTION: usize = 5_000;
pub const MAX_VENDOR: usize = 255;
pub const MAX_TAGS: usize = 250;
pub const MAX_TAG: usize = 255;
pub const MAX_IMAGES: usize = 250;
pub const MAX_VARIANT_IMAGES: usize = 10;
pub const MAX_URL: usize = 2_048;
pub const MAX_ALT: usize = 512;
pub const MAX_ATTRIBUTES: usize = 250;
pub const MAX_ATTRIBUTE_NAME: usize = 255;
/// Bytes of a product as API v2 shows it: what can be stored can be sent back, within the usual limit of a body.
pub const MAX_PRODUCT_BYTES: usize = 1_000_000;
/// Bytes of all attributes of a product.
pub const MAX_ATTRIBUTE_BYTES: usize = 256 << 10;

/// A weight, in whole micrograms: as many decimals of a gram as scales of shops have, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grams(i64);

impl Grams {
    pub const DECIMALS: u32 = 6;
    const UNIT: i64 = 10_i64.pow(Self::DECIMALS);
    /// A thousand tonnes.
    pub const MAX: Self = Self(1_000_000_000 * Self::UNIT);

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads a decimal; what is beyond a microgram is rounded half up. Also tells whether nothing was.
    ///
    /// # Errors
    /// Not a decimal number; below zero; more than [`Grams::MAX`].
    pub fn parse(text: &str) -> Result<(Self, bool), DecimalError> {
        let (micrograms, exact) = parse_fixed(text, Self::DECIMALS)?;
        if micrograms > Self::MAX.0 { Err(DecimalError::TooLarge) } else { Ok((Self(micrograms), exact)) }
    }
}

impl fmt::Display for Grams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (grams, rest) = (self.0 / Self::UNIT, self.0 % Self::UNIT);
        if rest == 0 {
            return write!(f, "{grams}");
        }
        let decimals = format!("{rest:06}");
        write!(f, "{grams}.{}", decimals.trim_end_matches('0'))
    }
}

impl Serialize for Grams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = serde_json::Number::from_str(&self.to_string()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grams {
    /// A number with at most six decimals: what is kept must be what was sent.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        match Self::parse(&number.to_string()) {
            Ok((grams, true)) => Ok(grams),
            Ok((_, false)) => Err(D::Error::custom("expected grams with at most 6 decimals")),
            Err(error) => Err(D::Error::custom(format!("{error}: expected grams from 0 to {}", Self::MAX))),
        }
    }
}

/// `^https?://[^\s/?#]+([/?#]\S*)?$`, without control characters.
pub fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let visible = !rest.chars().any(|c| c.is_whitespace() || c.is_control());
        visible && !rest.is_empty() && !rest.starts_with(['/', '?', '#'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_to_a_microgram() {
        for (text, shown) in [
            ("0", "0"),
            ("200.0", "200"),
            ("453.59237", "453.59237"),
            ("226.79618500000002", "226.796185"),
            ("0.0000004", "0"),
            ("1e3", "1000"),
        ] {
            let (grams, _) = Grams::parse(text).unwrap();
            assert_eq!(grams.to_string(), shown, "{text}");
            let json = serde_json::to_string(&grams).unwrap();
            assert_eq!(json, shown);
            assert_eq!(serde_json::from_str::<Grams>(&json).unwrap(), grams);
        }
        assert!(Grams::parse("-1").is_err() && Grams::parse("1000000000.1").is_err() && Grams::parse("1 kg").is_err());
        for refused in ["0.0000001", "-1", "\"1\"", "1000000001", "null"] {
            assert!(serde_json::from_str::<Grams>(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn addresses_of_the_web() {
        for good in ["https://a", "http://example.com/a b".replace(' ', "%20").as_str(), "https://größe.example/ü?x#y"]
        {
            assert!(is_web_address(good), "{good}");
        }
        for bad in ["", "a", "https://", "https:///a", "ftp://a", "javascript://a", "HTTPS://a", "https://a b", "//a"] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
