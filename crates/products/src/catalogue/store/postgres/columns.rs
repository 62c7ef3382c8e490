//! Rows of many products by column: one statement a table inserts them, however many they are.

use kernel::Uuid;
use storage::postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::catalogue::model::Product;
use crate::catalogue::store::changes::VariantRow;
use crate::catalogue::store::rows::{self, ProductRow};

const INSERT_PRODUCTS: &str = rows::insert_product!(
    "select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
     $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[], \
     $17::bytea[], $18::boolean[], $19::text[], $20::uuid[], $21::uuid[], $22::bigint[])"
);
const INSERT_VARIANTS: &str = rows::insert_variant!(
    "select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
     $8::uuid[], $9::uuid[], $10::uuid[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[], $15::boolean[], \
     $16::bigint[], array_fill(0::bigint, array[cardinality($1::bigint[])]))"
);
const UPDATE_VARIANTS: &str = "update variants set position = given.position, sku = given.sku, sku_key = given.sku_key, \
    barcode = given.barcode, option_values = given.option_values, price = given.price, \
    compare_at_price = given.compare_at_price, untracked = given.untracked, backorder = given.backorder \
    from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::uuid[], \
      $9::boolean[], $10::boolean[]) as given (position, sku, sku_key, barcode, option_values, price, compare_at_price, \
      id, untracked, backorder) where variants.id = given.id";

/// Products by column, for [`INSERT_PRODUCTS`].
#[derive(Default)]
pub struct ProductColumns<'a> {
    handles: Vec<&'a str>,
    names: Vec<&'a str>,
    name_keys: Vec<String>,
    descriptions: Vec<Option<&'a str>>,
    categories: Vec<Option<&'a str>>,
    tags: Vec<String>,
    vendors: Vec<Option<&'a str>>,
    statuses: Vec<&'a str>,
    currencies: Vec<&'a str>,
    option_names: Vec<String>,
    images: Vec<String>,
    variants: Vec<String>,
    prices: Vec<i64>,
    in_stock: Vec<bool>,
    versions: Vec<i64>,
    updated_at: Vec<i64>,
    import_digests: Vec<Option<&'a [u8]>>,
    unlisted: Vec<bool>,
    details: Vec<Option<String>>,
    ids: Vec<Uuid>,
    owner_ids: Vec<Uuid>,
    created_at: Vec<i64>,
}

impl<'a> ProductColumns<'a> {
    pub fn of(products: impl Iterator<Item = &'a Product>) -> Self {
        let mut columns = Self::default();
        for p in products {
            let row = ProductRow::new(p);
            columns.handles.push(&p.handle);
            columns.names.push(&p.name);
            columns.name_keys.push(row.name_key);
            columns.descriptions.push(p.description.as_deref());
            columns.categories.push(p.category.as_deref());
            columns.tags.push(row.tags);
            columns.vendors.push(p.vendor.as_deref());
            columns.statuses.push(row.status);
            columns.currencies.push(row.currency);
            columns.option_names.push(row.option_names);
            columns.images.push(row.images);
            columns.variants.push(row.variants);
            columns.prices.push(row.price);
            columns.in_stock.push(row.in_stock);
            columns.versions.push(p.version);
            columns.updated_at.push(p.updated_at.0);
            columns.import_digests.push(p.import_digest.as_deref());
            columns.unlisted.push(row.unlisted);
            columns.details.push(row.details);
            columns.ids.push(p.id);
            columns.owner_ids.push(p.owner_id);
            columns.created_at.push(p.created_at.0);
        }
        columns
    }

    pub fn statement(&self) -> Statement<'_> {
        let columns = vec![
            &self.handles as &(dyn ToSql + Sync),
            &self.names,
            &self.name_keys,
            &self.descriptions,
            &self.categories,
            &self.tags,
            &self.vendors,
            &self.statuses,
            &self.currencies,
            &self.option_names,
            &self.images,
            &self.variants,
            &self.prices,
            &self.in_stock,
            &self.versions,
            &self.updated_at,
            &self.import_digests,
            &self.unlisted,
            &self.details,
            &self.ids,
            &self.owner_ids,
            &self.created_at,
        ];
        Statement::new(INSERT_PRODUCTS, columns)
    }
}

/// Variants by column, for [`INSERT_VARIANTS`].
#[derive(Default)]
pub struct VariantColumns<'a> {
    positions: Vec<i64>,
    skus: Vec<Option<&'a str>>,
    sku_keys: Vec<Option<String>>,
    barcodes: Vec<Option<&'a str>>,
    option_values: Vec<String>,
    prices: Vec<i64>,
    compare_at_prices: Vec<Option<i64>>,
    ids: Vec<Uuid>,
    product_ids: Vec<Uuid>,
    owner_ids: Vec<Uuid>,
    on_hand: Vec<i64>,
    reserved: Vec<i64>,
    available: Vec<i64>,
    untracked: Vec<bool>,
    backorder: Vec<bool>,
    imported: Vec<Option<i64>>,
}

impl<'a> VariantColumns<'a> {
    pub fn of(rows: impl Iterator<Item = VariantRow<'a>>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.positions.push(row.position);
            columns.skus.push(row.variant.sku.as_deref());
            columns.sku_keys.push(row.sku_key);
            columns.barcodes.push(row.variant.barcode.as_deref());
            columns.option_values.push(row.option_values);
            columns.prices.push(row.variant.price);
            columns.compare_at_prices.push(row.variant.compare_at_price);
            columns.ids.push(row.variant.id);
            columns.product_ids.push(row.product.id);
            columns.owner_ids.push(row.product.owner_id);
            columns.on_hand.push(row.stock.on_hand);
            columns.reserved.push(row.stock.reserved);
            columns.available.push(row.available);
            columns.untracked.push(row.untracked);
            columns.backorder.push(row.variant.details.backorder);
            columns.imported.push(row.imported);
        }
        columns
    }

    pub fn statement(&self) -> Statement<'_> {
        let columns = vec![
            &self.positions as &(dyn ToSql + Sync),
            &self.skus,
            &self.sku_keys,
            &self.barcodes,
            &self.option_values,
            &self.prices,
            &self.compare_at_prices,
            &self.ids,
            &self.product_ids,
            &self.owner_ids,
            &self.on_hand,
            &self.reserved,
            &self.available,
            &self.untracked,
            &self.backorder,
            &self.imported,
        ];
        Statement::new(INSERT_VARIANTS, columns)
    }

    /// An edit of these instead.
    pub fn update(&self) -> Statement<'_> {
        let columns = vec![
            &self.positions as &(dyn ToSql + Sync),
            &self.skus,
            &self.sku_keys,
            &self.barcodes,
            &self.option_values,
            &self.prices,
            &self.compare_at_prices,
            &self.ids,
            &self.untracked,
            &self.backorder,
        ];
        Statement::new(UPDATE_VARIANTS, columns)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
