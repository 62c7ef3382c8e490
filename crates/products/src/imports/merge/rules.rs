//! The rules that a product breaks, told by row, column and value.

use formats::dialect::Field;
use formats::values::excerpt;
use kernel::product::{MAX_HANDLE, MAX_PRODUCT_BYTES};
use kernel::{Error, Money, Violation};

use super::{MergeError, Merged, Work};
use crate::catalogue::model::{Listing, Variant, highest_price};

impl Work<'_> {
    /// What a product needs that is not there yet.
    pub(super) fn check_new(&mut self, variants: &[Variant]) {
        let row = self.imported.row;
        if self.imported.name.is_none() {
            let detail =
                "there is none; expected the product's name on its first row, as no product has this handle yet";
            self.refuse(row, Field::Title, detail.to_owned());
        }
        if variants.is_empty() {
            let detail = "the file has no price for it; expected one, as no product has this handle yet";
            self.refuse(row, Field::Price, detail.to_owned());
        }
    }

    /// The rules that hold for every product, whoever writes it.
    pub(super) fn check(&mut self, merged: &Merged) -> Result<(), MergeError> {
        let after = &merged.after;
        let length = after.product.handle.chars().count();
        if length > MAX_HANDLE {
            let detail = format!("it has {length} characters; expected at most {MAX_HANDLE}");
            self.refuse(self.imported.row, Field::Handle, detail);
        }
        if after.product.is_too_large() {
            let detail = format!("the product has more than {MAX_PRODUCT_BYTES} bytes of JSON in all; expected fewer");
            self.refuse(self.imported.row, Field::Handle, detail);
        }
        // What is missing was told already.
        if self.errors.is_empty() {
            match Listing::from(&after.product).check(self.before()) {
                Ok(_) => {}
                Err(Error::Invalid(broken)) => broken.iter().for_each(|violation| self.refuse_rule(violation, merged)),
                Err(error) => return Err(error.into()),
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(MergeError::Refused(std::mem::take(&mut self.errors))) }
    }

    /// Finds the row, column and value of a broken rule.
    fn refuse_rule(&mut self, violation: &Violation, merged: &Merged) {
        let product = &merged.after.product;
        let way: Vec<&str> = violation.field.split('/').collect();
        let (variant, way) = match way.as_slice() {
            ["variants", number, rest @ ..] => (number.parse::<usize>().ok(), rest),
            way => (None, way),
        };
        let row = variant.and_then(|number| merged.rows.get(number).copied().flatten());
        let known = variant.and_then(|number| product.variants.get(number));
        let nth = |number: &&str| number.parse::<usize>().ok();
        let code = |code: fn(&Variant) -> Option<&String>| known.and_then(code).cloned();
        let price = |amount: fn(&Variant) -> Option<i64>| known.and_then(amount).map(|amount| product.money(amount));
        let decimal = |money: Money| money.to_decimal(product.currency.exponent());
        let (field, value) = match way {
            ["name", ..] => (Field::Title, Some(product.name.clone())),
            ["description", ..] => (Field::Description, product.description.clone()),
            ["category", ..] => (Field::Type, product.category.clone()),
            ["category_path", ..] => (Field::Category, product.details.category_path.clone()),
            ["vendor", ..] => (Field::Vendor, product.vendor.clone()),
            ["tags", number, ..] => (Field::Tags, nth(number).and_then(|n| product.tags.get(n).cloned())),
            ["tags"] => (Field::Tags, None),
            ["images", number, ..] => {
                (Field::ImageUrl, nth(number).and_then(|n| product.images.get(n)).map(|image| image.url.clone()))
            }
            ["images"] if variant.is_none() => (Field::ImageUrl, None),
            ["seo_title", ..] => (Field::SeoTitle, product.details.seo_title.clone()),
            ["seo_description", ..] => (Field::SeoDescription, product.details.seo_description.clone()),
            ["sku", ..] => (Field::Sku, code(|variant| variant.sku.as_ref())),
            ["barcode", ..] => (Field::Barcode, code(|variant| variant.barcode.as_ref())),
            ["price", ..] => (Field::Price, price(|variant| Some(variant.price)).map(decimal)),
            ["compare_at_price", ..] => (Field::CompareAtPrice, price(|variant| variant.compare_at_price).map(decimal)),
            ["options", ..] => (Field::OptionValue1, known.map(|variant| variant.option_values.join(" / "))),
            _ => (Field::Handle, Some(violation.field.to_string())),
        };
        let rule = match field {
            Field::Price | Field::CompareAtPrice => {
                let highest = product.money(highest_price(product.currency));
                format!("is too high; expected at most {}", decimal(highest))
            }
            _ => violation.detail.clone(),
        };
        let detail = value.map_or_else(|| format!("the product {rule}"), |value| format!("{} {rule}", excerpt(&value)));
        self.refuse(row.unwrap_or(self.imported.row), field, detail);
    }
}
