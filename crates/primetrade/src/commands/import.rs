//! `primetrade import csv`: a shop's product file into the catalogue of one seller.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use auth::Accounts;
use futures_util::{StreamExt, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernel::{Currency, Error};
use platform::db::DatabaseUrl;
use products::import::{ImportError, ImportedProduct, ProductRows, Report};
use products::{Outcome as Upserted, Products};

use super::{IN_ITS_FOLDER, absolute};
use crate::config::Config;
use crate::{Failure, Outcome};

/// Products being written at once: enough to fill a group commit.
const CONCURRENCY: usize = 64;
/// Refusals that are printed in full; the rest are counted.
const SHOWN_REFUSALS: u64 = 100;

pub struct Import {
    pub file: PathBuf,
    /// E-mail address of the seller.
    pub owner: String,
    pub dry_run: bool,
    pub currency: Option<Currency>,
}

#[derive(Default)]
struct Tally {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

pub async fn import_csv(config: &Config, import: Import) -> Result<Outcome, Failure> {
    let file = File::open(&import.file).map_err(|error| format!("cannot open {}: {error}", import.file.display()))?;
    let path = import.file;
    let bar = progress_bar(file.metadata().map_or(0, |metadata| metadata.len()));
    if let DatabaseUrl::Sqlite(folder) = config.auth_database()
        && !folder.exists()
    {
        return Err(format!("there is no store {}: {IN_ITS_FOLDER}", absolute(folder)).into());
    }
    let app = super::open(config).await?;
    let (auth, products) = app.stores()?;
    let owner = auth.by_email(&import.owner).await?;
    let owner = owner.ok_or_else(|| format!("no account has the e-mail address {}", import.owner))?;
    let currency = import.currency.unwrap_or(config.products.currency);
    let mut rows = ProductRows::new(Counted { file, bar: bar.clone() }, currency)?;
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut writing = FuturesUnordered::new();
    let mut broken = None;
    while let Some(item) = rows.next() {
        bar.set_message(format!("{} rows, {:.0} rows/s", rows.rows(), rate(rows.rows(), started.elapsed())));
        match item {
            Ok(product) => writing.push(write(products, owner.id, product, currency, import.dry_run)),
            Err(ImportError::Row(error)) => tally.refuse(&bar, &error.to_string()),
            Err(ImportError::File(error)) => broken = Some(error),
        }
        if writing.len() >= CONCURRENCY
            && let Some(written) = writing.next().await
        {
            tally.count(&bar, written)?;
        }
    }
    while let Some(written) = writing.next().await {
        tally.count(&bar, written)?;
    }
    bar.finish_and_clear();
    print_report(&tally, &rows.report(), started.elapsed(), import.dry_run);
    match broken {
        Some(error) => Err(format!("{}: {error}", path.display()).into()),
        None if tally.refused > 0 => Ok(Outcome::Finding),
        None => Ok(Outcome::Done),
    }
}

type Written = (u64, String, Result<Upserted, Error>);

async fn write(
    products: &Products,
    owner: kernel::Uuid,
    product: ImportedProduct,
    currency: Currency,
    dry_run: bool,
) -> Written {
    let (row, handle) = (product.row, product.handle.clone());
    (row, handle, products.upsert(owner, product, currency, dry_run).await)
}

impl Tally {
    /// A refused product is counted; a database that is gone ends the import, which can be run again.
    fn count(&mut self, bar: &ProgressBar, (row, handle, result): Written) -> Result<(), Failure> {
        match result {
            Ok(Upserted::Created) => self.created += 1,
            Ok(Upserted::Updated) => self.updated += 1,
            Ok(Upserted::Unchanged) => self.unchanged += 1,
            Err(error @ (Error::Invalid(_) | Error::Conflict(_))) => {
                self.refuse(bar, &format!("row {row} ({handle}): {error}"));
            }
            Err(error) => return Err(format!("row {row} ({handle}): {error}; run the import again to go on").into()),
        }
        Ok(())
    }

    fn refuse(&mut self, bar: &ProgressBar, reason: &str) {
        self.refused += 1;
        if self.refused <= SHOWN_REFUSALS {
            bar.suspend(|| complain!("refused: {reason}"));
        }
    }
}

fn print_report(tally: &Tally, report: &Report, elapsed: Duration, dry_run: bool) {
    let verb = if dry_run { "would be created" } else { "created" };
    say!(
        "{} products {verb}, {} updated, {} unchanged, {} refusals; {} rows in {:.1} s ({:.0} rows/s)",
        tally.created,
        tally.updated,
        tally.unchanged,
        tally.refused,
        report.rows,
        elapsed.as_secs_f64(),
        rate(report.rows, elapsed)
    );
    let notes = [
        (report.untracked_variants, "variants whose stock the shop did not track keep the file's quantity"),
        (report.negative_quantities, "variants had a quantity below zero and were given none"),
        (report.continue_selling, "variants were sold beyond their stock; here they are not"),
    ];
    for (count, note) in notes.into_iter().filter(|(count, _)| *count > 0) {
        say!("{count} {note}");
    }
    if !report.unhoused.is_empty() {
        say!("Columns without a home here (rows with a value):");
        for (column, rows) in &report.unhoused {
            say!("  {column}: {rows}");
        }
    }
}

fn rate(rows: u64, elapsed: Duration) -> f64 {
    rows as f64 / elapsed.as_secs_f64().max(0.001)
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style =
        ProgressStyle::with_template("{wide_bar} {percent}% {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(bytes), target).with_style(style)
}

/// The file, telling the progress bar how much of it was read.
struct Counted {
    file: File,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
