//! Collects every broken rule of an input, so that all are told at once.

use std::ops::RangeInclusive;

use crate::{Error, Violation};

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

    /// # Errors
    /// `Invalid` when anything is.
    pub fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}
