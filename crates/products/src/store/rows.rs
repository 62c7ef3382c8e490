//! What a row means, and the SQL that both databases speak.

use kernel::{Currency, Timestamp, Uuid, text};
use platform::db::StoreError;
use platform::db::row::Columns;
use serde::de::DeserializeOwned;

use crate::model::{Cause, ChangedStock, Movement, MovementKind, Product, Status, Stock, Stocked, Units, Variant};

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
        "select id, on_hand, reserved, sku_key, option_values, product_id, owner_id, stock_version, low_stock \
         from variants where product_id = $1 order by id"
    };
}

pub const UPDATE_PRODUCT: &str = "update products set handle = $1, name = $2, name_key = $3, description = $4, \
    category = $5, tags = $6, vendor = $7, status = $8, currency = $9, option_names = $10, images = $11, variants = $12, \
    price = $13, in_stock = $14, version = $15, updated_at = $16, import_digest = $17 where id = $18 and version = $19";
pub const DELETE_PRODUCT: &str = "delete from products where id = $1 and version = $2";

pub const UPDATE_VARIANT: &str = "update variants set position = $1, sku = $2, sku_key = $3, barcode = $4, \
    option_values = $5, price = $6, compare_at_price = $7 where id = $8";
pub const STOCK_OF: &str = "select id, on_hand, reserved from variants where product_id = $1";
pub const SET_STOCK: &str = "update variants set on_hand = $1, available = $1 - reserved, stock_version = $2 \
    where id = $3 and reserved <= $1 and stock_version + 1 = $2";
pub const PRODUCT_OF: &str = "select product_id from variants where id = $1";
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
pub(super) use {edited_values, insert_product, insert_variant, keys_of, product_columns, shown_variants};

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
    pub units: Units,
    sku_key: Option<String>,
    option_values: String,
}

impl Known {
    pub fn id(&self) -> Uuid {
        self.units.stock.variant_id
    }

    pub fn read(row: &impl Columns) -> Result<Self, StoreError> {
        let stock = stock(row)?;
        let wrong = |column| move |error: String| StoreError::corrupt("variants", column, stock.variant_id, error);
        let units = Units {
            product_id: row.uuid(5).map_err(wrong("product_id"))?,
            owner_id: row.uuid(6).map_err(wrong("owner_id"))?,
            stock,
            version: row.integer(7).map_err(wrong("stock_version"))?,
            low_stock: row.optional_integer(8).map_err(wrong("low_stock"))?,
        };
        Ok(Known {
            units,
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
    /// Stock whose units on hand are set to others than they are.
    pub set: Vec<ChangedStock>,
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
        let set = |stock: &Stock| {
            let known = known.iter().find(|known| known.id() == stock.variant_id)?;
            let differs = set_stock && known.units.stock.on_hand != stock.on_hand;
            let mut units = known.units;
            differs.then(|| units.change(MovementKind::Adjustment, |units| units.on_hand = stock.on_hand))
        };
        let set: Vec<_> = edited.stock.iter().filter_map(set).collect();
        if set.iter().any(|changed| changed.stock().available() < 0) {
            return Err(StoreError::Conflict(super::RESERVED_RULE.into()));
        }
        Ok(Self { delete, release, update, insert, set })
    }
}

impl VariantChanges<'_> {
    /// What the ledger keeps of them.
    pub fn movements(&self, known: &[Known], cause: &Cause) -> Vec<Movement> {
        let deleted = known.iter().filter(|known| self.delete.contains(&known.id()));
        let mut movements = removal(deleted, cause);
        movements.extend(self.insert.iter().filter_map(|row| opened(row.stock, row.product, cause)));
        movements.extend(self.set.iter().map(|changed| changed.movement(cause)));
        movements
    }
}

/// What the ledger keeps of variants that go.
pub fn removal<'a>(known: impl Iterator<Item = &'a Known>, cause: &Cause) -> Vec<Movement> {
    let with_units = known.filter(|known| known.units.stock.on_hand > 0);
    let removed = with_units.map(|known| {
        let mut units = known.units;
        units.change(MovementKind::Removal, |stock| stock.on_hand = 0).movement(cause)
    });
    removed.collect()
}

/// What the ledger keeps of a new product's stock.
pub fn opening<'a>(stocked: &'a Stocked, cause: &'a Cause) -> impl Iterator<Item = Movement> + 'a {
    stocked.stock.iter().filter_map(|stock| opened(*stock, &stocked.product, cause))
}

/// Nothing, where there are no units: the sum of no movements is none.
fn opened(stock: Stock, product: &Product, cause: &Cause) -> Option<Movement> {
    let (product_id, owner_id) = (product.id, product.owner_id);
    let units = Units { product_id, owner_id, stock, version: 0, low_stock: None };
    let before = Stock { on_hand: 0, reserved: 0, ..stock };
    let changed = ChangedStock { units, before, kind: MovementKind::Opening };
    (stock.on_hand > 0).then(|| changed.movement(cause))
}

/// The edit with the stock as it is, except where the edit sets it.
pub fn with_known_stock(mut edited: Stocked, known: &[Known], set_stock: bool) -> Stocked {
    for stock in &mut edited.stock {
        if let Some(known) = known.iter().find(|known| known.id() == stock.variant_id) {
            stock.reserved = known.units.stock.reserved;
            stock.on_hand = if set_stock { stock.on_hand } else { known.units.stock.on_hand };
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

/// # Errors
/// `Conflict` when units of any are reserved.
pub fn none_reserved<'a>(mut lost: impl Iterator<Item = &'a Known>) -> Result<(), StoreError> {
    match lost.any(|known| known.units.stock.reserved > 0) {
        true => Err(StoreError::Conflict(super::RESERVED_RULE.into())),
        false => Ok(()),
    }
}

/// What a product shows of its variants, after some of them came into stock or went out of it: the new text, and whether any is in
/// stock.
pub fn show(shown: &str, product: Uuid, stock: &[Stock]) -> Result<(String, bool), StoreError> {
    let mut variants: Vec<Variant> =
        parse(shown).map_err(|error| StoreError::corrupt("products", "variants", product, error))?;
    for variant in &mut variants {
        if let Some(stock) = stock.iter().find(|stock| stock.variant_id == variant.id) {
            variant.in_stock = stock.available() > 0;
        }
    }
    Ok((list(&variants), variants.iter().any(|variant| variant.in_stock)))
}

pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The JSON form of a list column.
pub fn list<T: serde::Serialize>(items: &[T]) -> String {
    // Lists of strings and images always serialize.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}
