//! What a seller says of a product as a whole: as sent, and as content whose rules hold.

use std::collections::HashSet;

use kernel::{Currency, Error, Money, Uuid, text};

use super::broken::Broken;
use super::edit::description_fits;
use super::{
    Grams, Image, Inventory, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_CATEGORY, MAX_CATEGORY_PATH,
    MAX_CODE, MAX_DESCRIPTION, MAX_HANDLE, MAX_IMAGES, MAX_NAME, MAX_OPTION, MAX_OPTION_BYTES, MAX_OPTIONS,
    MAX_SEO_DESCRIPTION, MAX_SEO_TITLE, MAX_STOCK, MAX_TAG, MAX_TAGS, MAX_VARIANT_IMAGES, MAX_VARIANTS, MAX_VENDOR,
    Product, ProductDetails, Status, Variant,
};

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

/// The values of a variant in the order of the product's option names.
pub fn check_options(
    broken: &mut Broken,
    field: &str,
    options: Vec<(String, String)>,
    option_names: &[String],
) -> Vec<String> {
    let field = way(field, "options");
    // The names were told to be too many already; so many are not worth comparing.
    if options.len().max(option_names.len()) > MAX_OPTIONS {
        if option_names.len() <= MAX_OPTIONS {
            broken.count(&field, options.len(), 0..=MAX_OPTIONS, "options");
        }
        return Vec::new();
    }
    let mut values = Vec::with_capacity(option_names.len());
    for name in option_names {
        match options.iter().find(|(other, _)| other == name) {
            Some((_, value)) => values.push(value.clone()),
            None => broken.refuse(format!("{field}/{}", key(name)), "required", "all variants have the same options"),
        }
    }
    for (n, (name, value)) in options.iter().enumerate() {
        let field = format!("{field}/{}", key(name));
        if !option_names.contains(name) {
            broken.refuse(field, "unknown-option", "all variants have the same options");
            continue;
        }
        if options[..n].iter().any(|(other, _)| other == name) {
            broken.refuse(field, "duplicate-field", "is there twice");
            continue;
        }
        broken.text(&field, value, 1..=MAX_OPTION);
    }
    if stored_bytes(&values) > MAX_OPTION_BYTES {
        broken.refuse(field, "length", format!("must have at most {MAX_OPTION_BYTES} bytes together"));
    }
    values
}

/// The values as they lie in an index, which bounds its entries.
pub fn stored_bytes(values: &[String]) -> usize {
    serde_json::to_string(values).map_or(usize::MAX, |text| text.len())
}

fn check_names(broken: &mut Broken, field: &str, names: &[String]) {
    let field = way(field, "options");
    broken.count(&field, names.len(), 0..=MAX_OPTIONS, "options");
    names
        .iter()
        .take(MAX_OPTIONS)
        .for_each(|name| broken.text(&format!("{field}/{}", key(name)), name, 1..=MAX_OPTION));
}

/// The texts of a product that are said; those that are not, stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts<'a> {
    /// Trimmed.
    pub name: Option<&'a str>,
    pub handle: Option<&'a str>,
    pub description: Option<&'a str>,
    pub category: Option<&'a str>,
    pub vendor: Option<&'a str>,
    pub details: Option<&'a ProductDetails>,
}

