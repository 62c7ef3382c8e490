//! What clients of API v2 send of products. The rules beyond the form are the model's.

use api::v2::{self, Object};
use kernel::product::{Grams, MAX_TAG};
use kernel::{Currency, Money, Uuid};
use serde::Deserialize;
use stock::model::Inventory;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::named::{AttributeMap, AttributesPatch, Options, OptionsPatch};
use crate::catalogue::model::{
    Image, ListedVariant, Listing, Offer, Patch, PricePatch, ProductDetails, Status, VariantPatch,
};

/// What to change of a price. Where there is none yet, both.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PricePatch)]
pub struct PriceChange {
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(minimum = 0, maximum = 999999999999i64, nullable = false, example = 3990)]
    amount: Option<i64>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    currency: Option<Currency>,
}

/// A picture that lies elsewhere. Unlike those of answers, it may leave `alt` out.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    #[schema(min_length = 1, max_length = 2048, pattern = r"^https?://[^\s/?#]+([/?#]\S*)?$")]
    url: String,
    #[schema(max_length = 512)]
    #[serde(default)]
    alt: Option<String>,
}

/// A body that tells all of a product, by these docs of it, of its status and of its handle; and of its units on hand, if it may.
macro_rules! product_body {
    ($(#[$about:meta])* $name:ident of $variant:ident, $status:literal, $handle:literal $(, $stock:ident)?) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            #[schema(min_length = 1, max_length = 255, pattern = r"\S", example = "Desk lamp")]
            name: String,
            #[schema(max_length = 65536)]
            description: Option<String>,
            #[schema(max_length = 255, example = "Lighting")]
            category: Option<String>,
            #[schema(value_type = Option<BTreeSet<Tag>>, max_items = 250)]
            tags: Option<Vec<String>>,
            #[schema(max_length = 255)]
            vendor: Option<String>,
            #[doc = $status]
            status: Option<Status>,
            #[doc = $handle]
            #[schema(min_length = 1, max_length = 255, example = "desk-lamp")]
            handle: Option<String>,
            #[schema(value_type = Option<Vec<NewImage>>, max_items = 250)]
            images: Option<Vec<Object<NewImage>>>,
            /// Such as `Home & Garden > Decor > Mirrors`.
            #[schema(max_length = 1000)]
            category_path: Option<String>,
            #[schema(max_length = 255)]
            seo_title: Option<String>,
            #[schema(max_length = 5000)]
            seo_description: Option<String>,
            attributes: Option<AttributeMap>,
            /// Whether a buyer who asks for too many units learns how many are left; not, if it is absent.
            show_available: Option<bool>,
            #[schema(value_type = Option<Money>)]
            price: Option<Object<Money>>,
            #[schema(value_type = Option<Money>)]
            compare_at_price: Option<Object<Money>>,
            #[schema(min_length = 1, max_length = 255)]
            sku: Option<String>,
            #[schema(min_length = 1, max_length = 255)]
            barcode: Option<String>,
            inventory: Option<Inventory>,
            /// Whether it is sold beyond its stock.
            backorder: Option<bool>,
            #[schema(value_type = Option<f64>, minimum = 0, maximum = 1000000000)]
            weight_grams: Option<Grams>,
            $(/// Units on hand; 0 if it is absent.
            #[schema(minimum = 0, maximum = 2147483647)]
            $stock: Option<i64>,)?
            /// All have the same option names, and one currency.
            #[schema(value_type = Option<Vec<$variant>>, min_items = 1, max_items = 2048)]
            variants: Option<Vec<Object<$variant>>>,
        }

        impl From<$name> for Listing {
            fn from(body: $name) -> Listing {
                let plain = Offer {
                    price: money(body.price),
                    compare_at_price: money(body.compare_at_price),
                    sku: body.sku,
                    barcode: body.barcode,
                    stock: None $(.or(body.$stock))?,
                    inventory: body.inventory,
                    backorder: body.backorder,
                    weight: body.weight_grams,
                };
                Listing {
                    name: body.name,
                    description: body.description,
                    category: body.category,
                    tags: body.tags.unwrap_or_default(),
                    vendor: body.vendor,
                    status: body.status,
                    handle: body.handle,
                    images: images(body.images),
                    details: ProductDetails {
                        category_path: body.category_path,
                        show_available: body.show_available.unwrap_or(false),
                        seo_title: body.seo_title,
                        seo_description: body.seo_description,
                        attributes: body.attributes.map(|AttributeMap(attributes)| attributes).unwrap_or_default(),
                    },
                    plain,
                    variants: body.variants.map(|variants| variants.into_iter().map(|Object(v)| v.into()).collect()),
                }
            }
        }
    };
}

