//! What a row means, and the SQL that both databases speak.

use std::collections::HashMap;

use kernel::{Currency, Timestamp, Uuid, text};
use serde::{Deserialize, Serialize};
use stock::store::rows::{list, parse};
use storage::StoreError;
use storage::row::Columns;

use super::Found;
use super::changes::Known;
use crate::catalogue::model::{Product, ProductDetails, Status, Variant, VariantDetails};

macro_rules! product_columns {
    () => {
        "id, owner_id, handle, name, description, category, tags, vendor, status, currency, option_names, images, \
         variants, version, created_at, updated_at, import_digest, unlisted, details"
    };
}

/// For everyone: a product, and whether its seller is off sale.
pub const FIND: &str =
    concat!("select ", product_columns!(), ", ", stock::is_off_sale!("owner_id"), " from products where id = $1");
/// As [`FIND`], by its seller and handle.
pub const FIND_BY_HANDLE: &str = concat!(
    "select ",
    product_columns!(),
    ", ",
    stock::is_off_sale!("owner_id"),
    " from products where owner_id = $1 and handle = $2"
);
/// As [`FIND`], of several, on PostgreSQL.
pub const FIND_ALL: &str =
    concat!("select ", product_columns!(), ", ", stock::is_off_sale!("owner_id"), " from products where id = any($1)");
/// For those who manage it.
pub const GET: &str = concat!("select ", product_columns!(), " from products where id = $1");
pub const BY_HANDLE: &str =
    concat!("select ", product_columns!(), " from products where owner_id = $1 and handle = $2");

/// What an edit may change comes first, so that an insert and an update take the same values up to there.
macro_rules! insert_product {
    ($values:literal) => {
        concat!(
            "insert into products (handle, name, name_key, description, category, tags, vendor, status, currency, \
             option_names, images, variants, price, in_stock, version, updated_at, import_digest, unlisted, details, id, \
             owner_id, created_at) ",
            $values
        )
    };
}
/// As [`insert_product`].
macro_rules! insert_variant {
    ($values:literal) => {
        concat!(
            "insert into variants (position, sku, sku_key, barcode, option_values, price, compare_at_price, id, \
             product_id, owner_id, on_hand, reserved, available, untracked, backorder, imported, imported_version) ",
            $values
        )
    };
}
/// What an edit has to know of the variants as they are.
macro_rules! keys_of {
    () => {
        $crate::catalogue::store::rows::keys_of!("= $1")
    };
    ($products:literal) => {
        concat!("select id, on_hand, reserved, backordered, product_id, owner_id, stock_version, low_stock, untracked, backorder, \
         imported, imported_version, sku, barcode, option_values, price, compare_at_price, position from variants \
         where product_id ", $products, " order by id")
    };
}

pub const UPDATE_PRODUCT: &str = "update products set handle = $1, name = $2, name_key = $3, description = $4, \
    category = $5, tags = $6, vendor = $7, status = $8, currency = $9, option_names = $10, images = $11, variants = $12, \
    price = $13, in_stock = $14, version = $15, updated_at = $16, import_digest = $17, unlisted = $18, details = $19 \
    where id = $20 and version = $21";
pub const DELETE_PRODUCT: &str = "delete from products where id = $1 and version = $2";

pub const STOCK_OF: &str = "select id, on_hand, reserved, backordered from variants where product_id = $1";
/// The newest of a variant's movements that came from a file or began its ledger, behind a version.
pub const LAST_IMPORT: &str = "select on_hand_after, coalesce(reason = 'import', false) from stock_movements \
    where variant_id = $1 and version > $2 and (reason = 'import' or kind = 'opening') order by version desc limit 1";
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
    pub unlisted: bool,
    pub details: Option<String>,
}

/// A variant as the `variants` column of its product shows it.
#[derive(Serialize)]
struct ShownVariant<'a> {
    id: Uuid,
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    option_values: &'a [String],
    price: i64,
    compare_at_price: Option<i64>,
    in_stock: bool,
}

/// The `details` column. Variants that say nothing more are left out.
#[derive(Serialize)]
struct DetailsToStore<'a> {
    #[serde(skip_serializing_if = "ProductDetails::is_empty")]
    product: &'a ProductDetails,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variants: Vec<(Uuid, &'a VariantDetails)>,
}

/// As [`DetailsToStore`].
#[derive(Deserialize)]
struct StoredDetails {
    #[serde(default)]
    product: ProductDetails,
    #[serde(default)]
    variants: Vec<(Uuid, VariantDetails)>,
}

