//! The demonstration shop: sellers and products that a person browsing would believe.
//!
//! `catalogue.tsv` holds a seller and a category (`@` lines) and below them a product a line: name, editions, price, price
//! before, options, tags, description. Each edition (`Label@price=phrase`) is a product of its own, its label and phrase
//! standing for `{}` in name and description. Options (`Size:S,M,L+5.00;Color:Black`) multiply into variants, a sum
//! raising the price. `-` is nothing.
//!
//! Everything follows from that file and the order of its lines, so that seeding twice gives the same SKUs.

use formats::{Given, ImportedProduct, ImportedStatus, ImportedVariant};
use kernel::{Currency, Money, text};

const CATALOGUE: &str = include_str!("catalogue.tsv");
/// The first product of each seller has the number after this one.
const FIRST_NUMBER: usize = 1_000;
const HANDLE_LENGTH: usize = 80;

/// An account of the demonstration; the address cannot receive mail (RFC 2606).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoSeller {
    pub username: &'static str,
    pub email: &'static str,
    /// The name of the shop.
    pub vendor: &'static str,
    sku_prefix: &'static str,
}

/// A product of the demonstration; its prices are cents of US dollars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoProduct {
    pub seller: &'static DemoSeller,
    pub product: ImportedProduct,
}

static SELLERS: [DemoSeller; 6] = [
    seller("harrow_pine", "harrow.pine@example.com", "Harrow & Pine", "HP"),
    seller("fern_stone", "fern.stone@example.com", "Fern & Stone", "FS"),
    seller("northbound", "northbound@example.com", "Northbound Outfitters", "NB"),
    seller("kestrel_works", "kestrel.works@example.com", "Kestrel Works", "KW"),
    seller("maren_studio", "maren.studio@example.com", "Maren Studio", "MS"),
    seller("little_otter", "little.otter@example.com", "Little Otter", "LO"),
];

const fn seller(
    username: &'static str,
    email: &'static str,
    vendor: &'static str,
    sku_prefix: &'static str,
) -> DemoSeller {
    DemoSeller { username, email, vendor, sku_prefix }
}

/// The sellers, each with products in [`catalogue`].
pub fn sellers() -> &'static [DemoSeller] {
    &SELLERS
}

/// All products, those of one seller and category together. Handles and SKUs are unique per seller.
pub fn catalogue() -> impl Iterator<Item = DemoProduct> {
    let mut products = Vec::new();
    let mut numbers = [FIRST_NUMBER; SELLERS.len()];
    let mut shelf = None;
    for (index, line) in CATALOGUE.lines().enumerate() {
        if line.starts_with('@') {
            shelf = shelf_of(line);
            continue;
        }
        let (Some((seller, category)), Some(base)) = (shelf, Base::parse(line)) else {
            continue;
        };
        for edition in &base.editions {
            numbers[seller] += 1;
            let maker = Maker { seller, number: numbers[seller] };
            let product = ImportedProduct {
                row: index as u64 + 1,
                category: Given::Value(category.to_owned()),
                ..maker.product(&base, edition)
            };
            let seller = &SELLERS[seller];
            products.push(DemoProduct { seller, product });
        }
    }
    products.into_iter()
}

/// Seller and category of an `@` line.
fn shelf_of(line: &'static str) -> Option<(usize, &'static str)> {
    let mut fields = line.split('\t').skip(1);
    let username = fields.next()?;
    let seller = SELLERS.iter().position(|seller| seller.username == username)?;
    Some((seller, fields.next()?))
}

/// A line of the catalogue.
struct Base<'a> {
    name: &'a str,
    editions: Vec<Edition<'a>>,
    price: i64,
    was: Option<i64>,
    options: Vec<Choice<'a>>,
    tags: &'a str,
    description: &'a str,
}

struct Edition<'a> {
    label: &'a str,
    phrase: &'a str,
    price: i64,
}

/// An option with its values and what each adds to the price.
struct Choice<'a> {
    name: &'a str,
    values: Vec<(&'a str, i64)>,
}

impl<'a> Base<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, editions, price, was, options, tags, description] = *fields.as_slice() else {
            return None;
        };
        let price = cents(price)?;
        Some(Base {
            name,
            editions: editions.split('|').map(|text| edition(text, price)).collect::<Option<_>>()?,
            price,
            was: if was == "-" { None } else { Some(cents(was)?) },
            options: options_of(options)?,
            tags,
            description,
        })
    }
}

fn cents(text: &str) -> Option<i64> {
    Money::from_decimal(text, Currency::USD, 2).ok().map(|money| money.amount)
}

