//! What a row means, and the SQL that both databases speak.

use kernel::{Currency, Timestamp, Uuid, text};
use platform::db::StoreError;
use platform::db::row::Columns;
use serde::de::DeserializeOwned;

use crate::model::{ChangedStock, Product, Status, Stock, StockChange, Stocked, Variant};

macro_rules! product_columns {
    () => {
        "id, owner_id, handle, name, description, category, tags, vendor, status, currency, option_names, images, \
         variants, version, created_at, updated_at, import_digest"
    };
}

pub const GET: &str = concat!("select ", product_columns!(), " from products where id = $1");
pub const BY_HANDLE: &str =
    concat!("select ", product_columns!(), " from products where owner_id = $1 and handle = $2");

/// What an edit may change comes first, so that an insert and an update take the same values up to there.
macro_rules! insert_product {
    ($values:literal) => {
        concat!(
            "insert into products (handle, name, name_key, description, category, tags, vendor, status, currency, \
             option_names, images, variants, price, in_stock, version, updated_at, import_digest, id, owner_id, \
             created_at) ",
            $values
        )
    };
}
/// As [`insert_product`].
macro_rules! insert_variant {
    ($values:literal) => {
        concat!(
            "insert into variants (position, sku, sku_key, barcode, option_values, price, compare_at_price, id, \
             product_id, owner_id, on_hand, reserved, available) ",
            $values
        )
    };
}
/// What an edit has to know of the variants as they are.
macro_rules! keys_of {
    () => {
        "select id, on_hand, reserved, sku_key, option_values from variants where product_id = $1 order by id"
    };
}

pub const UPDATE_PRODUCT: &str = "update products set handle = $1, name = $2, name_key = $3, description = $4, \
    category = $5, tags = $6, vendor = $7, status = $8, currency = $9, option_names = $10, images = $11, variants = $12, \
    price = $13, in_stock = $14, version = $15, updated_at = $16, import_digest = $17 where id = $18 and version = $19";
pub const DELETE_PRODUCT: &str = "delete from products where id = $1 and version = $2";

pub const UPDATE_VARIANT: &str = "update variants set position = $1, sku = $2, sku_key = $3, barcode = $4, \
    option_values = $5, price = $6, compare_at_price = $7 where id = $8";
pub const STOCK_OF: &str = "select id, on_hand, reserved from variants where product_id = $1";
/// Sets and adjusts only where enough is left; more than a stock can be is refused before, and by the model's limit here.
macro_rules! change_stock {
    ($on_hand:literal, $condition:literal) => {
        concat!(
            "update variants set on_hand = ",
            $on_hand,
            ", available = ",
            $on_hand,
            " - reserved, stock_version = stock_version + 1 where id = $2 and reserved <= ",
            $on_hand,
            $condition,
            " returning id, on_hand, reserved, product_id, owner_id, stock_version"
        )
    };
}
pub const SET_STOCK: &str = change_stock!("$1", "");
pub const ADJUST_STOCK: &str = change_stock!("on_hand + $1", " and on_hand + $1 <= 2147483647");
pub const PRODUCT_OF: &str = "select product_id from variants where id = $1";
macro_rules! available_of {
    () => {
        "select available, product_id from variants where id = $1"
    };
}
macro_rules! shown_variants {
    () => {
        "select variants from products where id = $1"
    };
}
pub const SHOW_VARIANTS: &str = "update products set variants = $1, in_stock = $2 where id = $3";
pub const DELETE_VARIANT: &str = "delete from variants where id = $1";
/// Frees what is unique about a variant, for edits that give it to another one of the same product.
pub const RELEASE_KEYS: &str = "update variants set sku_key = null, option_values = $1 where id = $2";

/// A product's columns, with those that are computed for it.
pub struct ProductRow<'a> {
    pub product: &'a Product,
    pub name_key: String,
    pub tags: String,
    pub status: &'static str,
    pub currency: &'a str,
    pub option_names: String,
    pub images: String,
    pub variants: String,
    pub price: i64,
    pub in_stock: bool,
}

impl<'a> ProductRow<'a> {
    pub fn new(product: &'a Product) -> Self {
        Self {
            product,
            name_key: text::fold(&product.name),
            tags: list(&product.tags),
            status: product.status.as_str(),
            currency: product.currency.as_str(),
            option_names: list(&product.option_names),
            images: list(&product.images),
            variants: list(&product.variants),
            price: product.lowest_price(),
            in_stock: product.in_stock(),
        }
    }
}

