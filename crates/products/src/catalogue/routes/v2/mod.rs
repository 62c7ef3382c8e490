//! The catalogue as API v2 shows it.

pub mod batch;
pub mod create;
pub mod create_variant;
pub mod delete;
pub mod delete_variant;
pub mod exclusive_fields;
pub mod get;
pub mod get_by_handle;
pub mod get_variant;
mod html;
mod input;
pub mod list_variants;
mod named;
pub mod patch;
pub mod patch_variant;
pub mod replace;

use std::borrow::Cow;

use api::conditional::etag;
use api::v2::{self, Refusal};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use effects::idempotency::Answer;
use kernel::product::Grams;
use kernel::{Error, Money, Timestamp, Uuid};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use stock::model::Inventory;
use stock::routes::{Seller, V2Stock};
use utoipa::ToSchema;

use crate::catalogue::model::{Attributes, Image, Product, Status, Stocked, Variant};

/// The validator of what those see who manage a product.
pub fn managed_etag(version: i64) -> HeaderValue {
    etag(version, "managed")
}

/// The validator of what everyone sees of a product, with the name of its seller, or of its variants, without. Sales change what is
/// shown of a version only when a variant comes into stock or goes out of it.
pub fn public_etag(product: &Product, seller: Option<&str>) -> HeaderValue {
    // Over the flags, in the variants' order.
    let in_stock = product.variants.iter().map(|variant| u8::from(variant.in_stock));
    let shown = kernel::fnv1a(in_stock.chain(seller.unwrap_or_default().bytes()));
    etag(product.version, &format!("{shown:016x}"))
}

/// A product, for those who manage it.
fn managed(stocked: &Stocked, seller: Option<&str>) -> Response {
    v2::private_with_etag(managed_etag(stocked.product.version), &V2Product::managed(stocked, seller))
}

/// A variant, for those who manage its product.
fn managed_variant(stocked: &Stocked, id: Uuid) -> Result<Response, Refusal> {
    let variant = V2Variant::managed(stocked, id).ok_or(Error::NotFound)?;
    Ok(v2::private_with_etag(managed_etag(stocked.product.version), &variant))
}

/// What was created lies at the path of its subject.
fn created(answer: &Answer) -> Response {
    let mut response = v2::created(&format!("/api/v2/{}", answer.subject), answer.body.clone());
    response.headers_mut().insert(header::ETAG, managed_etag(answer.version));
    response
}

/// A product. Its price is the lowest of its variants'.
#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub struct V2Product<'a> {
    id: Uuid,
    owner_id: Uuid,
    seller: Seller<'a>,
    /// Unique per owner.
    handle: &'a str,
    name: &'a str,
    /// As the seller wrote it. It may be HTML, of which nothing is taken away: show `description_text`, or clean it first.
    description: Option<&'a str>,
    /// The text of the description, without tags. Characters such as `<` in it are text.
    #[schema(value_type = Option<String>)]
    description_text: Option<Cow<'a, str>>,
    category: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    tags: &'a [String],
    vendor: Option<&'a str>,
    #[schema(value_type = Status)]
    status: &'static str,
    price: Money,
    in_stock: bool,
    variants: Vec<V2Variant<'a>>,
    #[schema(value_type = Vec<Image>)]
    images: &'a [Image],
    /// Such as `Home & Garden > Decor > Mirrors`.
    category_path: Option<&'a str>,
    seo_title: Option<&'a str>,
    seo_description: Option<&'a str>,
    #[schema(value_type = named::AttributeMap)]
    attributes: &'a Attributes,
    /// Whether a buyer who asks for too many units learns how many are left.
    show_available: bool,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// In lists: the `ETag` that the product has by itself, for If-Match and If-None-Match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    etag: Option<String>,
}

/// One thing that can be bought.
#[derive(Serialize, ToSchema)]
#[schema(as = Variant)]
struct V2Variant<'a> {
    id: Uuid,
    product_id: Uuid,
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    #[schema(value_type = named::Options)]
    options: Options<'a>,
    price: Money,
    compare_at_price: Option<Money>,
    /// Whether any unit is available; always, where units are not tracked.
    in_stock: bool,
    #[schema(value_type = Inventory)]
    inventory: &'static str,
    /// Whether it is sold beyond its stock.
    backorder: bool,
    #[schema(value_type = Option<f64>, minimum = 0, example = 453.59237)]
    weight_grams: Option<Grams>,
    #[schema(value_type = Vec<Image>)]
    images: &'a [Image],
    /// For its owner and administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stock: Option<V2Stock>,
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
    /// As everyone may see it.
    pub fn shown(product: &'a Product, seller: Option<&'a str>) -> Self {
        Self::new(product, seller, |_| None)
    }

    /// As its owner and administrators see it.
    pub fn managed(stocked: &'a Stocked, seller: Option<&'a str>) -> Self {
        Self::new(&stocked.product, seller, |position| stocked.stock.get(position).map(V2Stock::from))
    }

    fn new(product: &'a Product, seller: Option<&'a str>, stock: impl Fn(usize) -> Option<V2Stock>) -> Self {
        let variant = |(position, variant)| V2Variant::new(product, variant, stock(position));
        V2Product {
            id: product.id,
            owner_id: product.owner_id,
            seller: Seller { id: product.owner_id, name: seller },
            handle: &product.handle,
            name: &product.name,
            description: product.description.as_deref(),
            description_text: product.description.as_deref().map(html::text_of),
            category: product.category.as_deref(),
            tags: &product.tags,
            vendor: product.vendor.as_deref(),
            status: product.status.as_str(),
            price: product.money(product.lowest_price()),
            in_stock: product.in_stock(),
            variants: product.variants.iter().enumerate().map(variant).collect(),
            images: &product.images,
            category_path: product.details.category_path.as_deref(),
            seo_title: product.details.seo_title.as_deref(),
            seo_description: product.details.seo_description.as_deref(),
            attributes: &product.details.attributes,
            show_available: product.details.show_available,
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
            etag: None,
        }
    }

    /// As an item of a list.
    pub fn listed(self, etag: &HeaderValue) -> Self {
        // Of visible ASCII.
        Self { etag: etag.to_str().ok().map(str::to_owned), ..self }
    }
}

impl<'a> V2Variant<'a> {
    /// The variant of this id, as those see it who manage its product.
    fn managed(stocked: &'a Stocked, id: Uuid) -> Option<Self> {
        let mut pairs = stocked.product.variants.iter().zip(&stocked.stock);
        let (variant, stock) = pairs.find(|(variant, _)| variant.id == id)?;
        Some(Self::new(&stocked.product, variant, Some(stock.into())))
    }

    fn new(product: &'a Product, variant: &'a Variant, stock: Option<V2Stock>) -> Self {
        V2Variant {
            id: variant.id,
            product_id: product.id,
            sku: variant.sku.as_deref(),
            barcode: variant.barcode.as_deref(),
            options: Options { names: &product.option_names, values: &variant.option_values },
            price: product.money(variant.price),
            compare_at_price: variant.compare_at_price.map(|price| product.money(price)),
            in_stock: variant.in_stock,
            inventory: variant.details.inventory.as_str(),
            backorder: variant.details.backorder,
            weight_grams: variant.details.weight,
            images: &variant.details.images,
            stock,
        }
    }
}
