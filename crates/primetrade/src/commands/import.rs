//! `primetrade import csv`: a shop's product file into the catalogue of one seller.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use auth::Accounts;
use formats::report::ReportWriter;
use formats::{ProductRows, RefusedProduct};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kernel::Currency;
use node::Failure;
use node::config::Config;
use platform::files;
use products::imports::run::{self, Summary, Watch};
use products::imports::{Note, NoteKind, Options};
use stock::model::ImportedStock;
use storage::DatabaseUrl;

use super::{IN_ITS_FOLDER, absolute};
use crate::Outcome;

/// Refusals, and notes of a kind, that are printed in full; the rest are counted.
const SHOWN: u64 = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub file: PathBuf,
    /// E-mail address of the seller.
    pub owner: String,
    pub dry_run: bool,
    pub currency: Option<Currency>,
    pub stock: ImportedStock,
    /// What new variants have for which the file has no quantity.
    pub quantity: Option<i64>,
    /// Where refused products go.
    pub report: Option<PathBuf>,
    /// Whether all refusals and notes are printed.
    pub all: bool,
}

pub async fn import_csv(config: &Config, import: Import) -> Result<Outcome, Failure> {
    let file = File::open(&import.file).map_err(|error| format!("cannot open {}: {error}", import.file.display()))?;
    let bar = progress_bar(file.metadata().map_or(0, |metadata| metadata.len()));
    if let DatabaseUrl::Sqlite(folder) = config.database_of("auth")
        && !folder.exists()
    {
        return Err(format!("there is no store {}: {IN_ITS_FOLDER}", absolute(folder)).into());
    }
    let app = super::open(config).await?;
    let (auth, products) = app.stores()?;
    let owner = auth.by_email(&import.owner).await?;
    let owner = owner.ok_or_else(|| format!("no account has the e-mail address {}", import.owner))?;
    let options = Options {
        currency: import.currency.unwrap_or(config.products.currency),
        stock: import.stock,
        quantity: import.quantity,
        dry_run: import.dry_run,
    };
    let mut rows = ProductRows::new(Counted { file, bar: bar.clone() }, options.currency)?;
    let mut report = None;
    if let Some(path) = &import.report {
        rows = rows.keeping_source();
        report = Some(Report::create(path, rows.columns().names())?);
    }
    let shown = if import.all { u64::MAX } else { SHOWN };
    let mut teller = Teller { bar, started: Instant::now(), shown, refused: 0, notes: BTreeMap::new(), report };
    let summary = run::run(&products, owner.id, options, rows, &mut teller).await;
    teller.bar.finish_and_clear();
    teller.tell(&summary, &import)?;
    let summary = summary?;
    match summary.broken {
        Some(error) => Err(format!("{}: {error}", import.file.display()).into()),
        None if summary.refused > 0 => Ok(Outcome::Finding),
        None => Ok(Outcome::Done),
    }
}

/// The file of refused products.
struct Report {
    path: PathBuf,
    writer: ReportWriter<BufWriter<File>>,
    failed: Option<io::Error>,
}

impl Report {
    fn create(path: &PathBuf, names: &[String]) -> Result<Self, Failure> {
        let cannot = |error: io::Error| format!("cannot write {}: {error}", path.display());
        // A report of before may be the file that is imported.
        let file = File::create_new(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} is there already: give the report another name", path.display())
            }
            _ => cannot(error),
        })?;
        let writer = ReportWriter::new(BufWriter::new(file), names).map_err(cannot)?;
        Ok(Self { path: path.clone(), writer, failed: None })
    }
}

/// Tells of refusals as they come, and of notes at the end.
struct Teller {
    bar: ProgressBar,
    started: Instant,
    /// How many of each are told in full.
    shown: u64,
    refused: u64,
    /// The first notes of each kind, and how many there are.
    notes: BTreeMap<NoteKind, (u64, Vec<Note>)>,
    report: Option<Report>,
}

impl Watch for Teller {
    fn read(&mut self, rows: u64) {
        self.bar.set_message(format!("{rows} rows, {:.0} rows/s", rate(rows, self.started.elapsed())));
    }

    fn refused(&mut self, product: &RefusedProduct) {
        self.refused += 1;
        if self.refused <= self.shown {
            product.errors.iter().for_each(|error| self.bar.suspend(|| complain!("refused: {error}")));
        }
        if let Some(report) = self.report.as_mut().filter(|report| report.failed.is_none()) {
            report.failed = report.writer.add(product).err();
        }
    }

    fn noted(&mut self, note: Note) {
        let (count, first) = self.notes.entry(note.kind).or_default();
        *count += 1;
        if *count <= self.shown {
            first.push(note);
        }
    }
}

impl Teller {
    fn tell(self, summary: &Result<Summary, run::Interrupted>, import: &Import) -> Result<(), Failure> {
        if self.refused > self.shown {
            complain!("and {} more products are refused{}", self.refused - self.shown, remedy(import));
        }
        for (kind, (count, first)) in &self.notes {
            say!("{}: {count}", kind.title());
            match first.as_slice() {
                [one, .., other] if one.detail == other.detail => {
                    let rows: Vec<String> = first.iter().map(|note| note.row.to_string()).collect();
                    say!("  rows {}: {}", rows.join(", "), one.detail);
                }
                notes => notes.iter().for_each(|note| say!("  row {} ({}): {}", note.row, note.handle, note.detail)),
            }
            if *count > self.shown {
                say!("  and {} more (--all shows them)", count - self.shown);
            }
        }
        if let Ok(summary) = summary {
            print_summary(summary, self.started.elapsed(), import.dry_run);
        }
        let Some(Report { path, writer, failed }) = self.report else { return Ok(()) };
        let written = failed.map_or_else(|| writer.finish(), Err).and_then(|file| {
            file.get_ref().sync_all()?;
            files::sync_folder(files::folder_of(&path))
        });
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        match self.refused {
            0 => std::fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?,
            1 => say!("the refused product is in {}: mend it, and import it", path.display()),
            refused => say!("{refused} refused products are in {}: mend it, and import it", path.display()),
        }
        Ok(())
    }
}

fn remedy(import: &Import) -> &'static str {
    if import.report.is_some() { "" } else { " (--all shows them, --report FILE writes them into a file to mend)" }
}

fn print_summary(summary: &Summary, elapsed: Duration, dry_run: bool) {
    let Summary { created, updated, unchanged, refused, report, .. } = summary;
    let would = if dry_run { "would be " } else { "" };
    let products = if *created == 1 { "product" } else { "products" };
    say!(
        "{created} {products} {would}created, {updated} {would}updated, {unchanged} unchanged, {refused} {would}refused; {} rows \
         in {:.1} s ({:.0} rows/s)",
        report.rows,
        elapsed.as_secs_f64(),
        rate(report.rows, elapsed)
    );
    if !report.unmapped.is_empty() {
        say!("Columns that have no place here (rows with a value):");
        for (column, rows) in &report.unmapped {
            say!("  {column}: {rows}");
        }
    }
}

fn rate(rows: u64, elapsed: Duration) -> f64 {
    rows as f64 / elapsed.as_secs_f64().max(0.001)
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
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