/// As [`product_body`], of a variant; with its id or its units on hand.
macro_rules! variant_body {
    ($(#[$about:meta])* $name:ident $(, id: $id:ident)? $(, stock: $stock:ident)?) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($id: Option<Uuid>,)?
            #[serde(default)]
            options: Options,
            #[schema(value_type = Money)]
            price: Object<Money>,
            #[schema(value_type = Option<Money>)]
            compare_at_price: Option<Object<Money>>,
            #[schema(min_length = 1, max_length = 255)]
            sku: Option<String>,
            #[schema(min_length = 1, max_length = 255)]
            barcode: Option<String>,
            inventory: Option<Inventory>,
            /// Whether it is sold beyond its stock.
            backorder: Option<bool>,
            #[schema(value_type = Option<f64>, minimum = 0, maximum = 1000000000)]
            weight_grams: Option<Grams>,
            #[schema(value_type = Option<Vec<NewImage>>, max_items = 10)]
            images: Option<Vec<Object<NewImage>>>,
            $(/// Units on hand; 0 if it is absent.
            #[schema(minimum = 0, maximum = 2147483647)]
            $stock: Option<i64>,)?
        }

        impl From<$name> for ListedVariant {
            fn from(body: $name) -> ListedVariant {
                let offer = Offer {
                    price: money(Some(body.price)),
                    compare_at_price: money(body.compare_at_price),
                    sku: body.sku,
                    barcode: body.barcode,
                    stock: None $(.or(body.$stock))?,
                    inventory: body.inventory,
                    backorder: body.backorder,
                    weight: body.weight_grams,
                };
                ListedVariant { id: None $(.or(body.$id))?, options: body.options.0, images: images(body.images), offer }
            }
        }
    };
}

product_body! {
    /// A product to create. Either it is plain, with a `price`, or it has `variants`. `compare_at_price` is what it cost before, or
    /// elsewhere; whether that is more than its price, as it has to be for a reduction, is the seller's affair.
    NewProduct of NewVariant,
    "`draft` unless it says otherwise.",
    "Lower-case letters and digits with single hyphens between; unique per owner. If it is absent, one is derived from the name: \
     `desk-lamp`, then `desk-lamp-2` and so on.",
    stock
}

variant_body! {
    /// One thing that can be bought.
    NewVariant, stock: stock
}

product_body! {
    /// All that can be edited of a product: what is absent is cleared, but the status, the handle, and each variant's inventory and
    /// backorder stay. Stock is changed by `stock-adjustments` only.
    ProductReplacement of VariantReplacement,
    "The present one stays unless it says otherwise.",
    "As of a new product; the present one stays if it is absent."
}

variant_body! {
    /// A variant with the `id` or the options of a present one stays that one, with its stock. Another is new, without any units.
    VariantReplacement, id: id
}

