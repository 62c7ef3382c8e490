//! Changes of single fields, of a product or of one of its variants; `None` leaves a field as it is.
//!
//! They are merge patches (RFC 7396): lists are replaced, objects (a price, options) are merged with the present ones, and what is
//! there afterwards has to hold the rules.

use kernel::product::{Grams, MAX_ATTRIBUTES, MAX_VARIANTS};
use kernel::{Broken, Currency, Error, Money, Uuid, Violation};
use stock::events::variant_subject;
use stock::model::{Inventory, Stock};

use super::rules::{Texts, check_codes, check_images, check_options, check_tags, check_variant_images};
use super::{Attributes, Image, ListedVariant, Product, Status, Stocked, Variant};
use crate::catalogue::model::draft::check_variant;
use crate::catalogue::model::product_rules::ProductRules;

#[derive(Debug, Clone, Default)]
pub struct Patch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub category: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub vendor: Option<Option<String>>,
    pub status: Option<Status>,
    pub handle: Option<String>,
    pub images: Option<Vec<Image>>,
    pub category_path: Option<Option<String>>,
    pub show_available: Option<bool>,
    pub seo_title: Option<Option<String>>,
    pub seo_description: Option<Option<String>>,
    /// Without any changes, all are to go.
    pub attributes: Option<Option<AttributeChanges>>,
    /// Of the one variant of a plain product.
    pub plain: VariantPatch,
}

/// Names with values; without one, the name is to go.
pub type AttributeChanges = Vec<(String, Option<String>)>;

#[derive(Debug, Clone, Default)]
pub struct VariantPatch {
    pub price: Option<PricePatch>,
    pub compare_at_price: Option<Option<PricePatch>>,
    pub sku: Option<Option<String>>,
    pub barcode: Option<Option<String>>,
    pub inventory: Option<Inventory>,
    pub backorder: Option<bool>,
    pub weight: Option<Option<Grams>>,
    pub images: Option<Vec<Image>>,
    /// Names with values; without one, the option is to go.
    pub options: Vec<(String, Option<String>)>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct PricePatch {
    pub amount: Option<i64>,
    pub currency: Option<Currency>,
}

impl PricePatch {
    /// The price with the change; `None` when there is no present one and the change is not a whole one, which is then told.
    fn merged(self, broken: &mut Broken, field: &str, present: Option<Money>) -> Option<Money> {
        // In another currency the same number is another price.
        let kept = present.filter(|price| self.currency.is_none_or(|currency| currency == price.currency));
        let amount = self.amount.or(kept.map(|price| price.amount));
        let currency = self.currency.or(present.map(|price| price.currency));
        for (part, missing) in [("amount", amount.is_none()), ("currency", currency.is_none())] {
            if missing {
                broken.refuse(format!("{field}/{part}"), "required", "there is none in this currency to keep");
            }
        }
        Some(Money { amount: amount?, currency: currency? })
    }
}

impl Patch {
    /// The product with the change.
    ///
    /// # Errors
    /// `Invalid` with every broken rule, among them fields that a product of several variants does not have as a whole.
    pub fn apply(&self, before: &Stocked) -> Result<Stocked, Error> {
        let patch = self.clone();
        let mut after = before.clone();
        let product = &mut after.product;
        let mut broken = Broken::default();
        set(&mut product.name, patch.name.map(|name| name.trim().to_owned()));
        set(&mut product.description, patch.description);
        set(&mut product.category, patch.category);
        set(&mut product.vendor, patch.vendor);
        set(&mut product.status, patch.status);
        set(&mut product.handle, patch.handle);
        set(&mut product.tags, patch.tags);
        set(&mut product.images, patch.images);
        set(&mut product.details.category_path, patch.category_path);
        set(&mut product.details.show_available, patch.show_available);
        set(&mut product.details.seo_title, patch.seo_title);
        set(&mut product.details.seo_description, patch.seo_description);
        // Each change looks for its place: more than can be are not worth it.
        let changes = patch.attributes.as_ref().and_then(Option::as_ref).map_or(0, Vec::len);
        broken.count("attributes", changes, 0..=2 * MAX_ATTRIBUTES, "changes");
        set_attributes(&mut product.details.attributes, patch.attributes.filter(|_| changes <= 2 * MAX_ATTRIBUTES));
        Texts {
            name: Some(&product.name),
            handle: Some(&product.handle),
            description: product.description.as_deref(),
            category: product.category.as_deref(),
            vendor: product.vendor.as_deref(),
            details: Some(&product.details),
        }
        .check(&mut broken, Some(&before.product));
        check_tags(&mut broken, &product.tags, &before.product.tags);
        check_images(&mut broken, &product.images, &before.product.images);
        match product.variants.as_mut_slice() {
            [variant] => {
                // All its prices are this variant's, so they may come into another currency.
                set(&mut product.currency, patch.plain.price.and_then(|price| price.currency));
                let unsaid = product.currency != before.product.currency && patch.plain.compare_at_price.is_none();
                if unsaid && variant.compare_at_price.is_some() {
                    let detail = "goes into the other currency too: say it, or null";
                    broken.refuse("compare_at_price", "currency", detail);
                }
                let currencies = (before.product.currency, product.currency);
                patch.plain.apply(&mut broken, variant, &product.option_names, currencies);
            }
            _ => patch.plain.given().into_iter().for_each(|field| {
                let detail = format!("A product of several variants has no single {field}: change its variants");
                broken.refuse(field, "several-variants", detail);
            }),
        }
        broken.finish()?;
        Ok(after)
    }
}

impl VariantPatch {
    fn given(&self) -> Vec<&'static str> {
        let given = [
            ("price", self.price.is_some()),
            ("compare_at_price", self.compare_at_price.is_some()),
            ("sku", self.sku.is_some()),
            ("barcode", self.barcode.is_some()),
            ("inventory", self.inventory.is_some()),
            ("backorder", self.backorder.is_some()),
            ("weight_grams", self.weight.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(field, _)| field).collect()
    }