/// The values of a [`ProductRow`] that an edit may change, in the order of the statements, and what follows them. A list of
/// references that fits the parameter type of either driver.
macro_rules! edited_values {
    ($row:expr, $($further:expr),+) => {
        [
            &$row.product.handle,
            &$row.product.name,
            &$row.name_key,
            &$row.product.description,
            &$row.product.category,
            &$row.tags,
            &$row.product.vendor,
            &$row.status,
            &$row.currency,
            &$row.option_names,
            &$row.images,
            &$row.variants,
            &$row.price,
            &$row.in_stock,
            &$row.product.version,
            &$row.product.updated_at.0,
            &$row.product.import_digest,
            $($further),+
        ]
    };
}
pub(super) use {
    available_of, edited_values, insert_product, insert_variant, keys_of, product_columns, shown_variants,
};

/// A variant's columns, with those that are computed for it.
pub struct VariantRow<'a> {
    pub product: &'a Product,
    pub variant: &'a Variant,
    pub stock: Stock,
    pub available: i64,
    pub position: i64,
    pub sku_key: Option<String>,
    pub option_values: String,
}

impl<'a> VariantRow<'a> {
    pub fn all(stocked: &'a Stocked) -> impl Iterator<Item = VariantRow<'a>> {
        let product = &stocked.product;
        product.variants.iter().zip(&stocked.stock).zip(0..).map(move |((variant, stock), position)| VariantRow {
            product,
            variant,
            stock: *stock,
            available: stock.available(),
            position,
            sku_key: variant.sku.as_deref().map(text::fold),
            option_values: list(&variant.option_values),
        })
    }
}

/// A variant as it is stored when an edit comes.
pub struct Known {
    pub stock: Stock,
    sku_key: Option<String>,
    option_values: String,
}

impl Known {
    pub fn id(&self) -> Uuid {
        self.stock.variant_id
    }

    pub fn read(row: &impl Columns) -> Result<Self, StoreError> {
        let stock = stock(row)?;
        let wrong = |column| move |error: String| StoreError::corrupt("variants", column, stock.variant_id, error);
        Ok(Known {
            stock,
            sku_key: row.optional_text(3).map_err(wrong("sku_key"))?,
            option_values: row.text(4).map_err(wrong("option_values"))?,
        })
    }
}

/// How the variants in the database become those of an edit.
pub struct VariantChanges<'a> {
    pub delete: Vec<Uuid>,
    /// These give up what is unique about them before any takes it.
    pub release: Vec<Uuid>,
    pub update: Vec<VariantRow<'a>>,
    pub insert: Vec<VariantRow<'a>>,
    /// Units on hand that are to be others than they are.
    pub set: Vec<Stock>,
}

impl<'a> VariantChanges<'a> {
    /// # Errors
    /// `Conflict` when a variant would vanish of which units are reserved.
    pub fn plan(edited: &'a Stocked, known: &[Known], set_stock: bool) -> Result<Self, StoreError> {
        let kept = |known: &&Known| edited.product.variants.iter().any(|variant| variant.id == known.id());
        let lost = || known.iter().filter(|known| !kept(known));
        none_reserved(lost())?;
        let delete = lost().map(Known::id).collect();
        let (update, insert): (Vec<_>, Vec<_>) =
            VariantRow::all(edited).partition(|row| known.iter().any(|known| known.id() == row.variant.id));
        let renamed = |known: &&Known| {
            update.iter().any(|row| {
                let same = row.sku_key == known.sku_key && row.option_values == known.option_values;
                row.variant.id == known.id() && !same
            })
        };
        let release = known.iter().filter(renamed).map(Known::id).collect();
        let differs = |stock: &&Stock| {
            let other = |known: &Known| known.id() == stock.variant_id && known.stock.on_hand != stock.on_hand;
            set_stock && known.iter().any(other)
        };
        let set = edited.stock.iter().filter(differs).copied().collect();
        Ok(Self { delete, release, update, insert, set })
    }
}

/// The edit with the stock as it is, except where the edit sets it.
pub fn with_known_stock(mut edited: Stocked, known: &[Known], set_stock: bool) -> Stocked {
    for stock in &mut edited.stock {
        if let Some(known) = known.iter().find(|known| known.id() == stock.variant_id) {
            stock.reserved = known.stock.reserved;
            stock.on_hand = if set_stock { stock.on_hand } else { known.stock.on_hand };
        }
    }
    for (variant, stock) in edited.product.variants.iter_mut().zip(&edited.stock) {
        variant.in_stock = stock.available() > 0;
    }
    edited
}