/// The fields of a product to change (RFC 7396): lists are replaced, prices merged with the present ones. `null` clears a field
/// that can be without a value. A price and what follows it belong to plain products: of others, change the variants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(min_length = 1, max_length = 255, pattern = r"\S", nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 65536)]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 255)]
    category: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<BTreeSet<Tag>>, max_items = 250)]
    tags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 255)]
    vendor: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    status: Option<Status>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    handle: Option<String>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<Vec<NewImage>>, max_items = 250)]
    images: Option<Option<Vec<Object<NewImage>>>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    category_path: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 255)]
    seo_title: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, max_length = 5000)]
    seo_description: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<AttributesPatch>)]
    attributes: Option<Option<AttributesPatch>>,
    /// Whether a buyer who asks for too many units learns how many are left.
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    show_available: Option<bool>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>, nullable = false)]
    price: Option<Object<PriceChange>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>)]
    compare_at_price: Option<Option<Object<PriceChange>>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    sku: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    barcode: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    inventory: Option<Inventory>,
    /// Whether it is sold beyond its stock.
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    backorder: Option<bool>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1000000000)]
    weight_grams: Option<Option<Grams>>,
}

/// The fields of a variant to change (RFC 7396): prices and options are merged with the present ones.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VariantPatch)]
pub struct VariantChange {
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<OptionsPatch>, nullable = false)]
    options: Option<OptionsPatch>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>, nullable = false)]
    price: Option<Object<PriceChange>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<PriceChange>)]
    compare_at_price: Option<Option<Object<PriceChange>>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    sku: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    barcode: Option<Option<String>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    inventory: Option<Inventory>,
    /// Whether it is sold beyond its stock.
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(nullable = false)]
    backorder: Option<bool>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1000000000)]
    weight_grams: Option<Option<Grams>>,
    #[serde(default, deserialize_with = "v2::sent")]
    #[schema(value_type = Option<Vec<NewImage>>, max_items = 10)]
    images: Option<Option<Vec<Object<NewImage>>>>,
}

/// Only described.
pub struct Tag;

impl PartialSchema for Tag {
    fn schema() -> RefOr<Schema> {
        let tag = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_TAG));
        RefOr::T(Schema::from(tag))
    }
}

impl ToSchema for Tag {}

fn money(price: Option<Object<Money>>) -> Option<Money> {
    price.map(|Object(price)| price)
}

fn images(images: Option<Vec<Object<NewImage>>>) -> Vec<Image> {
    let image = |Object(image): Object<NewImage>| Image { url: image.url, alt: image.alt };
    images.unwrap_or_default().into_iter().map(image).collect()
}

impl From<Object<PriceChange>> for PricePatch {
    fn from(Object(PriceChange { amount, currency }): Object<PriceChange>) -> PricePatch {
        PricePatch { amount, currency }
    }
}

impl From<ProductPatch> for Patch {
    fn from(patch: ProductPatch) -> Patch {
        Patch {
            name: patch.name,
            description: patch.description,
            category: patch.category,
            tags: patch.tags.map(Option::unwrap_or_default),
            vendor: patch.vendor,
            status: patch.status,
            handle: patch.handle,
            images: patch.images.map(images),
            category_path: patch.category_path,
            show_available: patch.show_available,
            seo_title: patch.seo_title,
            seo_description: patch.seo_description,
            attributes: patch.attributes.map(|patch| patch.map(|AttributesPatch(changes)| changes.0)),
            plain: VariantPatch {
                price: patch.price.map(PricePatch::from),
                compare_at_price: patch.compare_at_price.map(|price| price.map(PricePatch::from)),
                sku: patch.sku,
                barcode: patch.barcode,
                inventory: patch.inventory,
                backorder: patch.backorder,
                weight: patch.weight_grams,
                images: None,
                options: Vec::new(),
            },
        }
    }
}

impl From<VariantChange> for VariantPatch {
    fn from(patch: VariantChange) -> VariantPatch {
        VariantPatch {
            price: patch.price.map(PricePatch::from),
            compare_at_price: patch.compare_at_price.map(|price| price.map(PricePatch::from)),
            sku: patch.sku,
            barcode: patch.barcode,
            inventory: patch.inventory,
            backorder: patch.backorder,
            weight: patch.weight_grams,
            images: patch.images.map(images),
            options: patch.options.map(|Options(options)| options).unwrap_or_default(),
        }
    }
}
