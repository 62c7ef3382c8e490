//! Shopify's product CSV.
//!
//! Shopify renamed the columns in 2024 and still reads the old names; both, and mixtures, are accepted here without regard to
//! case. Source: <https://help.shopify.com/en/manual/products/import-export/using-csv>

use crate::dialect::{Column, Columns, Dialect, Field, Place};
use crate::records::{Defect, Record};
use crate::values::Words;
use crate::{ImportedStatus, report};

pub struct Shopify;

/// Each field with its names, in small letters: today's, the old one, rarer ones.
const NAMES: [(Field, &[&str]); 29] = [
    (Field::Handle, &["url handle", "handle"]),
    (Field::Title, &["title"]),
    (Field::Description, &["description", "body (html)"]),
    (Field::Vendor, &["vendor"]),
    (Field::Type, &["type", "custom product type"]),
    (Field::Category, &["product category", "standardized product type"]),
    (Field::Tags, &["tags"]),
    (Field::Published, &["published on online store", "published"]),
    (Field::Status, &["status"]),
    (Field::OptionName1, &["option1 name"]),
    (Field::OptionName2, &["option2 name"]),
    (Field::OptionName3, &["option3 name"]),
    (Field::OptionValue1, &["option1 value"]),
    (Field::OptionValue2, &["option2 value"]),
    (Field::OptionValue3, &["option3 value"]),
    (Field::Sku, &["sku", "variant sku"]),
    (Field::Barcode, &["barcode", "variant barcode"]),
    (Field::Price, &["price", "variant price"]),
    (Field::CompareAtPrice, &["compare-at price", "variant compare at price", "compare at price"]),
    (Field::Quantity, &["inventory quantity", "variant inventory qty"]),
    (Field::Tracker, &["inventory tracker", "variant inventory tracker"]),
    (Field::Policy, &["continue selling when out of stock", "variant inventory policy"]),
    (Field::Weight, &["weight value (grams)", "variant grams"]),
    (Field::VariantImage, &["variant image url", "variant image"]),
    (Field::ImageUrl, &["product image url", "image src"]),
    (Field::ImagePosition, &["image position"]),
    (Field::ImageAlt, &["image alt text"]),
    (Field::SeoTitle, &["seo title"]),
    (Field::SeoDescription, &["seo description"]),
];

/// A file without titles or prices may well update products that exist.
const REQUIRED: [(Field, &str); 1] = [(Field::Handle, "`URL handle` (or `Handle`)")];

/// What makes a row that is not its product's first a variant. Exports fill tracker, policy, weight and the variant's image on rows
/// that hold only an image of the product.
const MAKE_A_VARIANT: [Field; 8] = [
    Field::OptionValue1,
    Field::OptionValue2,
    Field::OptionValue3,
    Field::Sku,
    Field::Barcode,
    Field::Price,
    Field::CompareAtPrice,
    Field::Quantity,
];

const WORDS: Words = Words {
    status: &[
        ("active", ImportedStatus::Active),
        ("draft", ImportedStatus::Draft),
        ("archived", ImportedStatus::Archived),
        ("unlisted", ImportedStatus::Unlisted),
    ],
    statuses: "active, draft, archived or unlisted",
    // The old column says `continue` or `deny`, as the new one does in templates; elsewhere it has truths.
    policy: &[("deny", false), ("continue", true), ("false", false), ("true", true)],
    policies: "deny or continue",
};

/// Where the name of a metafield's column has its own, such as `Material (product.metafields.custom.material)`.
const METAFIELD: &str = "(product.metafields.";

impl Dialect for Shopify {
    fn recognises(&self, names: &[String]) -> bool {
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        has("handle") || has("url handle")
    }

    fn column(&self, name: &str) -> Column {
        if let Some(field) = field_of(name) {
            return Column::Field(field);
        }
        if report::COLUMNS.contains(&name) {
            return Column::OurOwn;
        }
        let metafield = name.rsplit_once(METAFIELD).and_then(|(_, rest)| rest.strip_suffix(')'));
        match metafield.filter(|name| !name.is_empty()) {
            Some(metafield) => Column::Attribute(metafield.to_owned()),
            None => Column::Unmapped,
        }
    }

    fn required(&self) -> &'static [(Field, &'static str)] {
        &REQUIRED
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn place<'r>(&self, columns: &Columns, record: &'r Record) -> Place<'r> {
        let key = match record.defect() {
            // It is part of what is wrong with the row.
            Some(Defect::TooLong { column } | Defect::Unclosed { column })
                if columns.position(Field::Handle) == Some(column) =>
            {
                b""
            }
            // By the same white space as the handle itself.
            _ => match std::str::from_utf8(columns.get(record, Field::Handle)) {
                Ok(handle) => handle.trim().as_bytes(),
                Err(_) => columns.get(record, Field::Handle),
            },
        };
        let is_variant = MAKE_A_VARIANT.iter().any(|field| !columns.get(record, *field).is_empty());
        Place { key, is_variant }
    }
}

fn field_of(name: &str) -> Option<Field> {
    let known = NAMES.iter().find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
    known.map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_names() {
        for (field, names) in NAMES {
            for name in names {
                assert_eq!(Shopify.column(&name.to_uppercase()), Column::Field(field), "{name}");
            }
        }
        assert_eq!(Shopify.column(""), Column::Unmapped);
        assert_eq!(Shopify.column("Variant Weight Unit"), Column::Unmapped);
        let material = Shopify.column("Material (product.metafields.custom.material)");
        assert_eq!(material, Column::Attribute("custom.material".into()));
    }
}
