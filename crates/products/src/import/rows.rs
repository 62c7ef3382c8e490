//! What one row says of its product: the product itself, a variant, an image.

use kernel::text;

use super::group::{Group, Row};
use super::shopify::{Home, OPTIONS, PRODUCT_HOMES};
use super::unhoused::{Unhoused, Why};
use super::values::{self, Cell, excerpt};
use super::{ImportedImage, ImportedStatus, ImportedVariant};

/// Shopify's own limits on one product.
pub const MAX_VARIANTS: usize = 2_048;
pub const MAX_IMAGES: usize = 250;
/// Most bytes kept of one product.
const MAX_TEXT: usize = 16 << 20;

/// The option of a product that has none: Shopify writes `Title` with the value `Default Title`.
const NO_OPTION: (&str, &str) = ("Title", "Default Title");

impl Group {
    /// Reads what belongs to the product, from its first row.
    pub(super) fn read_product(&mut self, row: Row<'_>, unhoused: &mut Unhoused) {
        let expected = "there is none; expected the product's name on its first row";
        self.product.name = self.require(row, row.cell(Home::Title), expected).unwrap_or_default();
        self.product.description = self.owned(row, Home::Description);
        self.product.vendor = self.owned(row, Home::Vendor);
        self.product.category = self.read_category(row, unhoused);
        self.product.tags = match self.owned(row, Home::Tags) {
            Some(list) => values::tags(&list),
            None => Vec::new(),
        };
        self.product.status = self.read_status(row);
        self.read_option_names(row);
    }

    fn require(&mut self, row: Row<'_>, cell: Cell<'_>, expected: &str) -> Option<String> {
        let text = cell.text().and_then(|text| text.map(Some).ok_or_else(|| cell.refuse(expected)));
        let text = self.accept(row, text)?;
        self.text += text.len();
        Some(text.to_owned())
    }

    /// The shop's own type, else the last part of the category's path.
    fn read_category(&mut self, row: Row<'_>, unhoused: &mut Unhoused) -> Option<String> {
        let of_type = self.owned(row, Home::Type);
        let path = self.accept(row, row.cell(Home::Category).text());
        let of_path = path.and_then(values::category_of_path);
        let category = of_type.or_else(|| of_path.map(str::to_owned));
        if path.is_some() && (of_path.is_none() || category.as_deref() != of_path) {
            unhoused.count(row.columns, Home::Category, Why::OtherCategory);
        }
        category
    }

    /// Public only if it is both active and published; a file without a status has only the latter.
    fn read_status(&mut self, row: Row<'_>) -> ImportedStatus {
        let status = self.accept(row, row.cell(Home::Status).status());
        let published = self.accept(row, row.cell(Home::Published).published());
        match (status, published) {
            (Some(ImportedStatus::Active), Some(false)) => ImportedStatus::Draft,
            (Some(status), _) => status,
            (None, Some(true)) => ImportedStatus::Active,
            (None, _) => ImportedStatus::Draft,
        }
    }

    fn read_option_names(&mut self, row: Row<'_>) {
        for (index, (name, value)) in OPTIONS.into_iter().enumerate() {
            let is = |home: Home, text: &str| row.cell(home).bytes.eq_ignore_ascii_case(text.as_bytes());
            if is(name, NO_OPTION.0) && is(value, NO_OPTION.1) {
                continue;
            }
            let Some(text) = self.owned(row, name) else { continue };
            if self.product.option_names.iter().any(|known| text::fold(known) == text::fold(&text)) {
                let detail = format!("{} is the name of another option too; expected another", excerpt(&text));
                self.note(row.number(), row.cell(name).refuse(detail));
            }
            self.product.option_names.push(text);
            self.options.push(index);
        }
    }

    /// Reads a row as a variant.
    pub(super) fn read_variant(&mut self, row: Row<'_>) {
        if self.product.variants.len() >= MAX_VARIANTS {
            let detail = format!("the product has more than {MAX_VARIANTS} variants");
            self.note(row.number(), row.cell(Home::Handle).refuse(detail));
            self.given_up = true;
            return;
        }
        let option_values = self.read_option_values(row);
        let sku = self.read_code(row, Home::Sku);
        let barcode = self.read_code(row, Home::Barcode);
        let price = row.cell(Home::Price);
        let expected = "there is none; expected the price of the variant, such as 19.99";
        let price = price.price(row.currency).and_then(|amount| amount.map(Some).ok_or_else(|| price.refuse(expected)));
        let price = self.accept(row, price).unwrap_or_default();
        let compare_at_price = self.accept(row, row.cell(Home::CompareAtPrice).price(row.currency));
        let quantity = self.read_quantity(row);
        self.variant_rows.push(row.number());
        self.product.variants.push(ImportedVariant { sku, barcode, option_values, price, compare_at_price, quantity });
    }

