//! The catalogue as API v2 shows it.

pub mod get;
pub mod list;

use kernel::{Money, Timestamp, Uuid};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::model::{Image, Product, Variant};

/// v2's product.
#[derive(Serialize)]
pub struct V2Product<'a> {
    id: Uuid,
    owner_id: Uuid,
    handle: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    category: Option<&'a str>,
    tags: &'a [String],
    vendor: Option<&'a str>,
    status: &'static str,
    price: Money,
    in_stock: bool,
    variants: Vec<V2Variant<'a>>,
    images: &'a [Image],
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct V2Variant<'a> {
    id: Uuid,
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    options: Options<'a>,
    price: Money,
    compare_at_price: Option<Money>,
    in_stock: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<Stock>,
}

/// For those who manage the product.
#[derive(Serialize)]
struct Stock {
    on_hand: i64,
    reserved: i64,
    available: i64,
}

/// `{"Size": "Small"}`, in the product's order.
struct Options<'a> {
    names: &'a [String],
    values: &'a [String],
}

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        for (name, value) in self.names.iter().zip(self.values) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> V2Product<'a> {
    /// With `managed`, the stock is shown.
    pub fn new(product: &'a Product, managed: bool) -> Self {
        let variant = |variant: &'a Variant| V2Variant {
            id: variant.id,
            sku: variant.sku.as_deref(),
            barcode: variant.barcode.as_deref(),
            options: Options { names: &product.option_names, values: &variant.option_values },
            price: product.money(variant.price),
            compare_at_price: variant.compare_at_price.map(|price| product.money(price)),
            in_stock: variant.available() > 0,
            stock: managed.then(|| Stock {
                on_hand: variant.on_hand,
                reserved: variant.reserved,
                available: variant.available(),
            }),
        };
        V2Product {
            id: product.id,
            owner_id: product.owner_id,
            handle: &product.handle,
            name: &product.name,
            description: product.description.as_deref(),
            category: product.category.as_deref(),
            tags: &product.tags,
            vendor: product.vendor.as_deref(),
            status: product.status.as_str(),
            price: product.money(product.lowest_price()),
            in_stock: product.in_stock(),
            variants: product.variants.iter().map(variant).collect(),
            images: &product.images,
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}
