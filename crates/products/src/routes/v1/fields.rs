//! v1's rules for a product's fields, in the contract's order and words.

use kernel::{Currency, Money, parse_whole};
use platform::http::v1::FieldError;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::{MAX_STOCK, highest_price};

const MAX_NAME: usize = 200;
const MAX_CATEGORY: usize = 100;

const NAME: &str = "Product name must be between 1 and 200 characters";
const PRICE: &str = "Price must be a positive number";
const STOCK: &str = "Stock must be a non-negative integer";
const CATEGORY: &str = "Category must not exceed 100 characters";
const DESCRIPTION: &str = "Description must be a string";

/// A product to create. As clients are told; the fields are read the way the monolith read them, see [`check`].
#[derive(ToSchema)]
#[schema(as = NewProduct)]
#[expect(dead_code, reason = "only described")]
pub struct NewProductBody {
    #[schema(min_length = 1, max_length = 200, example = "Desk lamp")]
    name: String,
    /// Decimal; a number is taken too.
    #[schema(example = "39.90")]
    price: String,
    #[schema(minimum = 0, maximum = 2147483647, example = 5)]
    stock: Option<i64>,
    #[schema(max_length = 100, example = "Lighting")]
    category: Option<String>,
    description: Option<String>,
}

/// The fields to change.
#[derive(ToSchema)]
#[schema(as = ProductChange)]
#[expect(dead_code, reason = "only described")]
pub struct ProductBody {
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Decimal; a number is taken too.
    #[schema(nullable = false, example = "49.90")]
    price: Option<String>,
    #[schema(minimum = 0, maximum = 2147483647, nullable = false)]
    stock: Option<i64>,
    #[schema(max_length = 100)]
    category: Option<String>,
    description: Option<String>,
}

/// The fields that were sent and hold.
#[derive(Debug, Default)]
pub struct ProductFields {
    pub name: Option<String>,
    pub price: Option<i64>,
    pub stock: Option<i64>,
    pub category: Option<Option<String>>,
    pub description: Option<Option<String>>,
}

/// Checks the fields that are there; with `all`, name and price must be.
///
/// # Errors
/// One entry per broken rule.
pub fn check(fields: &Map<String, Value>, currency: Currency, all: bool) -> Result<ProductFields, Vec<FieldError>> {
    let mut broken = Vec::new();
    let mut checked = ProductFields::default();
    let mut field = |name: &'static str, required: bool, message, take: &mut dyn FnMut(&Value) -> Option<()>| {
        let value = fields.get(name);
        let holds = match value {
            None => !required,
            Some(value) => take(value).is_some(),
        };
        if !holds {
            broken.push(FieldError::body(name, value, message));
        }
    };
    field("name", all, NAME, &mut |value| {
        let name = text(value)?.trim().to_owned();
        (1..=MAX_NAME).contains(&name.chars().count()).then(|| checked.name = Some(name))
    });
    field("price", all, PRICE, &mut |value| price(value, currency).map(|price| checked.price = Some(price)));
    field("stock", false, STOCK, &mut |value| stock(value).map(|stock| checked.stock = Some(stock)));
    field("category", false, CATEGORY, &mut |value| {
        let category = optional(value)?;
        let fits = category.as_ref().is_none_or(|category| category.chars().count() <= MAX_CATEGORY);
        fits.then(|| checked.category = Some(category))
    });
    field("description", false, DESCRIPTION, &mut |value| {
        optional(value).map(|description| checked.description = Some(description))
    });
    if broken.is_empty() { Ok(checked) } else { Err(broken) }
}

/// Text as sent; numbers and booleans stand for their text, as they did for the monolith.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    // PostgreSQL cannot hold it, so neither database does.
    (!text.contains('\0')).then_some(text)
}

fn optional(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        other => text(other).map(Some),
    }
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// Minor units, rounded half up to two decimals.
fn price(value: &Value, currency: Currency) -> Option<i64> {
    let price = Money::from_decimal(&number(value)?, currency, 2).ok()?;
    (price.amount <= highest_price(currency)).then_some(price.amount)
}

fn stock(value: &Value) -> Option<i64> {
    let stock = parse_whole(&number(value)?).ok()?;
    (stock <= MAX_STOCK).then_some(stock)
}
