//! Money as integer minor units of an ISO 4217 currency. Decimals exist only at the edges, floats nowhere.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// An ISO 4217 alphabetic code.
#[derive(ToSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
pub struct Currency([u8; 3]);

/// Active ISO 4217 codes whose minor unit is not two digits, with their digits (ISO 4217 list one, 2026).
const EXPONENTS: &[(&str, u32)] = &[
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// Active ISO 4217 codes with two digits.
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF \
    CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR \
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO \
    NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
    TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";

impl Currency {
    pub const USD: Currency = Currency(*b"USD");

    /// A known, active code in capital letters.
    pub fn parse(code: &str) -> Option<Self> {
        let known = EXPONENTS.iter().any(|(c, _)| *c == code)
            || TWO_DIGITS.as_bytes().chunks(4).any(|c| c.get(..3) == Some(code.as_bytes()));
        if !known {
            return None;
        }
        code.as_bytes().try_into().ok().map(Currency)
    }

    pub fn as_str(&self) -> &str {
        // Only `parse` and `USD` build one, from ASCII.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Digits of the minor unit: 2 for USD, 0 for JPY.
    pub fn exponent(&self) -> u32 {
        EXPONENTS.iter().find(|(code, _)| code.as_bytes() == self.0).map_or(2, |(_, digits)| *digits)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Currency::parse(&code)
            .ok_or_else(|| serde::de::Error::custom("expected an ISO 4217 currency code in capitals, such as USD"))
    }
}

/// An amount in minor units. The highest depends on the currency: just below a hundred million major units.
#[derive(ToSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units of the currency: cents of a dollar.
    #[schema(minimum = 0, maximum = 999999999999i64, example = 3990)]
    pub amount: i64,
    pub currency: Currency,
}

/// Why a decimal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("not a decimal number")]
    Syntax,
    #[error("negative")]
    Negative,
    #[error("too large")]
    TooLarge,
}

impl Money {
    /// Reads a non-negative decimal such as `399.99`, `1e3` or `.5`, exactly, rounding half up to `digits` decimals first and
    /// then to the currency's own.
    ///
    /// # Errors
    /// Not a decimal number; below zero (`-0` is zero); beyond the range of minor units.
    pub fn from_decimal(text: &str, currency: Currency, digits: u32) -> Result<Self, DecimalError> {
        let rounded = parse_scaled(text, digits)?.value;
        let amount = rescale(rounded, digits, currency.exponent()).ok_or(DecimalError::TooLarge)?;
        Ok(Money { amount, currency })
    }

    /// The amount as a decimal with `digits` decimals, rounded half up: `"399.99"`.
    pub fn to_decimal(self, digits: u32) -> String {
        let scaled = rescale(i128::from(self.amount), self.currency.exponent(), digits).unwrap_or(i64::MAX);
        if digits == 0 {
            return scaled.to_string();
        }
        let unit = 10_i64.pow(digits);
        format!("{}.{:0width$}", scaled / unit, scaled % unit, width = digits as usize)
    }
}

/// Reads a non-negative whole number, however it is written: `5`, `5.0`, `0.5e1`.
///
/// # Errors
/// As [`Money::from_decimal`]; `Syntax` for a fraction.
pub fn parse_whole(text: &str) -> Result<i64, DecimalError> {
    let scaled = parse_scaled(text, 0)?;
    if !scaled.exact {
        return Err(DecimalError::Syntax);
    }
    i64::try_from(scaled.value).map_err(|_| DecimalError::TooLarge)
}

/// Reads a non-negative decimal in units of its last digit: with 3 digits, `1.5` is 1500. Rounds half up; also tells whether nothing
/// was rounded away.
///
/// # Errors
/// As [`Money::from_decimal`].
pub fn parse_fixed(text: &str, digits: u32) -> Result<(i64, bool), DecimalError> {
    let scaled = parse_scaled(text, digits)?;
    Ok((i64::try_from(scaled.value).map_err(|_| DecimalError::TooLarge)?, scaled.exact))
}

fn rescale(amount: i128, from: u32, to: u32) -> Option<i64> {
    let scaled = if to >= from {
        amount.checked_mul(10_i128.checked_pow(to - from)?)?
    } else {
        let unit = 10_i128.checked_pow(from - to)?;
        (amount + unit / 2).div_euclid(unit)
    };
    i64::try_from(scaled).ok()
}

/// Largest number of digits that a scaled amount may have; far above every price limit and far below `i128`.
const MAX_DIGITS: i64 = 18;

/// A decimal moved by some digits and rounded half up.
struct Scaled {
    value: i128,
    /// Nothing was rounded away.
    exact: bool,
}

