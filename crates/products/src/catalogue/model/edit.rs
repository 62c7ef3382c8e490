//! v1's edit of a product, and v1's rules for its fields. They are frozen; the catalogue's own may grow beside them.

use kernel::product::MAX_DESCRIPTION;
use kernel::{Currency, Error, Money, Violation};

use super::{Product, Stocked, highest_price};

const MAX_NAME: usize = 200;
const MAX_CATEGORY: usize = 100;

/// The code of what only products of one variant have as a whole.
pub const SEVERAL_VARIANTS: &str = "several-variants";
/// The code of what breaks one of v1's rules.
pub const RULE: &str = "rule";

/// Whether a product may have this description.
pub fn description_fits(text: &str) -> bool {
    text.len() <= MAX_DESCRIPTION
}

/// v1's edit of a product as a whole; `None` leaves a field as it is. Price and stock belong to plain products.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Trimmed, not empty.
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub category: Option<Option<String>>,
    /// A decimal as it was sent: only the product tells of which currency.
    pub price: Option<String>,
    pub stock: Option<i64>,
}

impl Edit {
    /// The fields that break a rule, in v1's order. Forms post back what they were shown: what is as the product has it breaks none.
    /// Without a product everything is new, and of this currency.
    pub fn broken(&self, product: Option<&Product>, currency: Currency) -> Vec<&'static str> {
        let currency = product.map_or(currency, |product| product.currency);
        let name = self.name.as_deref().is_none_or(|name| {
            product.is_some_and(|product| product.name.trim() == name) || name.chars().count() <= MAX_NAME
        });
        let price = self.price.as_deref().is_none_or(|price| {
            let amount = amount_of(price, currency);
            let is_shown = |product: &Product| amount == Some(product.lowest_price());
            product.is_some_and(is_shown) || amount.is_some_and(|amount| amount <= highest_price(currency))
        });
        let category = self.category.as_ref().is_none_or(|category| {
            let fits = |category: &String| category.chars().count() <= MAX_CATEGORY;
            product.is_some_and(|product| product.category == *category) || category.as_ref().is_none_or(fits)
        });
        let description = self.description.as_ref().is_none_or(|description| {
            let fits = description.as_deref().is_none_or(description_fits);
            fits || product.is_some_and(|product| product.description == *description)
        });
        let holds = [("name", name), ("price", price), ("category", category), ("description", description)];
        holds.into_iter().filter(|(_, holds)| !holds).map(|(field, _)| field).collect()
    }

    /// The price in minor units of a currency, if there is one that v1 can hold.
    pub fn amount(&self, currency: Currency) -> Option<i64> {
        amount_of(self.price.as_deref()?, currency)
    }

    /// The edited product, and whether its stock is to be set.
    ///
    /// # Errors
    /// `Invalid`: the fields that break a rule, or the one that a product of several variants does not have as a whole.
    pub fn apply(self, before: &Stocked) -> Result<(Stocked, bool), Error> {
        let broken = self.broken(Some(&before.product), before.product.currency);
        if !broken.is_empty() {
            let violation = |field| Violation::new(field, RULE, format!("The {field} is not one that API v1 takes"));
            return Err(Error::Invalid(broken.into_iter().map(violation).collect()));
        }
        // Forms post every field: what equals the present value is not a change.
        let price = self.amount(before.product.currency).filter(|price| *price != before.product.lowest_price());
        let stock = self.stock.filter(|stock| *stock != before.total());
        let mut after = before.clone();
        let product = &mut after.product;
        if let Some(name) = self.name.filter(|name| name != product.name.trim()) {
            product.name = name;
        }
        if let Some(description) = self.description {
            product.description = description;
        }
        if let Some(category) = self.category {
            product.category = category;
        }
        match (product.variants.as_mut_slice(), after.stock.as_mut_slice()) {
            ([variant], [units]) => {
                variant.price = price.unwrap_or(variant.price);
                units.on_hand = stock.unwrap_or(units.on_hand);
                variant.in_stock = variant.is_in_stock(units);
            }
            _ if price.is_some() => return Err(several("price")),
            _ if stock.is_some() => return Err(several("stock")),
            _ => {}
        }
        Ok((after, stock.is_some()))
    }
}

