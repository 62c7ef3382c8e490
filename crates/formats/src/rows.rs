//! What one row says of its product: the product itself, a variant, an image.

use kernel::product::{MAX_IMAGES, MAX_VARIANTS};
use kernel::text;

use super::dialect::{Field, OPTIONS};
use super::group::{Group, Row};
use super::unmapped::{Unmapped, Why};
use super::values::{self, Cell, excerpt};
use super::{Given, ImportedImage, ImportedStatus, ImportedVariant};

/// Most bytes kept of one product.
const MAX_TEXT: usize = 16 << 20;

/// The option of a product that has none: Shopify writes `Title` with the value `Default Title`.
const NO_OPTION: (&str, &str) = ("Title", "Default Title");

/// Fields of the product, which belong to its first row.
const PRODUCT_FIELDS: [Field; 12] = [
    Field::Description,
    Field::Vendor,
    Field::Type,
    Field::Category,
    Field::Tags,
    Field::Published,
    Field::Status,
    Field::OptionName1,
    Field::OptionName2,
    Field::OptionName3,
    Field::SeoTitle,
    Field::SeoDescription,
];

impl Group {
    /// Reads what belongs to the product, from its first row.
    pub(super) fn read_product(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        self.product.name = self.owned(row, Field::Title);
        self.product.description = self.given(row, Field::Description);
        self.product.vendor = self.given(row, Field::Vendor);
        self.product.seo_title = self.given(row, Field::SeoTitle);
        self.product.seo_description = self.given(row, Field::SeoDescription);
        self.read_category(row, unmapped);
        self.product.tags = match self.given(row, Field::Tags) {
            Given::Value(list) => Given::Value(values::tags(&list)),
            Given::Empty => Given::Empty,
            Given::Absent => Given::Absent,
        };
        self.product.status = self.read_status(row);
        for (column, name) in row.columns.attributes() {
            let value = self.accept(row, row.columns.cell_at(row.record, *column).protected()).map(str::to_owned);
            self.text += name.len() + value.as_ref().map_or(0, String::len);
            self.product.attributes.push((name.clone(), value));
        }
        if row.columns.has_options() {
            self.product.option_names = Some(self.read_option_names(row));
        }
    }

    /// The category is the shop's own type, else the last part of the path.
    fn read_category(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        let path = self.given(row, Field::Category);
        let of_path = path.value().and_then(|path| values::category_of_path(path)).map(str::to_owned);
        if path.value().is_some() && of_path.is_none() {
            unmapped.count(row.columns, Field::Category, Why::TaxonomyId);
        }
        let of_type = self.given(row, Field::Type);
        self.product.category = match (of_type, of_path) {
            (Given::Value(of_type), _) => Given::Value(of_type),
            (_, Some(last)) => Given::Value(last),
            // A file of paths alone says nothing of a category when it has only an id.
            (Given::Absent, None) if path.value().is_some() => Given::Absent,
            (Given::Absent, None) if path.is_absent() => Given::Absent,
            (_, None) => Given::Empty,
        };
        self.product.category_path = match path {
            Given::Value(id) if values::category_of_path(&id).is_none() => Given::Absent,
            path => path,
        };
    }

    /// Public only if it is both active and published; a file without a status has only the latter.
    fn read_status(&mut self, row: Row<'_>) -> Option<ImportedStatus> {
        let status = self.accept(row, row.cell(Field::Status).status(row.columns.dialect.words()));
        let published = self.accept(row, row.cell(Field::Published).published());
        match (status, published) {
            (Some(ImportedStatus::Active) | None, Some(false)) => Some(ImportedStatus::Draft),
            (Some(status), _) => Some(status),
            (None, Some(true)) => Some(ImportedStatus::Active),
            (None, None) => None,
        }
    }

