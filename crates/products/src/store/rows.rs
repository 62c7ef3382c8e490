//! What a row means, and the SQL that both databases speak.

use kernel::{Currency, Timestamp};
use platform::db::StoreError;
use platform::db::row::Columns;
use serde::de::DeserializeOwned;

use crate::model::{Product, Status, Variant};

macro_rules! product_columns {
    () => {
        "id, owner_id, handle, name, description, category, tags, vendor, status, currency, option_names, images, \
         version, created_at, updated_at, import_digest"
    };
}

macro_rules! variant_columns {
    () => {
        "id, sku, barcode, option_values, price, compare_at_price, on_hand, reserved"
    };
}

pub const GET: &str = concat!("select ", product_columns!(), " from products where id = $1");
pub const BY_HANDLE: &str =
    concat!("select ", product_columns!(), " from products where owner_id = $1 and handle = $2");
pub const VARIANTS_OF: &str =
    concat!("select ", variant_columns!(), " from variants where product_id = $1 order by position");
pub const VARIANTS_OF_MANY: &str = concat!(
    "select ",
    variant_columns!(),
    ", product_id from variants where product_id = any($1) order by product_id, position"
);
pub const ACTIVE: &str = concat!(
    "select ",
    product_columns!(),
    " from products where status = 'active' and (created_at, id) < ($1, $2) order by created_at desc, id desc limit $3"
);
pub const ACTIVE_IN_CATEGORY: &str = concat!(
    "select ",
    product_columns!(),
    " from products where status = 'active' and category = $1 and (created_at, id) < ($2, $3) \
     order by created_at desc, id desc limit $4"
);

pub const INSERT_PRODUCT: &str = "insert into products (id, owner_id, handle, name, name_key, description, category, tags, \
    vendor, status, currency, option_names, images, price, in_stock, version, created_at, updated_at, import_digest) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
pub const UPDATE_PRODUCT: &str = "update products set handle = $1, name = $2, name_key = $3, description = $4, category = $5, \
    tags = $6, vendor = $7, status = $8, currency = $9, option_names = $10, images = $11, price = $12, version = $13, \
    updated_at = $14, import_digest = $15 where id = $16 and version = $17";
/// Inserts a variant, or edits it and leaves its stock alone.
pub const SAVE_VARIANT: &str = "insert into variants (id, product_id, owner_id, position, sku, sku_key, barcode, \
    option_values, price, compare_at_price, on_hand, available) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    on conflict (id) do update set position = excluded.position, sku = excluded.sku, sku_key = excluded.sku_key, \
    barcode = excluded.barcode, option_values = excluded.option_values, price = excluded.price, \
    compare_at_price = excluded.compare_at_price";
pub const SET_STOCK: &str =
    "update variants set on_hand = $1, available = $1 - reserved where id = $2 and reserved <= $1";
pub const REFRESH_IN_STOCK: &str = "update products set in_stock = \
    exists (select 1 from variants where product_id = $1 and available > 0) where id = $1";
pub const DELETE_VARIANT: &str = "delete from variants where id = $1";
pub const VARIANT_IDS: &str = "select id from variants where product_id = $1";
pub const DELETE_PRODUCT: &str = "delete from products where id = $1 and version = $2";

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
        version: row.integer(12).map_err(wrong("version"))?,
        created_at: row.integer(13).map(Timestamp).map_err(wrong("created_at"))?,
        updated_at: row.integer(14).map(Timestamp).map_err(wrong("updated_at"))?,
        import_digest: row.optional_bytes(15).map_err(wrong("import_digest"))?,
        variants: Vec::new(),
    })
}

pub fn variant(row: &impl Columns) -> Result<Variant, StoreError> {
    let id = row.uuid(0).map_err(|error| StoreError::corrupt("variants", "id", "?", error))?;
    let wrong = |column| move |error: String| StoreError::corrupt("variants", column, id, error);
    Ok(Variant {
        id,
        sku: row.optional_text(1).map_err(wrong("sku"))?,
        barcode: row.optional_text(2).map_err(wrong("barcode"))?,
        option_values: row.text(3).and_then(|text| parse(&text)).map_err(wrong("option_values"))?,
        price: row.integer(4).map_err(wrong("price"))?,
        compare_at_price: row.optional_integer(5).map_err(wrong("compare_at_price"))?,
        on_hand: row.integer(6).map_err(wrong("on_hand"))?,
        reserved: row.integer(7).map_err(wrong("reserved"))?,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The JSON form of a list column.
pub fn list<T: serde::Serialize>(items: &[T]) -> String {
    // Lists of strings and images always serialize.
    serde_json::to_string(items).unwrap_or_else(|_| "[]".to_owned())
}