impl Product {
    /// Its lowest price as v1 shows it: with the decimals of its currency, so that nothing is lost on the way back.
    pub fn shown_price(&self) -> String {
        self.money(self.lowest_price()).to_decimal(self.currency.exponent())
    }
}

/// Minor units, rounded half up to the decimals of the currency.
fn amount_of(price: &str, currency: Currency) -> Option<i64> {
    Money::from_decimal(price, currency, currency.exponent()).ok().map(|price| price.amount)
}

fn several(field: &'static str) -> Error {
    Error::invalid(field, SEVERAL_VARIANTS, format!("A product of several variants has no single {field}"))
}

#[cfg(test)]
mod tests {
    use kernel::{Timestamp, Uuid};
    use stock::model::Stock;

    use super::*;
    use crate::catalogue::model::{ProductDetails, Status, Variant, VariantDetails};

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    /// A product of so many variants, all of one price and of two units.
    fn product(currency: Currency, price: i64, variants: u128) -> Stocked {
        let variant = |n| Variant {
            id: Uuid::from_u128(n),
            sku: None,
            barcode: None,
            option_values: Vec::new(),
            price,
            compare_at_price: None,
            in_stock: true,
            details: VariantDetails::default(),
        };
        let product = Product {
            id: Uuid::nil(),
            owner_id: Uuid::nil(),
            handle: "lamp".into(),
            name: "Lamp".into(),
            description: None,
            category: None,
            tags: Vec::new(),
            vendor: None,
            status: Status::Draft,
            currency,
            option_names: Vec::new(),
            images: Vec::new(),
            variants: (0..variants).map(variant).collect(),
            version: 1,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            import_digest: None,
            details: ProductDetails::default(),
        };
        let stock = |n| Stock::new(Uuid::from_u128(n), 2);
        Stocked { product, stock: (0..variants).map(stock).collect() }
    }

    fn priced(price: &str) -> Edit {
        Edit { price: Some(price.into()), ..Edit::default() }
    }