impl<'a> ProductRow<'a> {
    pub fn new(product: &'a Product) -> Self {
        let unlisted = product.status == Status::Unlisted;
        Self {
            product,
            name_key: text::fold(&product.name),
            tags: list(&product.tags),
            // As releases show it that know of no unlisted products.
            status: if unlisted { Status::Draft } else { product.status }.as_str(),
            currency: product.currency.as_str(),
            option_names: list(&product.option_names),
            images: list(&product.images),
            variants: variants_text(&product.variants),
            price: product.lowest_price(),
            in_stock: product.in_stock(),
            unlisted,
            details: details(product),
        }
    }
}

fn variants_text(variants: &[Variant]) -> String {
    fn shown(variant: &Variant) -> ShownVariant<'_> {
        ShownVariant {
            id: variant.id,
            sku: variant.sku.as_deref(),
            barcode: variant.barcode.as_deref(),
            option_values: &variant.option_values,
            price: variant.price,
            compare_at_price: variant.compare_at_price,
            in_stock: variant.in_stock,
        }
    }
    list(&variants.iter().map(shown).collect::<Vec<_>>())
}

fn details(product: &Product) -> Option<String> {
    let with_details = product.variants.iter().filter(|variant| !variant.details.is_empty());
    let variants: Vec<_> = with_details.map(|variant| (variant.id, &variant.details)).collect();
    if product.details.is_empty() && variants.is_empty() {
        return None;
    }
    // Texts and numbers always serialize.
    serde_json::to_string(&DetailsToStore { product: &product.details, variants }).ok()
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
            &$row.unlisted,
            &$row.details,
            $($further),+
        ]
    };
}
pub(crate) use product_columns;
pub(super) use {edited_values, insert_product, insert_variant, keys_of};

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
    let mut variants: Vec<Variant> = row.text(12).and_then(|text| parse(&text)).map_err(wrong("variants"))?;
    let details = match row.optional_text(18).map_err(wrong("details"))? {
        Some(text) => read_details(&text, &mut variants).map_err(wrong("details"))?,
        None => ProductDetails::default(),
    };
    Ok(Product {
        id,
        owner_id: row.uuid(1).map_err(wrong("owner_id"))?,
        handle: row.text(2).map_err(wrong("handle"))?,
        name: row.text(3).map_err(wrong("name"))?,
        description: row.optional_text(4).map_err(wrong("description"))?,
        category: row.optional_text(5).map_err(wrong("category"))?,
        tags: strings(6, "tags")?,
        vendor: row.optional_text(7).map_err(wrong("vendor"))?,
        status: read_status(row, 8, 17).map_err(wrong("status"))?,
        currency: row.text(9).and_then(|code| Currency::parse(&code).ok_or(code)).map_err(wrong("currency"))?,
        option_names: strings(10, "option_names")?,
        images: row.text(11).and_then(|text| parse(&text)).map_err(wrong("images"))?,
        variants,
        version: row.integer(13).map_err(wrong("version"))?,
        created_at: row.integer(14).map(Timestamp).map_err(wrong("created_at"))?,
        updated_at: row.integer(15).map(Timestamp).map_err(wrong("updated_at"))?,
        import_digest: row.optional_bytes(16).map_err(wrong("import_digest"))?,
        details,
    })
}

/// A row of [`FIND`].
pub fn found(row: &impl Columns) -> Result<Found, StoreError> {
    let product = product(row)?;
    let wrong = |error| StoreError::corrupt("sellers_off_sale", "seller_id", product.owner_id, error);
    Ok(Found { is_off_sale: row.boolean(19).map_err(wrong)?, product })
}

/// Gives the variants what is known of them besides; a release that does not know it may have taken some away, or said that one whose
/// units are not counted is out of stock.
fn read_details(text: &str, variants: &mut [Variant]) -> Result<ProductDetails, String> {
    let StoredDetails { product, variants: stored } = parse(text)?;
    let mut known: HashMap<Uuid, VariantDetails> = stored.into_iter().collect();
    for variant in variants {
        variant.details = known.remove(&variant.id).unwrap_or_default();
        variant.in_stock |= !variant.details.inventory.is_tracked();
    }
    Ok(product)
}

pub fn read_status(row: &impl Columns, status: usize, unlisted: usize) -> Result<Status, String> {
    let status = row.text(status).and_then(|word| Status::parse(&word).ok_or(word))?;
    let is_unlisted = status == Status::Draft && row.boolean(unlisted)?;
    Ok(if is_unlisted { Status::Unlisted } else { status })
}

/// # Errors
/// `Conflict` when units of any are promised.
pub fn none_promised<'a>(mut lost: impl Iterator<Item = &'a Known>) -> Result<(), StoreError> {
    if lost.any(|known| known.units.stock.is_promised()) {
        Err(StoreError::Conflict(stock::store::RESERVED_RULE.into()))
    } else {
        Ok(())
    }
}
