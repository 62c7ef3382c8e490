//! Fingerprints of what a file says of a product: a file that says the same again changes nothing, whatever was edited since.

use formats::{Given, ImportedImage, ImportedProduct, ImportedStatus, ImportedVariant};
use kernel::{Currency, Error};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// # Errors
/// `Internal` when it cannot be written as JSON.
pub fn of(imported: &ImportedProduct, currency: Currency, keeps_stock: bool) -> Result<Vec<u8>, Error> {
    hash(&(imported, currency, keeps_stock))
}

/// As release 0.1.0 made it, of what it had a place for; `None` where it would have refused the product.
///
/// # Errors
/// As [`of`].
pub fn of_first_release(imported: &ImportedProduct, currency: Currency) -> Result<Option<Vec<u8>>, Error> {
    fn text(given: &Given<String>) -> Option<&String> {
        given.value()
    }
    let mut variants = Vec::with_capacity(imported.variants.len());
    for variant in &imported.variants {
        let Some(price) = variant.price else { return Ok(None) };
        variants.push(FirstVariant {
            sku: text(&variant.sku),
            barcode: text(&variant.barcode),
            option_values: &variant.option_values,
            price,
            compare_at_price: variant.compare_at_price.value().copied(),
            quantity: variant.quantity.unwrap_or(0).max(0),
        });
    }
    let Some(name) = &imported.name else { return Ok(None) };
    let product = FirstProduct {
        handle: &imported.handle,
        name,
        description: text(&imported.description),
        category: text(&imported.category),
        tags: imported.tags.value().map_or(&[], Vec::as_slice),
        vendor: text(&imported.vendor),
        status: imported.status.unwrap_or(ImportedStatus::Draft),
        option_names: imported.option_names.as_deref().unwrap_or_default(),
        variants,
        images: imported.images.value().map_or(&[], Vec::as_slice),
    };
    hash(&(product, currency)).map(Some)
}

/// What release 0.1.0 had no place for, and nothing else.
pub fn without_first_release(imported: ImportedProduct) -> ImportedProduct {
    let newer = |variant: ImportedVariant| ImportedVariant {
        row: variant.row,
        // By which it is found.
        option_values: variant.option_values,
        is_tracked: variant.is_tracked,
        backorder: variant.backorder,
        weight: variant.weight,
        image: variant.image,
        ..ImportedVariant::default()
    };
    ImportedProduct {
        row: imported.row,
        handle: imported.handle,
        category_path: imported.category_path,
        seo_title: imported.seo_title,
        seo_description: imported.seo_description,
        attributes: imported.attributes,
        option_names: imported.option_names,
        variants: imported.variants.into_iter().map(newer).collect(),
        source: imported.source,
        text: imported.text,
        ..ImportedProduct::default()
    }
}

#[derive(Serialize)]
struct FirstProduct<'a> {
    handle: &'a str,
    name: &'a str,
    description: Option<&'a String>,
    category: Option<&'a String>,
    tags: &'a [String],
    vendor: Option<&'a String>,
    status: ImportedStatus,
    option_names: &'a [String],
    variants: Vec<FirstVariant<'a>>,
    images: &'a [ImportedImage],
}

#[derive(Serialize)]
struct FirstVariant<'a> {
    sku: Option<&'a String>,
    barcode: Option<&'a String>,
    option_values: &'a [String],
    price: i64,
    compare_at_price: Option<i64>,
    quantity: i64,
}

fn hash(content: &impl Serialize) -> Result<Vec<u8>, Error> {
    let content = serde_json::to_vec(content).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Sha256::digest(content).to_vec())
}
