//! `primetrade stock verify`: the stock of every variant, checked against its ledger and the reservations.

use indicatif::{ProgressBar, ProgressStyle};
use node::Failure;
use node::config::Config;
use stock::Difference;

use crate::Outcome;

pub async fn verify(config: &Config) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let (_, products) = app.stores()?;
    let style =
        ProgressStyle::with_template("{spinner} {human_pos} variants, reservations and ledgers looked at, {per_sec}");
    let bar = style.ok().into_iter().fold(ProgressBar::no_length(), ProgressBar::with_style);
    let mut differences = 0_u64;
    let tell = |difference| {
        differences += 1;
        bar.suspend(|| say!("{}", words(difference)));
    };
    let variants = products.stock.verify_stock(tell, |looked| bar.inc(looked)).await?;
    bar.finish_and_clear();
    match differences {
        0 => say!("the stock of {variants} variants is what their ledgers and reservations say"),
        _ => say!("{differences} differences were found at {variants} variants"),
    }
    Ok(if differences == 0 { Outcome::Done } else { Outcome::Finding })
}

fn words(difference: Difference) -> String {
    match difference {
        Difference::Ledger { stock, available, ledger } => format!(
            "variant {}: on hand {}, by the ledger {}; reserved {}, by the ledger {}; backordered {}, by the ledger {}; \
             available {available}",
            stock.variant_id,
            stock.on_hand,
            ledger.on_hand,
            stock.reserved,
            ledger.reserved,
            stock.backordered,
            ledger.backordered
        ),
        Difference::Held { variant, row, lines } => format!(
            "variant {variant}: reserved {}, held by reservations {}; backordered {}, held by reservations {}",
            row.reserved, lines.reserved, row.backordered, lines.backordered
        ),
        Difference::Gone { ledger } => format!(
            "variant {}: it is gone, and its ledger still has {} on hand, {} reserved and {} backordered",
            ledger.variant_id, ledger.on_hand, ledger.reserved, ledger.backordered
        ),
    }
}
