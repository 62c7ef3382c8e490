//! `primetrade stock verify`: the stock of every variant, held to its ledger.

use indicatif::{ProgressBar, ProgressStyle};
use kernel::Uuid;

use crate::config::Config;
use crate::{Failure, Outcome};

/// Variants that are looked at in one read, which must be short.
const PAGE: i64 = 500;

pub async fn verify(config: &Config) -> Result<Outcome, Failure> {
    let app = super::open(config).await?;
    let (_, products) = app.stores()?;
    let style = ProgressStyle::with_template("{spinner} {human_pos} variants looked at, {per_sec}").ok();
    let bar = style.into_iter().fold(ProgressBar::no_length(), ProgressBar::with_style);
    let (mut after, mut differences) = (Uuid::nil(), 0_u64);
    loop {
        let found = products.verify_stock(after, PAGE).await?;
        bar.inc(found.looked as u64);
        for balance in &found.differences {
            differences += 1;
            let (stock, ledger) = (balance.stock, balance.ledger);
            bar.suspend(|| {
                say!(
                    "variant {}: on hand {}, by the ledger {}; reserved {}, by the ledger {}; available {}",
                    stock.variant_id,
                    stock.on_hand,
                    ledger.on_hand,
                    stock.reserved,
                    ledger.reserved,
                    balance.available
                );
            });
        }
        let Some(last) = found.last else { break };
        after = last;
    }
    let looked = bar.position();
    bar.finish_and_clear();
    match differences {
        0 => say!("the stock of {looked} variants is what their ledgers say"),
        _ => say!("the stock of {differences} of {looked} variants differs from their ledgers"),
    }
    Ok(if differences == 0 { Outcome::Done } else { Outcome::Finding })
}