/// `Label=phrase` or `Label@price=phrase`; `-` is the only edition of a product.
fn edition(text: &str, price: i64) -> Option<Edition<'_>> {
    let (label, phrase) = text.split_once('=').unwrap_or((text, ""));
    let (label, price) = match label.split_once('@') {
        Some((label, own)) => (label, cents(own)?),
        None => (label, price),
    };
    Some(Edition { label, phrase, price })
}

fn options_of(text: &str) -> Option<Vec<Choice<'_>>> {
    if text == "-" {
        return Some(Vec::new());
    }
    text.split(';').map(choice).collect()
}

fn choice(text: &str) -> Option<Choice<'_>> {
    let (name, values) = text.split_once(':')?;
    let values = values.split(',').map(|value| match value.split_once('+') {
        Some((value, sum)) => Some((value, cents(sum)?)),
        None => Some((value, 0)),
    });
    Some(Choice { name, values: values.collect::<Option<_>>()? })
}

/// What numbers a product.
struct Maker {
    seller: usize,
    number: usize,
}

impl Maker {
    fn product(&self, base: &Base<'_>, edition: &Edition<'_>) -> ImportedProduct {
        let seller = &SELLERS[self.seller];
        let name = base.name.replace("{}", edition.label);
        let rise = edition.price - base.price;
        let was = base.was.map(|was| was + rise);
        ImportedProduct {
            handle: text::slug(&name, HANDLE_LENGTH),
            name: Some(name),
            description: Given::Value(base.description.replace("{}", edition.phrase)),
            tags: Given::Value(base.tags.split(',').map(str::to_owned).collect()),
            vendor: Given::Value(seller.vendor.to_owned()),
            status: Some(ImportedStatus::Active),
            option_names: Some(base.options.iter().map(|choice| choice.name.to_owned()).collect()),
            variants: self.variants(&base.options, edition.price, was),
            ..ImportedProduct::default()
        }
    }

