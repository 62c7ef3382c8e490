//! Single values of the file: what they may be, and what is expected instead.

use std::collections::HashSet;
use std::str;

use kernel::product::{Grams, is_web_address};
use kernel::{Currency, Money, parse_whole};

use super::{Given, ImportedStatus};

/// The words that a dialect has for what is a choice here, in small letters, and how to tell them.
pub struct Words {
    pub status: &'static [(&'static str, ImportedStatus)],
    pub statuses: &'static str,
    /// Whether a variant is sold beyond its stock.
    pub policy: &'static [(&'static str, bool)],
    pub policies: &'static str,
}

/// A value and the column it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    pub column: &'a str,
    /// Whether the file has the column.
    pub is_there: bool,
    /// Without surrounding white space.
    pub bytes: &'a [u8],
}

/// A value that is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct CellError {
    pub column: String,
    pub detail: String,
}

impl<'a> Cell<'a> {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn refuse(&self, detail: impl Into<String>) -> CellError {
        CellError { column: self.column.to_owned(), detail: detail.into() }
    }

    fn unexpected(&self, text: &str, expected: &str) -> CellError {
        self.refuse(format!("{} is not valid; expected {expected}", excerpt(text)))
    }

    /// The text, or `None` if there is none.
    pub fn text(&self) -> Result<Option<&'a str>, CellError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let Ok(text) = str::from_utf8(self.bytes) else {
            let shown = excerpt(&String::from_utf8_lossy(self.bytes));
            return Err(self.refuse(format!("{shown} is not UTF-8; expected a file saved as “CSV UTF-8”")));
        };
        if text.contains('\0') {
            return Err(self.refuse("holds a NUL character, which no text may have".to_owned()));
        }
        let text = text.trim();
        Ok((!text.is_empty()).then_some(text))
    }

    /// What a value means for what is there.
    pub fn given<T>(&self, value: Option<T>) -> Given<T> {
        if self.is_there { Given::of(value) } else { Given::Absent }
    }

    /// A SKU. Exports put an apostrophe before one that is all digits, so that spreadsheets keep leading zeros.
    pub fn sku(&self) -> Result<Option<&'a str>, CellError> {
        let is_number = |digits: &&str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let text = self.text()?;
        Ok(text.map(|text| text.strip_prefix('\'').filter(is_number).unwrap_or(text)))
    }

    /// A barcode or a named value: exports put an apostrophe before a digit, for the same reason.
    pub fn protected(&self) -> Result<Option<&'a str>, CellError> {
        let is_number = |text: &&str| text.starts_with(|first: char| first.is_ascii_digit());
        Ok(self.text()?.map(|text| text.strip_prefix('\'').filter(is_number).unwrap_or(text)))
    }

    /// A weight. What is beyond a microgram is what a computer made of it, and is rounded.
    pub fn grams(&self) -> Result<Option<Grams>, CellError> {
        let Some(text) = self.text()? else { return Ok(None) };
        match Grams::parse(text) {
            Ok((grams, _)) => Ok(Some(grams)),
            Err(error) => Err(self.refuse(format!("{} is {error}; expected grams, such as 453.59", excerpt(text)))),
        }
    }

    /// A price in minor units. Never rounded: a value that the currency cannot hold is refused.
    pub fn price(&self, currency: Currency) -> Result<Option<i64>, CellError> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let digits = currency.exponent();
        let expected = || match digits {
            0 => format!("a price in {currency} without decimals, such as 1900"),
            _ => format!(
                "a price in {currency} with at most {digits} decimals, such as 19.{}",
                "9".repeat(digits as usize)
            ),
        };
        // Exponents (1.5E+03) are a spreadsheet's abbreviation, and may have lost digits.
        let plain = !text.contains(['e', 'E']);
        let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals);
        let excess = decimals.get(digits as usize..).unwrap_or("");
        if !plain || excess.bytes().any(|digit| digit != b'0') {
            return Err(self.unexpected(text, &expected()));
        }
        match Money::from_decimal(text, currency, digits) {
            Ok(money) => Ok(Some(money.amount)),
            Err(error) => Err(self.refuse(format!("{} is {error}; expected {}", excerpt(text), expected()))),
        }
    }

    /// A whole number, however it is written.
    pub fn integer(&self, expected: &str) -> Result<Option<i64>, CellError> {
        let Some(text) = self.text()? else { return Ok(None) };
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        match parse_whole(digits) {
            Ok(number) => Ok(Some(sign * number)),
            Err(_) => Err(self.unexpected(text, expected)),
        }
    }

    /// The status that the file states.
    pub fn status(&self, words: &Words) -> Result<Option<ImportedStatus>, CellError> {
        self.one_of(words.status, words.statuses)
    }

    pub fn published(&self) -> Result<Option<bool>, CellError> {
        self.one_of(&[("true", true), ("false", false)], "true or false")
    }

    /// Whether the variant is sold beyond its stock.
    pub fn policy(&self, words: &Words) -> Result<Option<bool>, CellError> {
        self.one_of(words.policy, words.policies)
    }

    fn one_of<T: Copy>(&self, words: &[(&str, T)], expected: &str) -> Result<Option<T>, CellError> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(self.unexpected(text, expected)),
        }
    }

    /// A link to an image on the web.
    pub fn url(&self) -> Result<Option<String>, CellError> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let scheme = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        // A scheme may be in capitals; here it is not.
        let known = ["https://", "http://"].into_iter().find(|name| scheme(name));
        let url = known.map(|name| format!("{name}{}", &text[name.len()..]));
        if let Some(url) = url.filter(|url| is_web_address(url)) {
            return Ok(Some(url));
        }
        Err(self.unexpected(text, "an address that starts with https:// or http://, without spaces"))
    }
}

