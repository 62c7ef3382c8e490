//! Query parameters of API v2: known ones, each at most once, and every wrong one told.

use std::ops::RangeInclusive;

use kernel::{Error, Uuid, Violation};

use super::{Position, pointer};
use crate::query::pairs;

/// More than any list knows; each is compared with those before it, and told when it is wrong.
const MAX_PARAMETERS: usize = 50;
const DEFAULT_LIMIT: i64 = 20;
const LIMITS: RangeInclusive<i64> = 1..=100;

/// Takes the parameters out one by one and collects what is wrong with them.
pub struct Query {
    pairs: Vec<(String, String)>,
    broken: Vec<Violation>,
}

impl Query {
    /// `known`: the parameters that there are.
    pub fn read(raw: Option<&str>, known: &[&'static str]) -> Self {
        let mut pairs = pairs(raw);
        let mut broken = Vec::new();
        if pairs.len() > MAX_PARAMETERS {
            broken.push(Violation::new("", "count", format!("at most {MAX_PARAMETERS} query parameters")));
            pairs.truncate(MAX_PARAMETERS);
        }
        for (position, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("unknown query parameter; known: {known}");
                broken.push(Violation::new(pointer::token(name), "unknown-parameter", detail));
            } else if pairs[..position].iter().any(|(before, _)| before == name) {
                broken.push(Violation::new(name.clone(), "repeated-parameter", format!("{name} is there twice")));
            }
        }
        Self { pairs, broken }
    }

    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// What `parse` makes of the parameter; `expected` says what it has to be.
    pub fn parsed<T>(&mut self, name: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.refuse(name, "value", format!("{name} must be {expected}"));
        }
        parsed
    }

    pub fn refuse(&mut self, name: &'static str, code: &'static str, detail: impl Into<String>) {
        self.broken.push(Violation::new(name, code, detail));
    }

    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(name, &expected, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    pub fn id(&mut self, name: &'static str) -> Option<Uuid> {
        self.parsed(name, "a UUID", |text| Uuid::try_parse(text).ok().filter(|_| text.len() == 36))
    }

    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let find = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        self.parsed(name, &format!("one of {}", words.join(", ")), find)
    }

    /// How many items a page has.
    pub fn limit(&mut self) -> usize {
        self.integer("limit", LIMITS).unwrap_or(DEFAULT_LIMIT).unsigned_abs() as usize
    }

    /// Where the page before ended. `take` gives `None` for a position that no page of this list ends at.
    pub fn cursor<T>(&mut self, scope: &str, take: impl FnOnce(Position) -> Option<T>) -> Option<T> {
        let cursor = self.text("cursor")?;
        let position = Position::from_cursor(&cursor, scope).and_then(take);
        if position.is_none() {
            self.refuse("cursor", "invalid-cursor", "not one that this list with these filters gave out");
        }
        position
    }

    /// # Errors
    /// `Invalid` with everything that was wrong.
    pub fn finish(self) -> Result<(), Error> {
        if self.broken.is_empty() { Ok(()) } else { Err(Error::Invalid(self.broken)) }
    }
}
