//! What a seller says of a product as a whole: as sent, and as content whose rules hold.

use kernel::{Currency, Error, Money, Uuid, text};

use super::broken::Broken;
use super::{
    Image, MAX_CATEGORY, MAX_CODE, MAX_DESCRIPTION, MAX_HANDLE, MAX_IMAGES, MAX_NAME, MAX_OPTION, MAX_OPTION_BYTES,
    MAX_OPTIONS, MAX_STOCK, MAX_TAG, MAX_TAGS, MAX_VARIANTS, MAX_VENDOR, Status,
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
}

#[derive(Debug, Clone, Default)]
pub struct ListedVariant {
    /// Of one that exists.
    pub id: Option<Uuid>,
    /// Names with values, in order.
    pub options: Vec<(String, String)>,
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
            currency: price.currency,
            option_names: Vec::new(),
            variants: vec![variant],
        }
    }
}

impl Listing {
    /// The content, if every rule holds. `new`: of a product that does not exist yet; one that does may keep a handle of another
    /// form, which a file gave it.
    ///
    /// # Errors
    /// `Invalid` with every broken rule.
    pub fn check(self, new: bool) -> Result<Content, Error> {
        let mut broken = Broken::default();
        let name = self.name.trim().to_owned();
        check_name(&mut broken, &name);
        check_texts(&mut broken, &self.description, &self.category, &self.vendor);
        check_tags(&mut broken, &self.tags);
        check_images(&mut broken, &self.images);
        check_handle(&mut broken, self.handle.as_deref(), new);
        let listed = listed(&mut broken, self.plain, self.variants);
        let first = listed.first();
        let currency = first.and_then(|(_, first)| first.offer.price).map(|price| price.currency);
        let option_names: Vec<String> =
            first.map(|(_, first)| first.options.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
        check_names(&mut broken, listed.first().map_or("", |(field, _)| field), &option_names);
        let mut variants = Vec::with_capacity(listed.len());
        for (field, variant) in listed {
            let variant = check_variant(&mut broken, &field, variant, &option_names, currency);
            check_distinct(&mut broken, &field, &variant, &variants);
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
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        broken.refuse(field, "several-variants", "say it of each of the variants, or leave variants out");
    }
    broken.count("variants", variants.len(), 1..=MAX_VARIANTS, "variants");
    // Each is compared with all before it: too many are too many, whatever they are.
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
    let ListedVariant { id, options, offer } = variant;
    let Offer { price, compare_at_price, sku, barcode, stock } = offer;
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
    VariantContent {
        id,
        option_values: check_options(broken, field, options, option_names),
        sku,
        barcode,
        price: price.map_or(0, |price| price.amount),
        compare_at_price: compare_at_price.map(|price| price.amount),
        stock: stock.unwrap_or(0),
    }
}

/// Variants of one product differ in their options, ids and SKUs.
fn check_distinct(broken: &mut Broken, field: &str, variant: &VariantContent, before: &[VariantContent]) {
    if before.iter().any(|other| other.option_values == variant.option_values) {
        broken.refuse(way(field, "options"), "duplicate", "another variant has the same option values");
    }
    if variant.id.is_some() && before.iter().any(|other| other.id == variant.id) {
        broken.refuse(way(field, "id"), "duplicate", "another variant has this id");
    }
    let sku = variant.sku.as_deref().map(text::fold);
    if sku.is_some() && before.iter().any(|other| other.sku.as_deref().map(text::fold) == sku) {
        broken.refuse(way(field, "sku"), "duplicate", "another variant has this SKU");
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

pub fn check_name(broken: &mut Broken, trimmed: &str) {
    broken.text("name", trimmed, 1..=MAX_NAME);
}

pub fn check_texts(
    broken: &mut Broken,
    description: &Option<String>,
    category: &Option<String>,
    vendor: &Option<String>,
) {
    broken.optional("description", description.as_deref(), 0..=MAX_DESCRIPTION);
    broken.optional("category", category.as_deref(), 0..=MAX_CATEGORY);
    broken.optional("vendor", vendor.as_deref(), 0..=MAX_VENDOR);
}

pub fn check_tags(broken: &mut Broken, tags: &[String]) {
    broken.count("tags", tags.len(), 0..=MAX_TAGS, "tags");
    for (n, tag) in tags.iter().enumerate() {
        let field = format!("tags/{n}");
        broken.text(&field, tag, 1..=MAX_TAG);
        if tags[..n].contains(tag) {
            broken.refuse(field, "duplicate", "is there twice");
        }
    }
}

pub fn check_images(broken: &mut Broken, images: &[Image]) {
    broken.count("images", images.len(), 0..=MAX_IMAGES, "images");
    broken.images(images);
}

pub fn check_codes(broken: &mut Broken, field: &str, sku: Option<&str>, barcode: Option<&str>) {
    broken.optional(&way(field, "sku"), sku, 1..=MAX_CODE);
    broken.optional(&way(field, "barcode"), barcode, 1..=MAX_CODE);
}

/// `new`: it is not the one that the product has already.
pub fn check_handle(broken: &mut Broken, handle: Option<&str>, new: bool) {
    broken.optional("handle", handle, 1..=MAX_HANDLE);
    if new && handle.is_some_and(|handle| text::slug(handle, MAX_HANDLE) != handle) {
        broken.refuse("handle", "handle", "must be lower-case letters and digits, with single hyphens between");
    }
}

fn way(to: &str, field: &str) -> String {
    if to.is_empty() { field.to_owned() } else { format!("{to}/{field}") }
}

/// A key as JSON pointers have it.
fn key(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
