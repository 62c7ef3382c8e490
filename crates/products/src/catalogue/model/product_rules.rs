//! Rules of products that several of their inputs have in common.

use kernel::product::{MAX_ALT, MAX_URL, is_web_address};
use kernel::{Broken, Currency, Money};

use super::{Image, highest_price};

/// What is wrong with prices and pictures.
pub trait ProductRules {
    /// An amount that the catalogue takes, in the currency of what it belongs to.
    fn price(&mut self, field: &str, price: Money, currency: Currency);

    /// Pictures, each with whether it was there before, and so is not judged.
    fn images<'i>(&mut self, field: &str, images: impl Iterator<Item = (&'i Image, bool)>);
}

impl ProductRules for Broken {
    fn price(&mut self, field: &str, price: Money, currency: Currency) {
        self.range(&format!("{field}/amount"), price.amount, 0..=highest_price(price.currency));
        if price.currency != currency {
            let detail = format!("must be {currency}: all prices of a product are of one currency");
            self.refuse(format!("{field}/currency"), "currency", detail);
        }
    }

    fn images<'i>(&mut self, field: &str, images: impl Iterator<Item = (&'i Image, bool)>) {
        for (n, (image, _)) in images.enumerate().filter(|(_, (_, is_kept))| !is_kept) {
            let url = format!("{field}/{n}/url");
            self.text(&url, &image.url, 1..=MAX_URL);
            if !is_web_address(&image.url) {
                self.refuse(url, "url", "must be an address of http:// or https://");
            }
            self.optional(&format!("{field}/{n}/alt"), image.alt.as_deref(), 0..=MAX_ALT);
        }
    }
}