    fn read_option_values(&mut self, row: Row<'_>) -> Vec<String> {
        let mut texts = Vec::with_capacity(self.options.len());
        for (index, (_, value)) in OPTIONS.into_iter().enumerate() {
            let cell = row.cell(value);
            if let Some(position) = self.options.iter().position(|option| *option == index) {
                let name = excerpt(&self.product.option_names[position]);
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

    fn read_code(&mut self, row: Row<'_>, home: Home) -> Option<String> {
        let code = self.accept(row, row.cell(home).code())?;
        self.text += code.len();
        Some(code.to_owned())
    }

    fn read_quantity(&mut self, row: Row<'_>) -> i64 {
        let continues = self.accept(row, row.cell(Home::Policy).policy()).unwrap_or(false);
        self.stock.continue_selling += u64::from(continues);
        // Without the column nothing is known of tracking.
        let untracked = row.columns.has(Home::Tracker) && row.cell(Home::Tracker).is_empty();
        self.stock.untracked += u64::from(untracked);
        let quantity = self.accept(row, row.cell(Home::Quantity).integer("a whole number, such as 12"));
        let quantity = quantity.unwrap_or_default();
        self.stock.negative += u64::from(quantity < 0);
        quantity.max(0)
    }

    /// Reads the image of a row, if it has one.
    pub(super) fn read_image(&mut self, row: Row<'_>, unhoused: &mut Unhoused) {
        if row.cell(Home::ImageUrl).is_empty() {
            for home in [Home::ImageAlt, Home::ImagePosition] {
                if !row.cell(home).is_empty() {
                    unhoused.count(row.columns, home, Why::NoImage);
                }
            }
            return;
        }
        let url = self.accept(row, row.cell(Home::ImageUrl).url());
        let alt = self.owned(row, Home::ImageAlt);
        let position = self.accept(row, row.cell(Home::ImagePosition).integer("a whole number, such as 1"));
        let Some(url) = url else { return };
        // Files that repeat the image on each variant's row mean the same one.
        if let Some(known) = self.product.images.iter_mut().find(|image| image.url == url) {
            if known.alt.is_none() {
                known.alt = alt;
            }
            return;
        }
        if self.product.images.len() >= MAX_IMAGES {
            let detail = format!("the product has more than {MAX_IMAGES} images");
            self.note(row.number(), row.cell(Home::ImageUrl).refuse(detail));
            self.given_up = true;
            return;
        }
        self.text += url.len();
        let url = url.to_owned();
        self.product.images.push(ImportedImage { url, alt });
        // Images without a position follow the others, in the order of the file.
        self.positions.push(position.unwrap_or(i64::MAX));
    }

    /// Later rows may repeat what the first says of the product. Another title is more than that: two products with one
    /// handle. Other differences are counted, as the first row's value stands.
    pub(super) fn compare_with_first(&mut self, row: Row<'_>, unhoused: &mut Unhoused) {
        let title = row.cell(Home::Title);
        if differs(self, row, Home::Title) {
            let shown = excerpt(&String::from_utf8_lossy(title.bytes));
            let name = excerpt(&self.product.name);
            let detail =
                format!("{shown} is another name than {name} of row {}; expected the same or none", self.product.row);
            self.note(row.number(), title.refuse(detail));
        }
        for home in PRODUCT_HOMES {
            if differs(self, row, home) {
                unhoused.count(row.columns, home, Why::LaterRow);
            }
        }
    }

    /// Keeps one product from filling the memory.
    pub(super) fn check_size(&mut self, row: Row<'_>) {
        if self.text > MAX_TEXT && !self.given_up {
            let detail = format!("the product's values are more than {MAX_TEXT} bytes in all");
            self.note(row.number(), row.cell(Home::Handle).refuse(detail));
            self.given_up = true;
        }
    }
}

fn differs(group: &Group, row: Row<'_>, home: Home) -> bool {
    let value = row.columns.get(row.record, home);
    !value.is_empty() && value != row.columns.get(&group.first, home)
}
