//! The rules for what is said of a product, whoever says it: a client, an old form, a file.

use std::collections::HashSet;

use kernel::product::{
    MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_CATEGORY, MAX_CATEGORY_PATH, MAX_CODE,
    MAX_DESCRIPTION, MAX_HANDLE, MAX_IMAGES, MAX_NAME, MAX_OPTION, MAX_OPTION_BYTES, MAX_OPTIONS, MAX_SEO_DESCRIPTION,
    MAX_SEO_TITLE, MAX_TAG, MAX_TAGS, MAX_VARIANT_IMAGES, MAX_VENDOR,
};
use kernel::{Broken, text};

use super::edit::description_fits;
use super::{Image, Product, ProductDetails};
use crate::catalogue::model::product_rules::ProductRules;

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
fn stored_bytes(values: &[String]) -> usize {
    serde_json::to_string(values).map_or(usize::MAX, |text| text.len())
}

pub fn check_names(broken: &mut Broken, field: &str, names: &[String]) {
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

pub fn way(to: &str, field: &str) -> String {
    if to.is_empty() { field.to_owned() } else { format!("{to}/{field}") }
}

/// A key as JSON pointers have it.
fn key(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
