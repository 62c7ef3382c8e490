//! The import of a file into the catalogue of one seller: reading, writing many products at once, and what becomes of each.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Read;

use formats::dialect::Field;
use formats::values::excerpt;
use formats::{FileError, ImportError, ImportedProduct, ProductRows, RefusedProduct, Report, RowError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kernel::{Error, Uuid, text};

use super::exchange::GivenUp;
use super::upsert::{Importer, UpsertError};
use super::{Note, NoteKind, Options, Outcome, Upserted};
use crate::catalogue::Products;

/// Products being written at once: what is written together writes each page that they share once.
const CONCURRENCY: usize = 256;
/// Variants of them: on PostgreSQL each product waits for a connection, and one of two thousand variants keeps it for long.
const VARIANTS: usize = 2_048;
/// Bytes of them, with the rows that are kept for a report; and of products that wait for the SKUs of others.
const IN_FLIGHT: usize = 64 << 20;

/// Who hears of what happens.
pub trait Watch: Send {
    /// So many rows were read.
    fn read(&mut self, rows: u64);

    fn refused(&mut self, product: &RefusedProduct);

    fn noted(&mut self, note: Note);
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Summary {
    /// Products.
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub refused: u64,
    pub report: Report,
    /// Why the rest of the file was not read.
    pub broken: Option<FileError>,
}

/// Why an import ended early. What was written stays; the same import goes on where it ended.
#[derive(Debug, thiserror::Error)]
#[error("row {row} ({handle}): {error}; run the import again to go on")]
pub struct Interrupted {
    pub row: u64,
    pub handle: String,
    pub error: Error,
}

/// Imports the products of a file for `owner`.
///
/// # Errors
/// The database cannot be reached, or is too busy.
pub async fn run<R: Read + Send>(
    products: &Products,
    owner: Uuid,
    options: Options,
    mut rows: ProductRows<R>,
    watch: &mut dyn Watch,
) -> Result<Summary, Interrupted> {
    let names = rows.columns().names_of_fields();
    let column = move |field: Field| names[field as usize].clone();
    let unique_skus =
        products.unique_skus().await.map_err(|error| Interrupted { row: 1, handle: String::new(), error })?;
    let importer = Importer { products, owner, options, column: Box::new(column), unique_skus };
    let mut import = Import::new(&importer, watch);
    let (mut writing, mut variants, mut in_flight) = (FuturesUnordered::new(), 0, 0);
    while let Some(item) = rows.next() {
        import.watch.read(rows.rows());
        match item {
            Ok(product) => {
                if let Some(product) = import.admit(product) {
                    variants += product.variants.len();
                    in_flight += bytes(&product);
                    writing.push(upsert(&importer, product));
                }
            }
            Err(ImportError::Product(refused)) => import.refuse(&refused),
            Err(ImportError::File(error)) => import.summary.broken = Some(error),
        }
        while writing.len() >= CONCURRENCY || variants > VARIANTS || in_flight > IN_FLIGHT {
            let Some((product, written)) = writing.next().await else { break };
            variants -= product.variants.len();
            in_flight -= bytes(&product);
            import.count(product, written)?;
        }
    }
    while let Some((product, written)) = writing.next().await {
        import.count(product, written)?;
    }
    import.exchange().await?;
    import.tell_repeats();
    Ok(Summary { report: rows.report(), ..import.summary })
}

fn bytes(product: &ImportedProduct) -> usize {
    product.text + product.source.iter().map(|row| row.text.len()).sum::<usize>()
}

type Written = (ImportedProduct, Result<Upserted, UpsertError>);

async fn upsert(importer: &Importer<'_>, product: ImportedProduct) -> Written {
    let written = importer.upsert(&product).await;
    (product, written)
}

struct Import<'i> {
    importer: &'i Importer<'i>,
    watch: &'i mut dyn Watch,
    summary: Summary,
    /// Hashes of the handles in the file, and of its SKUs with the rows that have them: eight and sixteen bytes each.
    handles: HashSet<u64>,
    skus: HashMap<u64, u64>,
    hasher: BuildHasherDefault<DefaultHasher>,
    /// Products with SKUs that others have, who may give them up further down; and how large they are.
    deferred: Vec<ImportedProduct>,
    deferred_bytes: usize,
    given_up: GivenUp,
    /// SKUs that products outside the file may have too: that is known when all of it was read.
    repeats: Vec<(Note, u64)>,
}

impl<'i> Import<'i> {
    fn new(importer: &'i Importer<'i>, watch: &'i mut dyn Watch) -> Self {
        Self {
            importer,
            watch,
            summary: Summary::default(),
            handles: HashSet::new(),
            skus: HashMap::new(),
            hasher: BuildHasherDefault::default(),
            deferred: Vec::new(),
            deferred_bytes: 0,
            given_up: GivenUp::new(),
            repeats: Vec::new(),
        }
    }

    /// Holds a product's SKUs to those of the rows above. Returns the product unless it is refused.
    fn admit(&mut self, product: ImportedProduct) -> Option<ImportedProduct> {
        let mut repeats = Vec::new();
        let mut own = HashMap::new();
        for variant in &product.variants {
            let Some(sku) = variant.sku.value() else { continue };
            let hash = self.hasher.hash_one(text::fold(sku));
            match self.skus.get(&hash).or(own.get(&hash)) {
                Some(row) => repeats.push((variant.row, format!("{} is also the SKU of row {row}", excerpt(sku)))),
                None => drop(own.insert(hash, variant.row)),
            }
        }
        if self.importer.unique_skus && !repeats.is_empty() {
            let taken = |(row, what): &(u64, String)| self.importer.taken(*row, &product.handle, what);
            let errors = repeats.iter().map(taken).collect();
            self.refuse(&RefusedProduct { errors, source: product.source });
            return None;
        }
        for (row, detail) in repeats {
            self.watch.noted(Note { row, handle: product.handle.clone(), kind: NoteKind::RepeatedSku, detail });
        }
        self.handles.insert(self.hasher.hash_one(&product.handle));
        self.skus.extend(own);
        Some(product)
    }

    fn refuse(&mut self, refused: &RefusedProduct) {
        self.summary.refused += 1;
        self.watch.refused(refused);
    }

    fn refuse_for(&mut self, product: ImportedProduct, errors: Vec<RowError>) {
        self.refuse(&RefusedProduct { errors, source: product.source });
    }

    fn count(&mut self, product: ImportedProduct, written: Result<Upserted, UpsertError>) -> Result<(), Interrupted> {
        match written {
            Ok(Upserted { outcome, notes, holders, given_up }) => {
                self.count_outcome(outcome);
                self.given_up.extend(given_up);
                notes.into_iter().for_each(|note| self.watch.noted(note));
                for (note, holder) in holders {
                    let hash = self.hasher.hash_one(&holder.handle);
                    self.repeats.push((note, hash));
                }
            }
            Err(UpsertError::Refused(errors)) => self.refuse_for(product, errors),
            Err(UpsertError::Taken(_)) if self.deferred_bytes < IN_FLIGHT => {
                self.deferred_bytes += bytes(&product);
                self.deferred.push(product);
            }
            Err(UpsertError::Taken(holders)) => {
                let errors = self.importer.taken_by(&product, &holders);
                self.refuse_for(product, errors);
            }
            Err(UpsertError::Failed(error)) => {
                return Err(Interrupted { row: product.row, handle: product.handle, error });
            }
        }
        Ok(())
    }

    fn count_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.summary.created += 1,
            Outcome::Updated => self.summary.updated += 1,
            Outcome::Unchanged => self.summary.unchanged += 1,
        }
    }

    /// Writes the products that wait for SKUs of others.
    async fn exchange(&mut self) -> Result<(), Interrupted> {
        let waiting = std::mem::take(&mut self.deferred);
        let Some(first) = waiting.first() else { return Ok(()) };
        let (row, handle) = (first.row, first.handle.clone());
        let exchanged = self.importer.exchange(waiting, &self.given_up).await;
        let exchanged = exchanged.map_err(|error| Interrupted { row, handle, error })?;
        for (product, written) in exchanged {
            match written {
                Err(UpsertError::Taken(holders)) => {
                    let errors = self.importer.taken_by(&product, &holders);
                    self.refuse_for(product, errors);
                }
                written => self.count(product, written)?,
            }
        }
        Ok(())
    }

    /// Tells of SKUs that products have which are not in the file.
    fn tell_repeats(&mut self) {
        for (note, holder) in std::mem::take(&mut self.repeats) {
            if !self.handles.contains(&holder) {
                self.watch.noted(note);
            }
        }
    }
}
