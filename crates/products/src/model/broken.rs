//! Collects every broken rule of an input, so that all are told at once.

use std::ops::RangeInclusive;

use kernel::product::{MAX_ALT, MAX_URL, is_web_address};
use kernel::{Currency, Error, Money, Violation};

use super::{Image, highest_price};

/// More of them tell nobody more.
const MAX_TOLD: usize = 50;

/// What is wrong with an input, by the way to it.
#[derive(Debug, Default)]
pub struct Broken(Vec<Violation>);

impl Broken {
    pub fn refuse(&mut self, field: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        if self.0.len() < MAX_TOLD {
            self.0.push(Violation::new(field.into(), code, detail));
        }
    }

    /// Text of so many characters.
    pub fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        if !length.contains(&text.chars().count()) {
            let (least, most) = (length.start(), length.end());
            self.refuse(field, "length", format!("must have {least} to {most} characters"));
        }
        if text.contains('\0') {
            // PostgreSQL cannot hold it, so neither database does.
            self.refuse(field, "character", "must not contain the character U+0000");
        }
    }

    /// As [`Broken::text`], of what may be absent.
    pub fn optional(&mut self, field: &str, text: Option<&str>, length: RangeInclusive<usize>) {
        if let Some(text) = text {
            self.text(field, text, length);
        }
    }

    pub fn count(&mut self, field: &str, count: usize, range: RangeInclusive<usize>, what: &str) {
        if !range.contains(&count) {
            self.refuse(field, "count", format!("must be {} to {} {what}", range.start(), range.end()));
        }
    }

    pub fn range(&mut self, field: &str, number: i64, range: RangeInclusive<i64>) {
        if !range.contains(&number) {
            self.refuse(field, "range", format!("must be from {} to {}", range.start(), range.end()));
        }
    }

    /// An amount that the catalogue takes, in the currency of what it belongs to.
    pub fn price(&mut self, field: &str, price: Money, currency: Currency) {
        self.range(&format!("{field}/amount"), price.amount, 0..=highest_price(price.currency));
        if price.currency != currency {
            let detail = format!("must be {currency}: all prices of a product are of one currency");
            self.refuse(format!("{field}/currency"), "currency", detail);
        }
    }

    /// Pictures, each with whether it was there before, and so is not judged.
    pub fn images<'i>(&mut self, field: &str, images: impl Iterator<Item = (&'i Image, bool)>) {
        for (n, (image, _)) in images.enumerate().filter(|(_, (_, is_kept))| !is_kept) {
            let url = format!("{field}/{n}/url");
            self.text(&url, &image.url, 1..=MAX_URL);
            if !is_web_address(&image.url) {
                self.refuse(url, "url", "must be an address of http:// or https://");
            }
            self.optional(&format!("{field}/{n}/alt"), image.alt.as_deref(), 0..=MAX_ALT);
        }
    }

    /// # Errors
    /// `Invalid` when anything is.
    pub fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}