    /// The product with the change of one of its variants.
    ///
    /// # Errors
    /// `NotFound` without such a variant; `Invalid` with every broken rule; `Conflict` when another variant has these options.
    pub fn apply_to(&self, before: &Stocked, id: Uuid) -> Result<Stocked, Error> {
        let mut after = before.clone();
        self.apply_in(&mut after, id)?;
        Ok(after)
    }

    /// Changes one of a product's variants, or leaves all as they were.
    ///
    /// # Errors
    /// As [`VariantPatch::apply_to`].
    pub fn apply_in(&self, product: &mut Stocked, id: Uuid) -> Result<(), Error> {
        let Product { variants, option_names, currency, .. } = &mut product.product;
        let place = variants.iter().position(|variant| variant.id == id).ok_or(Error::NotFound)?;
        let mut variant = variants[place].clone();
        let mut broken = Broken::default();
        self.clone().apply(&mut broken, &mut variant, option_names, (*currency, *currency));
        broken.finish()?;
        if !self.options.is_empty() {
            distinct(variants.iter().filter(|other| other.id != id), &variant.option_values)?;
        }
        variants[place] = variant;
        Ok(())
    }

    /// `was`, `is`: the currency of the present prices, and of those that the product has afterwards.
    fn apply(
        self,
        broken: &mut Broken,
        variant: &mut Variant,
        option_names: &[String],
        (was, is): (Currency, Currency),
    ) {
        let mut merged = |field, patch: PricePatch, present: Option<i64>| {
            let present = present.map(|amount| Money { amount, currency: was });
            let price = patch.merged(broken, field, present)?;
            broken.price(field, price, is);
            Some(price.amount)
        };
        if let Some(patch) = self.price {
            let price = merged("price", patch, Some(variant.price));
            set(&mut variant.price, price);
        }
        if let Some(patch) = self.compare_at_price {
            variant.compare_at_price =
                patch.and_then(|patch| merged("compare_at_price", patch, variant.compare_at_price));
        }
        let sent = |field: &Option<Option<String>>| field.clone().flatten();
        check_codes(broken, "", sent(&self.sku).as_deref(), sent(&self.barcode).as_deref());
        if !self.options.is_empty() {
            let options = merged_options(self.options, option_names, &variant.option_values);
            variant.option_values = check_options(broken, "", options, option_names);
        }
        set(&mut variant.sku, self.sku);
        set(&mut variant.barcode, self.barcode);
        set(&mut variant.details.inventory, self.inventory);
        set(&mut variant.details.backorder, self.backorder);
        set(&mut variant.details.weight, self.weight);
        if let Some(images) = self.images {
            check_variant_images(broken, "", &images);
            variant.details.images = images;
        }
    }
}

/// The present options with the change. Those that the change names come as it sent them, so that the rules see repeated names.
fn merged_options(patch: Vec<(String, Option<String>)>, names: &[String], values: &[String]) -> Vec<(String, String)> {
    let present = names.iter().zip(values).filter(|(name, _)| patch.iter().all(|(changed, _)| changed != *name));
    let mut options: Vec<_> = present.map(|(name, value)| (name.clone(), value.clone())).collect();
    options.extend(patch.into_iter().filter_map(|(name, value)| Some((name, value?))));
    options
}

/// The product with one more variant.
///
/// # Errors
/// `Invalid` with every broken rule; `Conflict` when a variant has these options already, or there are as many as can be.
pub fn added(before: &Stocked, listed: ListedVariant, id: Uuid) -> Result<Stocked, Error> {
    let product = &before.product;
    let mut broken = Broken::default();
    let content = check_variant(&mut broken, "", listed, &product.option_names, Some(product.currency));
    broken.finish()?;
    distinct(product.variants.iter(), &content.option_values)?;
    if product.variants.len() >= MAX_VARIANTS {
        return Err(Error::conflict(format!(
            "The product has {MAX_VARIANTS} variants already, as many as it can have."
        )));
    }
    let stock = Stock::new(id, content.stock);
    let (variant, stock) = content.with(stock, None);
    let mut after = before.clone();
    after.product.variants.push(variant);
    after.stock.push(stock);
    Ok(after)
}

/// The product without one of its variants.
///
/// # Errors
/// `NotFound` without such a variant; `Conflict` when it is the last, or units of it are reserved.
pub fn removed(before: &Stocked, id: Uuid) -> Result<Stocked, Error> {
    let variants = &before.product.variants;
    if !variants.iter().any(|variant| variant.id == id) {
        return Err(Error::NotFound);
    }
    if variants.len() == 1 {
        return Err(Error::conflict("A product has at least one variant: delete the product instead."));
    }
    before.may_lose(|lost| lost == id)?;
    let mut after = before.clone();
    after.product.variants.retain(|variant| variant.id != id);
    after.stock.retain(|stock| stock.variant_id != id);
    Ok(after)
}

fn distinct<'a>(mut others: impl Iterator<Item = &'a Variant>, values: &[String]) -> Result<(), Error> {
    match others.find(|other| other.option_values == values) {
        Some(other) => {
            let detail = "Another variant of the product has these options.";
            let taken = Violation::new("options", "taken", detail).with_value(values.join(" / "));
            Err(Error::Conflict(taken.held_by(variant_subject(other.id))))
        }
        None => Ok(()),
    }
}

fn set_attributes(attributes: &mut Attributes, patch: Option<Option<AttributeChanges>>) {
    match patch {
        Some(Some(changes)) => changes.into_iter().for_each(|(name, value)| attributes.set(&name, value)),
        Some(None) => *attributes = Attributes::default(),
        None => {}
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
