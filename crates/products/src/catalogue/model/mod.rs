//! What a product is, and its rules. Pure: no clock, no I/O.

mod details;
mod draft;
pub mod edit;
pub mod handle;
mod patch;
mod product_rules;
mod replace;
mod rules;

use kernel::product::MAX_PRODUCT_BYTES;
use kernel::{Currency, Money, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use stock::model::Stock;
use utoipa::ToSchema;

pub use details::{Attributes, ProductDetails, VariantDetails};
pub use draft::{Content, ListedVariant, Listing, Offer, VariantContent};
pub use edit::{Edit, description_fits};
pub use patch::{Patch, PricePatch, VariantPatch, added, removed};
pub use replace::reserved;

/// The highest price that the catalogue takes, in minor units: below a hundred million major ones.
pub fn highest_price(currency: Currency) -> i64 {
    100_000_000 * 10_i64.pow(currency.exponent()) - 1
}

/// Who sees a product: `active` everyone; `unlisted` everyone who has its address, but no list; `draft` and `archived` its owner and
/// administrators, before it is on sale and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProductStatus)]
pub enum Status {
    /// Its owner and administrators.
    Draft,
    /// Everyone.
    Active,
    /// Its owner and administrators; no longer sold.
    Archived,
    /// Everyone who has its address; it is sold, and in no public list.
    Unlisted,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::Draft, Status::Active, Status::Archived, Status::Unlisted];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Draft => "draft",
            Status::Active => "active",
            Status::Archived => "archived",
            Status::Unlisted => "unlisted",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether everyone may see it by its address, and buy it.
    pub fn is_public(self) -> bool {
        matches!(self, Status::Active | Status::Unlisted)
    }
}

/// A picture that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub url: String,
    pub alt: Option<String>,
}

/// A product with its variants. A plain product has one variant without option values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: Uuid,
    pub owner_id: Uuid,
    /// Unique per owner.
    pub handle: String,
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub vendor: Option<String>,
    pub status: Status,
    /// Of all its prices.
    pub currency: Currency,
    /// Such as Size and Color, in order.
    pub option_names: Vec<String>,
    pub images: Vec<Image>,
    /// At least one, in order.
    pub variants: Vec<Variant>,
    /// Counts edits from 1; stock movements are not edits.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// SHA-256 of the file rows that it was last imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_digest: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "ProductDetails::is_empty")]
    pub details: ProductDetails,
}

/// One thing that can be bought, as everyone may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub id: Uuid,
    pub sku: Option<String>,
    pub barcode: Option<String>,
    /// One for each option name.
    pub option_values: Vec<String>,
    /// Minor units of the product's currency.
    pub price: i64,
    pub compare_at_price: Option<i64>,
    /// Whether any unit is available, or none is counted.
    pub in_stock: bool,
    #[serde(default, skip_serializing_if = "VariantDetails::is_empty")]
    pub details: VariantDetails,
}

impl Variant {
    /// Whether it is in stock with these units.
    pub fn is_in_stock(&self, stock: &Stock) -> bool {
        stock.available() > 0 || !self.details.inventory.is_tracked()
    }
}

/// A product with the units of its variants: what its owner sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stocked {
    pub product: Product,
    /// One for each variant, in their order.
    pub stock: Vec<Stock>,
}

impl Stocked {
    /// Pairs a product with stock in any order; `in_stock` follows from it. `None` when a variant has no stock among it.
    pub fn pair(mut product: Product, known: &[Stock]) -> Option<Self> {
        let mut stock = Vec::with_capacity(product.variants.len());
        for variant in &mut product.variants {
            let found = known.iter().find(|stock| stock.variant_id == variant.id)?;
            variant.in_stock = variant.is_in_stock(found);
            stock.push(*found);
        }
        Some(Self { product, stock })
    }

    /// Units on hand of all variants.
    pub fn total(&self) -> i64 {
        self.stock.iter().map(|stock| stock.on_hand).sum()
    }
}

impl Product {
    /// Bytes of its longer texts, roughly: what a page of it may weigh.
    pub fn text_bytes(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let images = |images: &[Image]| images.iter().map(|image| image.url.len() + of(&image.alt)).sum::<usize>();
        let options = |variant: &Variant| variant.option_values.iter().map(String::len).sum::<usize>();
        let variants = self.variants.iter().map(|variant| {
            let codes = of(&variant.sku) + of(&variant.barcode);
            options(variant) + codes + images(&variant.details.images)
        });
        let ProductDetails { category_path, seo_title, seo_description, attributes, show_available: _ } = &self.details;
        let attributes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        let tags: usize = self.tags.iter().map(String::len).sum();
        let texts = of(&self.description) + of(category_path) + of(seo_title) + of(seo_description);
        texts + tags + attributes + images(&self.images) + variants.sum::<usize>()
    }

    /// Whether it is larger than a client could send back.
    pub fn is_too_large(&self) -> bool {
        /// What API v2 says of a variant besides what an event does: names, and the currency of each price.
        const BESIDE: usize = 200;
        const CERTAINLY_SMALL: usize = MAX_PRODUCT_BYTES / 6;
        let variants = self.variants.len();
        // Each byte of a text takes six at most.
        if self.text_bytes() + variants * BESIDE < CERTAINLY_SMALL {
            return false;
        }
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len()) + variants * BESIDE > MAX_PRODUCT_BYTES
    }

    /// The lowest price of its variants, minor units.
    pub fn lowest_price(&self) -> i64 {
        self.variants.iter().map(|variant| variant.price).min().unwrap_or(0)
    }

    pub fn in_stock(&self) -> bool {
        self.variants.iter().any(|variant| variant.in_stock)
    }

    pub fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.currency }
    }
}