impl Texts<'_> {
    /// Those that stay as they are in the present product are not judged.
    pub fn check(&self, broken: &mut Broken, present: Option<&Product>) {
        let mut text = |field, text: Option<&str>, now: Option<&str>, length| {
            if let Some(text) = text.filter(|text| now != Some(*text)) {
                broken.text(field, text, length);
            }
        };
        text("name", self.name, present.map(|p| p.name.as_str()), 1..=MAX_NAME);
        text("category", self.category, present.and_then(|p| p.category.as_deref()), 0..=MAX_CATEGORY);
        text("vendor", self.vendor, present.and_then(|p| p.vendor.as_deref()), 0..=MAX_VENDOR);
        text("handle", self.handle, present.map(|p| p.handle.as_str()), 1..=MAX_HANDLE);
        if let Some(details) = self.details {
            text("category_path", details.category_path.as_deref(), None, 0..=MAX_CATEGORY_PATH);
            text("seo_title", details.seo_title.as_deref(), None, 0..=MAX_SEO_TITLE);
            text("seo_description", details.seo_description.as_deref(), None, 0..=MAX_SEO_DESCRIPTION);
            check_attributes(broken, details);
        }
        let handle = self.handle.filter(|handle| present.is_none_or(|present| present.handle != *handle));
        if handle.is_some_and(|handle| text::slug(handle, MAX_HANDLE) != handle) {
            broken.refuse("handle", "handle", "must be lower-case letters and digits, with single hyphens between");
        }
        let description = self.description.filter(|text| present.and_then(|p| p.description.as_deref()) != Some(*text));
        if let Some(description) = description {
            broken.text("description", description, 0..=MAX_DESCRIPTION);
            if !description_fits(description) {
                let detail = format!("must have at most {MAX_DESCRIPTION} bytes of UTF-8");
                broken.refuse("description", "length", detail);
            }
        }
    }
}

fn check_attributes(broken: &mut Broken, details: &ProductDetails) {
    let attributes = &details.attributes;
    broken.count("attributes", attributes.iter().len(), 0..=MAX_ATTRIBUTES, "attributes");
    let mut bytes = 0;
    for (name, value) in attributes.iter().take(MAX_ATTRIBUTES) {
        bytes += name.len() + value.len();
        let field = format!("attributes/{}", key(name));
        broken.text(&field, name, 1..=MAX_ATTRIBUTE_NAME);
        broken.text(&field, value, 0..=MAX_ATTRIBUTE_BYTES);
    }
    if bytes > MAX_ATTRIBUTE_BYTES {
        broken.refuse("attributes", "length", format!("must have at most {MAX_ATTRIBUTE_BYTES} bytes together"));
    }
}

/// A list that stays as it is is not judged, nor a tag that was there.
pub fn check_tags(broken: &mut Broken, tags: &[String], present: &[String]) {
    if tags == present {
        return;
    }
    broken.count("tags", tags.len(), 0..=MAX_TAGS, "tags");
    let mut seen = HashSet::new();
    for (n, tag) in tags.iter().enumerate().take(MAX_TAGS) {
        let field = format!("tags/{n}");
        if !present.contains(tag) {
            broken.text(&field, tag, 1..=MAX_TAG);
        }
        if !seen.insert(tag) {
            broken.refuse(field, "duplicate", "is there twice");
        }
    }
}

/// As [`check_tags`].
pub fn check_images(broken: &mut Broken, images: &[Image], present: &[Image]) {
    if images == present {
        return;
    }
    broken.count("images", images.len(), 0..=MAX_IMAGES, "images");
    broken.images("images", images.iter().take(MAX_IMAGES).map(|image| (image, present.contains(image))));
}

pub fn check_variant_images(broken: &mut Broken, field: &str, images: &[Image]) {
    let field = way(field, "images");
    broken.count(&field, images.len(), 0..=MAX_VARIANT_IMAGES, "images");
    broken.images(&field, images.iter().take(MAX_VARIANT_IMAGES).map(|image| (image, false)));
}

pub fn check_codes(broken: &mut Broken, field: &str, sku: Option<&str>, barcode: Option<&str>) {
    broken.optional(&way(field, "sku"), sku, 1..=MAX_CODE);
    broken.optional(&way(field, "barcode"), barcode, 1..=MAX_CODE);
}

fn way(to: &str, field: &str) -> String {
    if to.is_empty() { field.to_owned() } else { format!("{to}/{field}") }
}

/// A key as JSON pointers have it.
fn key(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