/// `text` × 10^`digits`. Reads only as many digits as matter, so that `1e-999999999` costs nothing.
fn parse_scaled(text: &str, digits: u32) -> Result<Scaled, DecimalError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = || whole.bytes().chain(fraction.bytes());
    if whole.len() + fraction.len() == 0 || !all_digits().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Syntax);
    }
    // Position 0 is the first digit; digits before `kept` stand left of the rounding point.
    let kept = whole.len() as i64 + exponent + i64::from(digits);
    let mut value: i128 = 0;
    let mut significant = 0;
    let mut position = 0;
    for byte in all_digits() {
        if position >= kept {
            break;
        }
        significant += i64::from(significant > 0 || byte != b'0');
        if significant > MAX_DIGITS {
            return Err(DecimalError::TooLarge);
        }
        value = value * 10 + i128::from(byte - b'0');
        position += 1;
    }
    if value != 0 && kept - position + significant > MAX_DIGITS {
        return Err(DecimalError::TooLarge);
    }
    if value != 0 && kept > position {
        value *= 10_i128.pow((kept - position) as u32);
    }
    let round_up = kept >= 0 && all_digits().nth(kept as usize).is_some_and(|digit| digit >= b'5');
    value += i128::from(round_up);
    if negative && all_digits().any(|digit| digit != b'0') {
        return Err(DecimalError::Negative);
    }
    let exact = all_digits().skip(usize::try_from(kept).unwrap_or(0)).all(|digit| digit == b'0');
    Ok(Scaled { value, exact })
}

/// Exponents beyond ±1,000,000 act as that: the number is zero or too large either way.
fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Syntax);
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(text: &str) -> Result<i64, DecimalError> {
        Money::from_decimal(text, Currency::USD, 2).map(|money| money.amount)
    }

    #[test]
    fn decimals_are_exact_and_round_half_up() {
        for (text, expected) in [
            ("399.99", 39_999),
            ("0", 0),
            ("-0", 0),
            ("-0.00", 0),
            (".5", 50),
            ("5.", 500),
            ("1e3", 100_000),
            ("1E-2", 1),
            ("0.005", 1),
            ("0.0049999999", 0),
            ("1.005", 101),
            ("2.675", 268),
            ("99999999.99", 9_999_999_999),
            ("1e-999999999", 0),
            ("0e999999999", 0),
            ("+7", 700),
            ("12.5e-1", 125),
            ("0.00000000000000000000000000000000001", 0),
            ("000000000000000000000000001", 100),
        ] {
            assert_eq!(cents(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_decimals_are_refused() {
        for text in ["", ".", "-", "abc", "1,5", "1e", "1e+", "0x10", "1.2.3", " 1", "NaN", "Infinity", "٣"] {
            assert_eq!(cents(text), Err(DecimalError::Syntax), "{text}");
        }
        assert_eq!(cents("-0.01"), Err(DecimalError::Negative));
        assert_eq!(cents("-1e-9"), Err(DecimalError::Negative));
        assert_eq!(cents("1e999999999"), Err(DecimalError::TooLarge));
        assert_eq!(cents("12345678901234567890123456789012345678901234567890"), Err(DecimalError::TooLarge));
    }

    #[test]
    fn currencies_have_their_own_minor_units() {
        let yen = Currency::parse("JPY").unwrap();
        assert_eq!(Money::from_decimal("1499.5", yen, 2).unwrap().amount, 1500);
        assert_eq!(Money { amount: 1500, currency: yen }.to_decimal(2), "1500.00");
        let dinar = Currency::parse("KWD").unwrap();
        assert_eq!(Money { amount: 1_235, currency: dinar }.to_decimal(2), "1.24");
        assert_eq!(Money { amount: 5, currency: Currency::USD }.to_decimal(2), "0.05");
        assert_eq!(Currency::parse("usd"), None);
        assert_eq!(Currency::parse("XXZ"), None);
    }

    #[test]
    fn whole_numbers_however_they_are_written() {
        for (text, whole) in
            [("5", 5), ("5.0", 5), ("5e0", 5), ("0.5e1", 5), ("50e-1", 5), ("-0", 0), ("0e-9", 0), ("1e3", 1_000)]
        {
            assert_eq!(parse_whole(text), Ok(whole), "{text}");
        }
        for text in ["5.00001", "4.9999999999999999999", "1e-1", "5e-999999999", "", ".", "five", "0x5"] {
            assert_eq!(parse_whole(text), Err(DecimalError::Syntax), "{text}");
        }
        assert_eq!(parse_whole("-5"), Err(DecimalError::Negative));
        assert_eq!(parse_whole("1e19"), Err(DecimalError::TooLarge));
    }
}