/// A value for an error message: short, and harmless on a terminal.
pub fn excerpt(text: &str) -> String {
    const LENGTH: usize = 60;
    let shown: String = text.chars().take(LENGTH).flat_map(char::escape_debug).collect();
    let dots = if text.chars().nth(LENGTH).is_some() { "…" } else { "" };
    format!("`{shown}{dots}`")
}

/// A comma list, each tag once, in the order of the file.
pub fn tags(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty() && seen.insert(*tag)).map(str::to_owned).collect()
}

/// The last part of a path such as `Home & Garden > Decor > Mirrors`. An id of Shopify's taxonomy (`hg-3-51`) names no
/// category to a person, so it has none.
pub fn category_of_path(path: &str) -> Option<&str> {
    let last = path.rsplit('>').next().map_or("", str::trim);
    (!last.is_empty() && !is_taxonomy_id(last)).then_some(last)
}

fn is_taxonomy_id(text: &str) -> bool {
    let mut parts = text.split('-');
    let vertical = parts.next().unwrap_or("");
    let all = |part: &str, is: fn(&u8) -> bool| !part.is_empty() && part.as_bytes().iter().all(is);
    let numbers = parts.clone().count() > 0 && parts.all(|part| all(part, u8::is_ascii_digit));
    vertical.len() == 2 && all(vertical, u8::is_ascii_lowercase) && numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell<'_> {
        Cell { column: "C", is_there: true, bytes: text.as_bytes() }
    }

    #[test]
    fn prices_are_exact_or_refused() {
        let yen = Currency::parse("JPY").unwrap();
        let dinar = Currency::parse("KWD").unwrap();
        for (text, currency, expected) in [
            ("19.99", Currency::USD, Some(1_999)),
            ("50", Currency::USD, Some(5_000)),
            ("10.5000", Currency::USD, Some(1_050)),
            ("", Currency::USD, None),
            ("1900.00", yen, Some(1_900)),
            ("1.234", dinar, Some(1_234)),
        ] {
            assert_eq!(cell(text).price(currency), Ok(expected), "{text} {currency}");
        }
        for (text, currency) in [
            ("19.999", Currency::USD),
            ("0.001", Currency::USD),
            ("0.5", yen),
            ("1.2345", dinar),
            ("$5", Currency::USD),
            ("1,299.00", Currency::USD),
            ("1e3", Currency::USD),
            ("5.€", Currency::USD),
            ("5.0€", Currency::USD),
            ("-1", Currency::USD),
            ("99999999999999999999", Currency::USD),
        ] {
            let refusal = cell(text).price(currency).unwrap_err();
            assert!(refusal.detail.contains(text) && refusal.detail.contains("expected a price in"));
        }
        assert!(cell("1.234").price(Currency::USD).unwrap_err().detail.contains("19.99"));
        assert!(cell("1.2").price(yen).unwrap_err().detail.contains("such as 1900"));
    }

    #[test]
    fn words_are_read_in_any_case_and_others_refused() {
        assert_eq!(cell("TRUE").published(), Ok(Some(true)));
        assert!(cell("yes").published().is_err());
        let words = Words {
            status: &[("active", ImportedStatus::Active)],
            statuses: "active",
            policy: &[("continue", true)],
            policies: "continue",
        };
        assert_eq!(cell("ACTIVE").status(&words), Ok(Some(ImportedStatus::Active)));
        assert!(cell("asleep").status(&words).unwrap_err().detail.contains("expected active"));
        assert_eq!(cell("CONTINUE").policy(&words), Ok(Some(true)));
        assert!(cell("perhaps").policy(&words).is_err());
    }

    #[test]
    fn numbers_are_whole_however_they_are_written() {
        for (text, number) in [("12", 12), ("-3", -3), ("21.0", 21), ("+4", 4), ("-0", 0)] {
            assert_eq!(cell(text).integer("a number"), Ok(Some(number)), "{text}");
        }
        for text in ["1.5", "--1", "-", "1,000", "99999999999999999999"] {
            assert!(cell(text).integer("a number").is_err(), "{text}");
        }
        assert_eq!(cell("453.59237").grams().unwrap().unwrap().to_string(), "453.59237");
        assert!(cell("1 kg").grams().unwrap_err().detail.contains("expected grams"));
    }

    #[test]
    fn text_is_utf8_without_nul() {
        assert_eq!(cell("\u{a0}x\u{a0}").text(), Ok(Some("x")));
        assert_eq!(cell("\u{a0}").text(), Ok(None));
        assert!(cell("a\0b").text().is_err());
        let latin = Cell { column: "Title", is_there: true, bytes: b"Caf\xe9" };
        assert!(latin.text().unwrap_err().detail.contains("CSV UTF-8"));
    }

    #[test]
    fn codes_lose_the_apostrophe_of_spreadsheets_only() {
        assert_eq!(cell("'00123").sku(), Ok(Some("00123")));
        assert_eq!(cell("'12-A").sku(), Ok(Some("'12-A")));
        assert_eq!(cell("'12-A").protected(), Ok(Some("12-A")));
        for text in ["'tis", "'", "''1"] {
            assert_eq!(cell(text).sku(), Ok(Some(text)));
            assert_eq!(cell(text).protected(), Ok(Some(text)));
        }
    }

    #[test]
    fn only_web_addresses_are_images() {
        for text in ["https://example.com/a.jpg", "HTTP://example.com/ä.png?v=1"] {
            let expected = text.replacen("HTTP", "http", 1);
            assert_eq!(cell(text).url(), Ok(Some(expected)));
        }
        for text in [
            "ftp://x/y",
            "javascript:alert(1)",
            "//x/y",
            "https://",
            "https:///a",
            "http://a b",
            "data:image/png,x",
            "ä",
        ] {
            assert!(cell(text).url().is_err(), "{text}");
        }
    }

    #[test]
    fn tags_and_categories() {
        assert_eq!(tags(" Pot, Plants ,,Pot"), ["Pot", "Plants"]);
        assert_eq!(category_of_path("Home & Garden > Decor > Mirrors"), Some("Mirrors"));
        assert_eq!(category_of_path("Mirrors"), Some("Mirrors"));
        assert_eq!(category_of_path("hg-3-51"), None);
        assert_eq!(category_of_path("T-shirt"), Some("T-shirt"));
        assert_eq!(category_of_path("ab"), Some("ab"));
        assert_eq!(category_of_path(" > "), None);
    }
}