/// The page and count statements of a query, with its parameters numbered in the order owner, category, search.
/// `contains` is the dialect's function (haystack, needle) → position.
pub fn page_sql(query: &super::PageQuery, contains: &str) -> (String, String) {
    let mut conditions = Vec::new();
    let mut next = 0;
    let mut parameter = |template: &dyn Fn(usize) -> String, given: bool| {
        if given {
            next += 1;
            conditions.push(template(next));
        }
    };
    parameter(&|n| format!("owner_id = ${n}"), query.owner.is_some());
    parameter(&|n| format!("category = ${n}"), query.category.is_some());
    parameter(&|n| format!("{contains}(name_key, ${n}) > 0"), query.search.is_some());
    let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    let (limit, offset) = (next + 1, next + 2);
    let page = format!(
        "select {} from products{filter} order by created_at desc, id desc limit ${limit} offset ${offset}",
        product_columns!()
    );
    (page, format!("select count(*) from products{filter}"))
}

pub fn product(row: &impl Columns) -> Result<Product, StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("products", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("products", column, id, error);
    let strings = |column, name| row.text(column).and_then(|text| parse(&text)).map_err(wrong(name));
    Ok(Product {
        id,
        owner_id: row.uuid(1).map_err(wrong("owner_id"))?,
        handle: row.text(2).map_err(wrong("handle"))?,
        name: row.text(3).map_err(wrong("name"))?,
        description: row.optional_text(4).map_err(wrong("description"))?,
        category: row.optional_text(5).map_err(wrong("category"))?,
        tags: strings(6, "tags")?,
        vendor: row.optional_text(7).map_err(wrong("vendor"))?,
        status: row.text(8).and_then(|word| Status::parse(&word).ok_or(word)).map_err(wrong("status"))?,
        currency: row.text(9).and_then(|code| Currency::parse(&code).ok_or(code)).map_err(wrong("currency"))?,
        option_names: strings(10, "option_names")?,
        images: row.text(11).and_then(|text| parse(&text)).map_err(wrong("images"))?,
        variants: row.text(12).and_then(|text| parse(&text)).map_err(wrong("variants"))?,
        version: row.integer(13).map_err(wrong("version"))?,
        created_at: row.integer(14).map(Timestamp).map_err(wrong("created_at"))?,
        updated_at: row.integer(15).map(Timestamp).map_err(wrong("updated_at"))?,
        import_digest: row.optional_bytes(16).map_err(wrong("import_digest"))?,
    })
}

/// The first three columns of [`STOCK_OF`] and `keys_of`.
pub fn stock(row: &impl Columns) -> Result<Stock, StoreError> {
    let variant_id = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, variant_id, error);
    let on_hand = row.integer(1).map_err(wrong("on_hand"))?;
    Ok(Stock { variant_id, on_hand, reserved: row.integer(2).map_err(wrong("reserved"))? })
}

/// The row that [`SET_STOCK`] and [`ADJUST_STOCK`] return.
pub fn changed_stock(row: &impl Columns) -> Result<ChangedStock, StoreError> {
    let stock = stock(row)?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, stock.variant_id, error);
    Ok(ChangedStock {
        product_id: row.uuid(3).map_err(wrong("product_id"))?,
        owner_id: row.uuid(4).map_err(wrong("owner_id"))?,
        stock,
        version: row.integer(5).map_err(wrong("stock_version"))?,
    })
}

/// The statement of a change, with its number.
pub fn statement(change: StockChange) -> (&'static str, i64) {
    match change {
        StockChange::Set(on_hand) => (SET_STOCK, on_hand),
        StockChange::Adjust(delta) => (ADJUST_STOCK, delta),
    }
}

/// What a change breaks that is not made: less can only be too little, and more too much.
pub fn broken_rule(change: StockChange) -> &'static str {
    match change {
        StockChange::Adjust(1..) => super::LIMIT_RULE,
        StockChange::Adjust(_) | StockChange::Set(_) => super::RESERVED_RULE,
    }
}

/// # Errors
/// `Conflict` when units of any are reserved.
pub fn none_reserved<'a>(mut lost: impl Iterator<Item = &'a Known>) -> Result<(), StoreError> {
    match lost.any(|known| known.stock.reserved > 0) {
        true => Err(StoreError::Conflict(super::RESERVED_RULE.into())),
        false => Ok(()),
    }
}

/// What a product shows of its variants, after one of them came into stock or went out of it: the new text, and whether any
/// is in stock.
pub fn show(shown: &str, changed: &ChangedStock) -> Result<(String, bool), StoreError> {
    let mut variants: Vec<Variant> =
        parse(shown).map_err(|error| StoreError::corrupt("products", "variants", changed.product_id, error))?;
    for variant in variants.iter_mut().filter(|variant| variant.id == changed.stock.variant_id) {
        variant.in_stock = changed.stock.available() > 0;
    }
    Ok((list(&variants), variants.iter().any(|variant| variant.in_stock)))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The JSON form of a list column.
pub fn list<T: serde::Serialize>(items: &[T]) -> String {
    // Lists of strings and images always serialize.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}
