//! Pages by number, as API v1 has them.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::query::first;
use crate::v1::FieldError;

const PAGE: &str = "Page must be a positive integer";
const LIMIT: &str = "Limit must be between 1 and 100";
/// Higher limits are served as this one: the known front end asks for 1000.
const MAX_LIMIT: i64 = 1_000;
/// Integers beyond this lose digits in JavaScript clients; no page is that far.
const MAX_PAGE: i64 = 9_007_199_254_740_991;

/// A page that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageNumber {
    pub page: i64,
    pub limit: i64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct PageParameters {
    #[param(minimum = 1, default = 1)]
    page: Option<i64>,
    /// Higher limits are served as 1000.
    #[param(minimum = 1, default = 10)]
    limit: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    #[schema(minimum = 1)]
    page: i64,
    #[schema(example = 10)]
    limit: i64,
    #[schema(example = 1)]
    total: i64,
    #[schema(example = 1)]
    pages: i64,
}

impl PageNumber {
    pub fn offset(self) -> i64 {
        (self.page - 1).saturating_mul(self.limit)
    }

    pub fn of(self, total: i64) -> Pagination {
        Pagination { page: self.page, limit: self.limit, total, pages: (total + self.limit - 1) / self.limit }
    }
}

/// # Errors
/// One entry per broken rule.
pub fn parse(query: &[(String, String)]) -> Result<PageNumber, Vec<FieldError>> {
    let mut broken = Vec::new();
    let mut positive = |name, default, highest, message| match first(query, name) {
        None => default,
        Some(value) => integer(value, highest).unwrap_or_else(|| {
            broken.push(FieldError::query(name, value, message));
            default
        }),
    };
    let page = positive("page", 1, MAX_PAGE, PAGE);
    let limit = positive("limit", 10, MAX_LIMIT, LIMIT);
    if broken.is_empty() { Ok(PageNumber { page, limit }) } else { Err(broken) }
}

/// Digits with an optional sign, at least 1; above `highest` it counts as `highest`.
fn integer(text: &str, highest: i64) -> Option<i64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().unwrap_or(highest).min(highest);
    (value >= 1).then_some(value)
}