    /// Every combination of the options, the first one changing slowest.
    fn variants(&self, options: &[Choice<'_>], price: i64, was: Option<i64>) -> Vec<ImportedVariant> {
        let mut combinations = vec![(Vec::new(), 0)];
        for choice in options {
            combinations = combinations
                .iter()
                .flat_map(|(values, sum)| {
                    choice.values.iter().map(move |(value, more)| {
                        let mut values: Vec<&str> = values.clone();
                        values.push(value);
                        (values, sum + more)
                    })
                })
                .collect();
        }
        let variants = combinations.iter().enumerate();
        variants
            .map(|(index, (values, sum))| {
                let sku = self.sku(values);
                ImportedVariant {
                    barcode: Given::Value(self.barcode(index)),
                    option_values: values.iter().map(|value| (*value).to_owned()).collect(),
                    price: Some(price + sum),
                    compare_at_price: was.map_or(Given::Absent, |was| Given::Value(was + sum)),
                    quantity: Some(stock(&sku, price + sum)),
                    sku: Given::Value(sku),
                    ..ImportedVariant::default()
                }
            })
            .collect()
    }

    fn sku(&self, values: &[&str]) -> String {
        let mut sku = format!("{}-{}", SELLERS[self.seller].sku_prefix, self.number);
        for value in values {
            sku.push('-');
            sku.push_str(&code(value));
        }
        sku
    }

    /// An EAN-13 of the range that shops number themselves (GS1 prefixes 200 to 299), with its check digit.
    fn barcode(&self, variant: usize) -> String {
        let digits = format!("2{:02}{:05}{variant:04}", self.seller + 1, self.number);
        let sum: u32 = digits
            .bytes()
            .zip([1, 3].into_iter().cycle())
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum();
        format!("{digits}{}", (10 - sum % 10) % 10)
    }
}

/// A value as part of a SKU: `5.5 qt` is `55QT`, `Navy` is `NAV`, `Pale Blue` is `PABL`.
fn code(value: &str) -> String {
    let words: Vec<&str> = value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let letters = match (value.contains(|c: char| c.is_ascii_digit()), words.len()) {
        (true, _) => value.len(),
        (false, 1) => 3,
        (false, _) => 2,
    };
    let code: String = words.iter().flat_map(|word| word.chars().take(letters)).collect();
    code.to_ascii_uppercase()
}

/// Units on the shelf: fewer of what is dear, and of one in twelve none.
fn stock(sku: &str, price: i64) -> i64 {
    // The same in every demo shop.
    let hash = kernel::fnv1a(sku.bytes());
    let most = match price {
        ..3_000 => 140,
        3_000..10_000 => 60,
        _ => 18,
    };
    let units = 1 + (hash >> 20) % most;
    if (hash >> 8).is_multiple_of(12) { 0 } else { units as i64 }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[test]
    fn every_line_is_a_product_with_its_editions() {
        let mut expected = 0;
        for line in CATALOGUE.lines() {
            if line.starts_with('@') {
                assert!(shelf_of(line).is_some(), "{line}");
                continue;
            }
            let base = Base::parse(line).unwrap_or_else(|| panic!("not a product: {line}"));
            let varies = base.editions.len() > 1;
            assert_eq!(base.name.contains("{}"), varies, "{line}");
            assert_eq!(base.description.contains("{}"), varies, "{line}");
            assert!(!varies || base.editions.iter().all(|edition| !edition.phrase.is_empty()), "{line}");
            expected += base.editions.len();
        }
        assert_eq!(catalogue().count(), expected);
        assert!((300..=340).contains(&expected), "{expected}");
    }

    #[test]
    fn categories_and_sellers_are_filled() {
        let mut categories: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_seller: BTreeMap<&str, usize> = BTreeMap::new();
        for demo in catalogue() {
            *categories.entry(demo.product.category.value().unwrap().clone()).or_default() += 1;
            *by_seller.entry(demo.seller.username).or_default() += 1;
        }
        assert_eq!(categories.len(), 12);
        assert!(categories.values().all(|count| *count >= 15), "{categories:?}");
        assert_eq!(by_seller.len(), sellers().len());
        assert!(by_seller.values().all(|count| *count >= 40), "{by_seller:?}");
    }

    #[test]
    fn handles_skus_and_barcodes_are_unique() {
        let mut seen = HashSet::new();
        for demo in catalogue() {
            let DemoProduct { seller, product } = demo;
            assert!(seen.insert(format!("{} {}", seller.username, product.handle)), "{}", product.handle);
            let mut combinations = HashSet::new();
            for variant in product.variants {
                let [sku, barcode] = [&variant.sku, &variant.barcode].map(|code| code.value().unwrap().clone());
                assert!(seen.insert(format!("{} {}", seller.username, sku.to_lowercase())), "{sku}");
                assert!(barcode.len() == 13 && seen.insert(barcode));
                assert_eq!(variant.option_values.len(), product.option_names.as_ref().unwrap().len());
                assert!(combinations.insert(variant.option_values));
            }
        }
    }

    #[test]
    fn products_are_fit_to_be_shown() {
        for DemoProduct { product, .. } in catalogue() {
            let (name, description) = (product.name.unwrap(), product.description.value().unwrap().clone());
            let sentences = description.matches(". ").count() + 1;
            assert!(description.ends_with('.') && sentences <= 3, "{description}");
            assert!(description.starts_with(char::is_uppercase), "{description}");
            for text in [&name, &description] {
                assert!(!text.contains(['{', '}', '=', '@', '|', '\t']) && !text.contains("  "), "{text}");
                assert!(!text.contains("..") && !text.contains(" ,"), "{text}");
            }
            assert!(name.len() <= 60 && description.len() <= 220, "{description}");
            assert!(product.tags.value().unwrap().iter().all(|tag| !tag.is_empty()) && !product.variants.is_empty());
            for variant in &product.variants {
                assert!((400..120_000).contains(&variant.price.unwrap()), "{name}");
                assert!(variant.compare_at_price.value().is_none_or(|was| Some(*was) > variant.price), "{name}");
            }
        }
    }

    #[test]
    fn some_variants_are_out_of_stock_and_most_are_not() {
        let quantities: Vec<i64> =
            catalogue().flat_map(|demo| demo.product.variants).map(|v| v.quantity.unwrap()).collect();
        let empty = quantities.iter().filter(|quantity| **quantity == 0).count();
        assert!(empty * 20 > quantities.len() && empty * 8 < quantities.len(), "{empty} of {}", quantities.len());
        assert!(quantities.iter().all(|quantity| (0..=140).contains(quantity)));
    }

    #[test]
    fn the_catalogue_never_changes_by_itself() {
        assert!(catalogue().eq(catalogue()));
        let first = catalogue().next().unwrap();
        let variant = &first.product.variants[4];
        assert_eq!(first.seller.email, "harrow.pine@example.com");
        assert_eq!(first.product.handle, "enameled-cast-iron-dutch-oven");
        assert_eq!(variant.option_values, ["5.5 qt", "Cream"]);
        assert_eq!((variant.price, variant.compare_at_price), (Some(15_900), Given::Value(18_900)));
        assert_eq!(variant.sku.value().map(String::as_str), Some("HP-1001-55QT-CRE"));
        assert_eq!(variant.barcode.value().map(String::as_str), Some("2010100100041"));
    }
}
