//! What a seller says of a product as a whole: as sent, and as content whose rules hold.

use std::collections::HashSet;

use kernel::product::{Grams, MAX_VARIANTS};
use kernel::{Broken, Currency, Error, Money, Uuid};
use stock::model::{Inventory, MAX_STOCK};

use super::rules::{
    Texts, check_codes, check_images, check_names, check_options, check_tags, check_variant_images, way,
};
use super::{Image, Product, ProductDetails, Status, Variant};
use crate::catalogue::model::product_rules::ProductRules;

/// As sent. Either it is plain, with a price of its own, or it has variants.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub vendor: Option<String>,
    pub status: Option<Status>,
    pub handle: Option<String>,
    pub images: Vec<Image>,
    pub details: ProductDetails,
    /// What a plain product says of its one variant.
    pub plain: Offer,
    pub variants: Option<Vec<ListedVariant>>,
}

/// What can be said of one thing that is sold.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    pub price: Option<Money>,
    pub compare_at_price: Option<Money>,
    pub sku: Option<String>,
    pub barcode: Option<String>,
    pub stock: Option<i64>,
    pub inventory: Option<Inventory>,
    pub backorder: Option<bool>,
    pub weight: Option<Grams>,
}

#[derive(Debug, Clone, Default)]
pub struct ListedVariant {
    /// Of one that exists.
    pub id: Option<Uuid>,
    /// Names with values, in order.
    pub options: Vec<(String, String)>,
    pub images: Vec<Image>,
    pub offer: Offer,
}

/// What a seller says of a product, within the rules.
#[derive(Debug, Clone)]
pub struct Content {
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub vendor: Option<String>,
    /// `None`: the present one stays, or it is a draft.
    pub status: Option<Status>,
    /// `None`: the present one stays, or one is derived from the name.
    pub handle: Option<String>,
    pub images: Vec<Image>,
    pub details: ProductDetails,
    pub currency: Currency,
    pub option_names: Vec<String>,
    /// At least one.
    pub variants: Vec<VariantContent>,
}

#[derive(Debug, Clone)]
pub struct VariantContent {
    pub id: Option<Uuid>,
    pub option_values: Vec<String>,
    pub sku: Option<String>,
    pub barcode: Option<String>,
    pub price: i64,
    pub compare_at_price: Option<i64>,
    /// Units that a new one begins with.
    pub stock: i64,
    /// `None`: the present one stays, or it is tracked.
    pub inventory: Option<Inventory>,
    /// `None`: the present one stays, or no more is sold than there is.
    pub backorder: Option<bool>,
    pub weight: Option<Grams>,
    pub images: Vec<Image>,
}

impl Content {
    /// A plain draft, of which more need not be said.
    pub fn plain(name: String, price: Money, stock: i64) -> Self {
        let variant = VariantContent {
            id: None,
            option_values: Vec::new(),
            sku: None,
            barcode: None,
            price: price.amount,
            compare_at_price: None,
            stock,
            inventory: None,
            backorder: None,
            weight: None,
            images: Vec::new(),
        };
        Self {
            name,
            description: None,
            category: None,
            tags: Vec::new(),
            vendor: None,
            status: None,
            handle: None,
            images: Vec::new(),
            details: ProductDetails::default(),
            currency: price.currency,
            option_names: Vec::new(),
            variants: vec![variant],
        }
    }
}

impl From<&Product> for Listing {
    /// The product as a client would say it, without its handle, which may be of a form that only files have.
    fn from(product: &Product) -> Self {
        let money = |amount| product.money(amount);
        let variant = |variant: &Variant| ListedVariant {
            id: Some(variant.id),
            options: product.option_names.iter().cloned().zip(variant.option_values.iter().cloned()).collect(),
            images: variant.details.images.clone(),
            offer: Offer {
                price: Some(money(variant.price)),
                compare_at_price: variant.compare_at_price.map(money),
                sku: variant.sku.clone(),
                barcode: variant.barcode.clone(),
                stock: None,
                inventory: Some(variant.details.inventory),
                backorder: Some(variant.details.backorder),
                weight: variant.details.weight,
            },
        };
        Listing {
            name: product.name.clone(),
            description: product.description.clone(),
            category: product.category.clone(),
            tags: product.tags.clone(),
            vendor: product.vendor.clone(),
            status: Some(product.status),
            handle: None,
            images: product.images.clone(),
            details: product.details.clone(),
            plain: Offer::default(),
            variants: Some(product.variants.iter().map(variant).collect()),
        }
    }
}