    fn read_option_names(&mut self, row: Row<'_>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (index, (name, value)) in OPTIONS.into_iter().enumerate() {
            let is = |field: Field, text: &str| row.cell(field).bytes.eq_ignore_ascii_case(text.as_bytes());
            if is(name, NO_OPTION.0) && is(value, NO_OPTION.1) {
                continue;
            }
            let Some(text) = self.owned(row, name) else { continue };
            if names.contains(&text) {
                let detail = format!("{} is the name of another option too; expected another", excerpt(&text));
                self.note(row.number(), row.cell(name).refuse(detail));
            }
            names.push(text);
            self.options.push(index);
        }
        names
    }

    /// Reads a row as a variant.
    pub(super) fn read_variant(&mut self, row: Row<'_>) {
        if self.product.variants.len() >= MAX_VARIANTS {
            let detail = format!("the product has more than {MAX_VARIANTS} variants");
            self.note(row.number(), row.cell(Field::Handle).refuse(detail));
            self.given_up = true;
            return;
        }
        let (sku, barcode, weight) = (row.cell(Field::Sku), row.cell(Field::Barcode), row.cell(Field::Weight));
        let (compare_at, image) = (row.cell(Field::CompareAtPrice), row.cell(Field::VariantImage));
        // Without the column nothing is known of tracking.
        let tracker = row.cell(Field::Tracker);
        let variant = ImportedVariant {
            row: row.number(),
            option_values: self.read_option_values(row),
            sku: sku.given(self.accept(row, sku.sku()).map(str::to_owned)),
            barcode: barcode.given(self.accept(row, barcode.protected()).map(str::to_owned)),
            price: self.accept(row, row.cell(Field::Price).price(row.currency)),
            compare_at_price: compare_at.given(self.accept(row, compare_at.price(row.currency))),
            quantity: self.accept(row, row.cell(Field::Quantity).integer("a whole number, such as 12")),
            is_tracked: tracker.is_there.then_some(!tracker.is_empty()),
            backorder: self.accept(row, row.cell(Field::Policy).policy(row.columns.dialect.words())),
            weight: weight.given(self.accept(row, weight.grams())),
            image: image.given(self.accept(row, image.url())),
        };
        self.text += [&variant.sku, &variant.barcode, &variant.image]
            .into_iter()
            .filter_map(Given::value)
            .map(String::len)
            .sum::<usize>();
        self.product.variants.push(variant);
    }

    fn read_option_values(&mut self, row: Row<'_>) -> Vec<String> {
        let mut texts = Vec::with_capacity(self.options.len());
        for (index, (_, value)) in OPTIONS.into_iter().enumerate() {
            let cell = row.cell(value);
            if let Some(position) = self.options.iter().position(|option| *option == index) {
                let name = self.product.option_names.as_ref().and_then(|names| names.get(position));
                let name = excerpt(name.map_or("", String::as_str));
                let expected = format!("there is none; expected the variant's value of the option {name}");
                texts.extend(self.require(row, cell, &expected));
            } else if !cell.is_empty() && !cell.bytes.eq_ignore_ascii_case(NO_OPTION.1.as_bytes()) {
                let shown = excerpt(&String::from_utf8_lossy(cell.bytes));
                let detail =
                    format!("{shown} is a value without an option; expected its name on the product's first row");
                self.note(row.number(), cell.refuse(detail));
            }
        }
        texts
    }

    fn require(&mut self, row: Row<'_>, cell: Cell<'_>, expected: &str) -> Option<String> {
        let text = cell.text().and_then(|text| text.map(Some).ok_or_else(|| cell.refuse(expected)));
        let text = self.accept(row, text)?;
        self.text += text.len();
        Some(text.to_owned())
    }

    /// Counts what a row that describes no variant says of one.
    pub(super) fn pass_over_variant(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        let weighs = row.cell(Field::Weight).grams().is_ok_and(|grams| grams.is_some_and(|grams| !grams.is_zero()));
        if weighs {
            unmapped.count(row.columns, Field::Weight, Why::NoVariant);
        }
        if !row.cell(Field::VariantImage).is_empty() {
            unmapped.count(row.columns, Field::VariantImage, Why::NoVariant);
        }
    }

    /// Reads the image of a row, if it has one.
    pub(super) fn read_image(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        if row.cell(Field::ImageUrl).is_empty() {
            for field in [Field::ImageAlt, Field::ImagePosition] {
                if !row.cell(field).is_empty() {
                    unmapped.count(row.columns, field, Why::NoImage);
                }
            }
            return;
        }
        let url = self.accept(row, row.cell(Field::ImageUrl).url());
        let alt = self.owned(row, Field::ImageAlt);
        let position = self.accept(row, row.cell(Field::ImagePosition).integer("a whole number, such as 1"));
        let Some(url) = url else { return };
        // Files that repeat the image on each variant's row mean the same one.
        if let Some(known) = self.images.iter_mut().find(|image| image.url == url) {
            if known.alt.is_none() {
                known.alt = alt;
            }
            return;
        }
        if self.images.len() >= MAX_IMAGES {
            let detail = format!("the product has more than {MAX_IMAGES} images");
            self.note(row.number(), row.cell(Field::ImageUrl).refuse(detail));
            self.given_up = true;
            return;
        }
        self.text += url.len();
        self.images.push(ImportedImage { url, alt });
        // Images without a position follow the others, in the order of the file.
        self.positions.push(position.unwrap_or(i64::MAX));
    }

    /// Later rows may repeat what the first says of the product. A title that differs in more than case is more than that: two
    /// products with one handle. Other differences are counted, as the first row's value stands.
    pub(super) fn compare_with_first(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        if differs(self, row, Field::Title) {
            self.compare_title(row, unmapped);
        }
        for field in PRODUCT_FIELDS {
            if differs(self, row, field) {
                unmapped.count(row.columns, field, Why::LaterRow);
            }
        }
        for (column, _) in row.columns.attributes() {
            if row.record.get(*column) != self.first.get(*column) {
                unmapped.count_at(*column, row.record, Why::LaterRow);
            }
        }
    }

    fn compare_title(&mut self, row: Row<'_>, unmapped: &mut Unmapped) {
        let title = row.cell(Field::Title);
        let folded = |bytes: &[u8]| text::fold(&String::from_utf8_lossy(bytes));
        if folded(title.bytes) == folded(row.columns.get(&self.first, Field::Title)) {
            unmapped.count(row.columns, Field::Title, Why::LaterRow);
            return;
        }
        let shown = excerpt(&String::from_utf8_lossy(title.bytes));
        let name = excerpt(self.product.name.as_deref().unwrap_or_default());
        let detail =
            format!("{shown} is another name than {name} of row {}; expected the same or none", self.product.row);
        self.note(row.number(), title.refuse(detail));
    }

    /// Keeps one product from filling the memory.
    pub(super) fn check_size(&mut self, row: Row<'_>) {
        if self.text > MAX_TEXT && !self.given_up {
            let detail = format!("the product's values are more than {MAX_TEXT} bytes in all");
            self.note(row.number(), row.cell(Field::Handle).refuse(detail));
            self.given_up = true;
        }
    }
}

fn differs(group: &Group, row: Row<'_>, field: Field) -> bool {
    let value = row.columns.get(row.record, field);
    !value.is_empty() && value != row.columns.get(&group.first, field)
}
