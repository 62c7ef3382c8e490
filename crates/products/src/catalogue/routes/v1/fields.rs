//! v1's rules for a product's fields, in the contract's order and words.

use api::v1::{Failure, FieldError};
use kernel::money::DecimalError;
use kernel::{Currency, Money, Violation, parse_whole};
use serde_json::{Map, Value};
use stock::model::MAX_STOCK;
use utoipa::ToSchema;

use crate::catalogue::model::edit::SEVERAL_VARIANTS;
use crate::catalogue::model::{Edit, Product};

const NAME: &str = "Product name must be between 1 and 200 characters";
const PRICE: &str = "Price must be a positive number";
const STOCK: &str = "Stock must be a non-negative integer";
const CATEGORY: &str = "Category must not exceed 100 characters";
const DESCRIPTION: &str = "Description must be at most 64 KiB";
const NO_TEXT: &str = "Description must be a string";
const PRICE_OF_SEVERAL: &str = "This product has several variants: its price is read-only here";
const STOCK_OF_SEVERAL: &str = "This product has several variants: its stock is read-only here";

/// The fields in the order of their rules, and what is said of one that breaks its own.
const RULES: [Broken; 5] =
    [("name", NAME), ("price", PRICE), ("stock", STOCK), ("category", CATEGORY), ("description", DESCRIPTION)];

/// A field, and what v1 says of it.
type Broken = (&'static str, &'static str);

/// What v1's document says of it: a released document stays as it is.
const NEW_PRODUCT: &str =
    "A product to create. As clients are told; the fields are read the way the monolith read them, see [`check`].";

/// A product to create, as clients are told; the fields are read the way the monolith read them.
#[derive(ToSchema)]
#[schema(as = NewProduct, description = NEW_PRODUCT)]
#[expect(dead_code, reason = "only described")]
pub struct NewProductBody {
    #[schema(min_length = 1, max_length = 200, example = "Desk lamp")]
    name: String,
    /// Decimal, in the shop's currency; a number is taken too.
    #[schema(example = "39.90")]
    price: String,
    #[schema(minimum = 0, maximum = 2147483647, example = 5)]
    stock: Option<i64>,
    #[schema(max_length = 100, example = "Lighting")]
    category: Option<String>,
    /// At most 64 KiB of UTF-8.
    description: Option<String>,
}

/// The fields to change.
#[derive(ToSchema)]
#[schema(as = ProductChange)]
#[expect(dead_code, reason = "only described")]
pub struct ProductBody {
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Decimal, in the product's currency; a number is taken too.
    #[schema(nullable = false, example = "49.90")]
    price: Option<String>,
    /// Units on hand. The number that this session was shown last changes nothing, whatever was sold since.
    #[schema(minimum = 0, maximum = 2147483647, nullable = false)]
    stock: Option<i64>,
    #[schema(max_length = 100)]
    category: Option<String>,
    /// At most 64 KiB of UTF-8.
    description: Option<String>,
}

/// What was sent, as far as it can be judged by itself.
pub struct Sent {
    fields: Map<String, Value>,
    pub edit: Edit,
    /// What is wrong with it whatever product it is for.
    broken: Vec<Broken>,
}

impl Sent {
    /// Reads the fields that are there; with `all`, name and price must be.
    pub fn read(fields: Map<String, Value>, all: bool) -> Self {
        let (mut edit, mut broken) = (Edit::default(), Vec::new());
        let mut field = |name: &'static str, required: bool, message, take: &mut dyn FnMut(&Value) -> Option<()>| {
            let holds = match fields.get(name) {
                None => !required,
                Some(value) => take(value).is_some(),
            };
            if !holds {
                broken.push((name, message));
            }
        };
        field("name", all, NAME, &mut |value| {
            let name = text(value)?.trim().to_owned();
            (!name.is_empty()).then(|| edit.name = Some(name))
        });
        field("price", all, PRICE, &mut |value| price(value).map(|price| edit.price = Some(price)));
        field("stock", false, STOCK, &mut |value| stock(value).map(|stock| edit.stock = Some(stock)));
        field("category", false, CATEGORY, &mut |value| optional(value).map(|category| edit.category = Some(category)));
        field("description", false, NO_TEXT, &mut |value| {
            optional(value).map(|description| edit.description = Some(description))
        });
        Self { fields, edit, broken }
    }

    /// Whether no product could take it.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// The refusal of what breaks a rule, if anything does: with a product, as a change of it; without, as a product of `currency`.
    pub fn judge(&self, product: Option<&Product>, currency: Currency) -> Option<Failure> {
        let more = self.edit.broken(product, currency).into_iter().filter_map(rule);
        let broken: Vec<Broken> = self.broken.iter().copied().chain(more).collect();
        (!broken.is_empty()).then(|| self.refusal(broken))
    }

    /// The refusal of an edit by the product that it was for.
    pub fn refused(&self, violations: &[Violation]) -> Failure {
        let broken = violations.iter().filter_map(|violation| match (&*violation.field, &*violation.code) {
            ("price", SEVERAL_VARIANTS) => Some(("price", PRICE_OF_SEVERAL)),
            ("stock", SEVERAL_VARIANTS) => Some(("stock", STOCK_OF_SEVERAL)),
            (field, _) => rule(field),
        });
        self.refusal(broken.collect())
    }

    fn refusal(&self, mut broken: Vec<Broken>) -> Failure {
        broken.sort_by_key(|(field, _)| RULES.iter().position(|(rule, _)| rule == field));
        let told = broken.into_iter().map(|(field, message)| FieldError::body(field, self.fields.get(field), message));
        Failure::validation(told.collect())
    }
}

fn rule(field: &str) -> Option<Broken> {
    RULES.into_iter().find(|(rule, _)| *rule == field)
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

/// A decimal that is not negative. What it is worth, and whether that is too much, depends on a currency.
fn price(value: &Value) -> Option<String> {
    let price = number(value)?;
    match Money::from_decimal(&price, Currency::USD, 0) {
        Ok(_) | Err(DecimalError::TooLarge) => Some(price),
        Err(DecimalError::Syntax | DecimalError::Negative) => None,
    }
}

fn stock(value: &Value) -> Option<i64> {
    let stock = parse_whole(&number(value)?).ok()?;
    (stock <= MAX_STOCK).then_some(stock)
}