    /// The price that an edit leaves, or what it breaks.
    fn repriced(before: &Stocked, price: &str) -> Result<i64, Vec<(String, String)>> {
        match priced(price).apply(before) {
            Ok((after, _)) => Ok(after.product.lowest_price()),
            Err(Error::Invalid(broken)) => {
                Err(broken.into_iter().map(|it| (it.field.into(), it.code.into_owned())).collect())
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_price_that_was_shown_is_the_same_when_it_comes_back() {
        for code in ["JPY", "USD", "KWD", "CLF"] {
            let currency = currency(code);
            let highest = highest_price(currency);
            // A full period of a linear congruential generator has every kind of amount in it.
            let random = std::iter::successors(Some(1_u64), |last| {
                Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
            });
            let scattered = random.map(|random| (random >> 1) as i64 % (highest + 1)).take(20_000);
            let round = (0..13).map(|digits| 10_i64.pow(digits)).flat_map(|ten| [ten - 1, ten, ten + 1]);
            let amounts = scattered.chain(round).chain([0, highest - 1, highest]);
            for amount in amounts.filter(|amount| *amount <= highest) {
                let before = product(currency, amount, 1);
                let shown = before.product.shown_price();
                assert_eq!(priced(&shown).amount(currency), Some(amount), "{shown} {code}");
                assert_eq!(priced(&shown).apply(&before).unwrap(), (before, false), "{shown} {code}");
            }
        }
    }

    #[test]
    fn prices_have_the_decimals_of_the_currency() {
        for (code, amount, shown) in [
            ("JPY", 1_500, "1500"),
            ("JPY", 0, "0"),
            ("USD", 150_000, "1500.00"),
            ("KWD", 12_350, "12.350"),
            ("CLF", 123_456, "12.3456"),
            ("UYW", 7, "0.0007"),
        ] {
            assert_eq!(product(currency(code), amount, 1).product.shown_price(), shown, "{code}");
        }
    }

    #[test]
    fn a_price_is_read_and_bounded_in_the_currency_of_the_product() {
        let broken = || Err(vec![("price".to_owned(), RULE.to_owned())]);
        for (code, sent, price) in [
            ("JPY", "1499.5", Ok(1_500)),
            ("JPY", "1499.4999", Ok(1_499)),
            ("JPY", "99999999", Ok(99_999_999)),
            ("JPY", "99999999.4", Ok(99_999_999)),
            ("JPY", "99999999.5", broken()),
            ("JPY", "1e8", broken()),
            ("USD", "99999999.994", Ok(9_999_999_999)),
            ("USD", "99999999.995", broken()),
            ("KWD", "0.0005", Ok(1)),
            ("KWD", "99999999.9994", Ok(99_999_999_999)),
            ("KWD", "99999999.9995", broken()),
            ("CLF", "12.34565", Ok(123_457)),
            ("CLF", "100000000", broken()),
            ("CLF", "1e400", broken()),
        ] {
            assert_eq!(repriced(&product(currency(code), 1, 1), sent), price, "{sent} {code}");
        }
    }

    #[test]
    fn several_variants_have_no_price_of_their_own() {
        let shirt = product(currency("JPY"), 1_500, 2);
        assert_eq!(repriced(&shirt, "1500.2"), Ok(1_500), "as it is shown");
        assert_eq!(repriced(&shirt, "1501"), Err(vec![("price".to_owned(), SEVERAL_VARIANTS.to_owned())]));
        assert_eq!(repriced(&shirt, "1e9"), Err(vec![("price".to_owned(), RULE.to_owned())]));
    }

    #[test]
    fn what_comes_back_as_it_was_shown_breaks_no_rule() {
        let long = "n".repeat(255);
        let text = "d".repeat(64 * 1024 + 1);
        let mut before = product(Currency::USD, highest_price(Currency::USD) + 1, 1);
        before.product.name = format!("{long} ");
        before.product.category = Some(long.clone());
        before.product.description = Some(text.clone());
        let same = Edit {
            name: Some(long.clone()),
            description: Some(Some(text.clone())),
            category: Some(Some(long.clone())),
            price: Some("100000000.00".into()),
            stock: Some(2),
        };
        assert_eq!(same.clone().apply(&before).unwrap(), (before.clone(), false));
        let all = ["name", "price", "category", "description"];
        assert_eq!(same.broken(None, Currency::USD), all, "of something new");
        let other = Edit {
            name: Some(format!("{long}!")),
            description: Some(Some(format!("{text}!"))),
            category: Some(Some(format!("{long}!"))),
            price: Some("100000000.01".into()),
            stock: None,
        };
        assert_eq!(other.broken(Some(&before.product), Currency::USD), all);
        let shorter = Edit { name: Some("n".repeat(201)), category: Some(Some("c".repeat(101))), ..Edit::default() };
        assert_eq!(shorter.broken(Some(&before.product), Currency::USD), ["name", "category"]);
        let within = Edit {
            name: Some("語".repeat(200)),
            description: Some(Some("d".repeat(64 * 1024))),
            category: Some(Some("語".repeat(100))),
            ..Edit::default()
        };
        assert!(within.broken(None, Currency::USD).is_empty());
        assert!(within.apply(&before).unwrap().0.product.name.starts_with('語'));
    }

    #[test]
    fn a_description_is_bounded_in_bytes() {
        assert!(description_fits(&"d".repeat(65_536)));
        assert!(!description_fits(&"d".repeat(65_537)));
        assert!(description_fits(&"語".repeat(21_845)));
        assert!(!description_fits(&"語".repeat(21_846)));
    }
}