impl Listing {
    /// The content, if every rule holds. What stays as it is in the `present` product is not judged: a file of an earlier release
    /// may have given it more than anyone may say now.
    ///
    /// # Errors
    /// `Invalid` with every broken rule.
    pub fn check(self, present: Option<&Product>) -> Result<Content, Error> {
        let mut broken = Broken::default();
        let name = self.name.trim().to_owned();
        Texts {
            name: Some(&name),
            handle: self.handle.as_deref(),
            description: self.description.as_deref(),
            category: self.category.as_deref(),
            vendor: self.vendor.as_deref(),
            details: Some(&self.details),
        }
        .check(&mut broken, present);
        check_tags(&mut broken, &self.tags, present.map_or(&[], |present| &present.tags));
        check_images(&mut broken, &self.images, present.map_or(&[], |present| &present.images));
        let listed = listed(&mut broken, self.plain, self.variants);
        let first = listed.first();
        let currency = first.and_then(|(_, first)| first.offer.price).map(|price| price.currency);
        let option_names: Vec<String> =
            first.map(|(_, first)| first.options.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
        check_names(&mut broken, listed.first().map_or("", |(field, _)| field), &option_names);
        let mut distinct = Distinct::default();
        let mut variants = Vec::with_capacity(listed.len());
        for (field, variant) in listed {
            let variant = check_variant(&mut broken, &field, variant, &option_names, currency);
            distinct.check(&mut broken, &field, &variant);
            variants.push(variant);
        }
        broken.finish()?;
        Ok(Content {
            name,
            description: self.description,
            category: self.category,
            tags: self.tags,
            vendor: self.vendor,
            status: self.status,
            handle: self.handle,
            images: self.images,
            details: self.details,
            // Without one, the price was missing, and we are not here.
            currency: currency.unwrap_or(Currency::USD),
            option_names,
            variants,
        })
    }
}

/// The variants, with the way to each; a plain product is one at the root.
fn listed(broken: &mut Broken, plain: Offer, variants: Option<Vec<ListedVariant>>) -> Vec<(String, ListedVariant)> {
    let Some(variants) = variants else {
        return vec![(String::new(), ListedVariant { offer: plain, ..ListedVariant::default() })];
    };
    let given = [
        ("price", plain.price.is_some()),
        ("compare_at_price", plain.compare_at_price.is_some()),
        ("sku", plain.sku.is_some()),
        ("barcode", plain.barcode.is_some()),
        ("stock", plain.stock.is_some()),
        ("inventory", plain.inventory.is_some()),
        ("backorder", plain.backorder.is_some()),
        ("weight_grams", plain.weight.is_some()),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        broken.refuse(field, "several-variants", "say it of each of the variants, or leave variants out");
    }
    broken.count("variants", variants.len(), 1..=MAX_VARIANTS, "variants");
    // Too many are too many, whatever they are.
    variants.into_iter().take(MAX_VARIANTS).enumerate().map(|(n, variant)| (format!("variants/{n}"), variant)).collect()
}

/// A variant of a product with these option names, in this currency.
pub fn check_variant(
    broken: &mut Broken,
    field: &str,
    variant: ListedVariant,
    option_names: &[String],
    currency: Option<Currency>,
) -> VariantContent {
    let ListedVariant { id, options, images, offer } = variant;
    let Offer { price, compare_at_price, sku, barcode, stock, inventory, backorder, weight } = offer;
    let currency = currency.or(price.map(|price| price.currency));
    if price.is_none() {
        let detail = if field.is_empty() { "a product has a price, or variants" } else { "a variant has a price" };
        broken.refuse(way(field, "price"), "required", detail);
    }
    for (name, price) in [("price", price), ("compare_at_price", compare_at_price)] {
        if let (Some(price), Some(currency)) = (price, currency) {
            broken.price(&way(field, name), price, currency);
        }
    }
    check_codes(broken, field, sku.as_deref(), barcode.as_deref());
    broken.range(&way(field, "stock"), stock.unwrap_or(0), 0..=MAX_STOCK);
    check_variant_images(broken, field, &images);
    VariantContent {
        id,
        option_values: check_options(broken, field, options, option_names),
        sku,
        barcode,
        price: price.map_or(0, |price| price.amount),
        compare_at_price: compare_at_price.map(|price| price.amount),
        stock: stock.unwrap_or(0),
        inventory,
        backorder,
        weight,
        images,
    }
}

/// What the variants of a product before have: they differ in their options and ids.
#[derive(Default)]
struct Distinct {
    options: HashSet<Vec<String>>,
    ids: HashSet<Uuid>,
}

impl Distinct {
    fn check(&mut self, broken: &mut Broken, field: &str, variant: &VariantContent) {
        if !self.options.insert(variant.option_values.clone()) {
            broken.refuse(way(field, "options"), "duplicate", "another variant has the same option values");
        }
        if variant.id.is_some_and(|id| !self.ids.insert(id)) {
            broken.refuse(way(field, "id"), "duplicate", "another variant has this id");
        }
    }
}
