//! Products of one file that give each other their SKUs, where a store takes each once. None of them can be written before the others:
//! those that wait for each other are written in one transaction.

use std::collections::{HashMap, HashSet};

use formats::dialect::Field;
use formats::{ImportedProduct, RowError};
use kernel::{Error, Uuid, text};

use super::Note;
use super::upsert::{Importer, Planned, TRIES, UpsertError, Upserted};
use crate::catalogue::store::SkuHolder;

/// SKUs, folded, that products of the file give up.
pub type GivenUp = HashSet<(Uuid, String)>;

/// What became of a product that had waited.
pub type Exchanged = (ImportedProduct, Result<Upserted, UpsertError>);

/// A product that waits for SKUs which others hold.
struct Waiting {
    product: ImportedProduct,
    planned: Planned,
    holders: Vec<SkuHolder>,
}

impl Waiting {
    /// The product in the store; of a new one, none.
    fn id(&self) -> Option<Uuid> {
        self.planned.before.as_ref().map(|before| before.product.id)
    }

    /// Whether it will have this SKU.
    fn will_hold(&self, key: &str) -> bool {
        let variants = &self.planned.merged.after.product.variants;
        variants.iter().any(|variant| variant.sku.as_deref().is_some_and(|sku| text::fold(sku) == key))
    }
}

impl Importer<'_> {
    /// Writes products that wait for SKUs of others. A product is refused if the holder of a SKU keeps it: because the file does not
    /// speak of the holder, leaves it the SKU, or is refused itself. With `dry_run`, only tells what would happen.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub(super) async fn exchange(
        &self,
        products: Vec<ImportedProduct>,
        given_up: &GivenUp,
    ) -> Result<Vec<Exchanged>, Error> {
        let (mut waiting, mut done) = (Vec::with_capacity(products.len()), Vec::new());
        for product in products {
            match self.wait(&product).await {
                Ok(Some((planned, holders))) => waiting.push(Waiting { product, planned, holders }),
                Ok(None) => done.push((product, Ok(Upserted::UNCHANGED))),
                Err(UpsertError::Failed(error)) => return Err(error),
                Err(error) => done.push((product, Err(error))),
            }
        }
        let kept = self.refuse_kept(&waiting, given_up);
        let mut circles: HashMap<usize, Vec<Waiting>> = HashMap::new();
        let joined = joined(&waiting, &kept);
        for (index, (one, kept)) in waiting.into_iter().zip(kept).enumerate() {
            match kept {
                Some(holders) => {
                    let errors = self.taken_by(&one.product, &holders);
                    done.push((one.product, Err(UpsertError::Refused(errors))));
                }
                None => circles.entry(joined[index]).or_default().push(one),
            }
        }
        for circle in circles.into_values() {
            done.extend(self.write_circle(circle).await?);
        }
        // In the order of the file.
        done.sort_by_key(|(product, _)| product.row);
        Ok(done)
    }

    async fn wait(&self, product: &ImportedProduct) -> Result<Option<(Planned, Vec<SkuHolder>)>, UpsertError> {
        let Some(planned) = self.plan(product).await? else { return Ok(None) };
        let holders = self.holders(&planned).await?;
        Ok(Some((planned, holders)))
    }

    /// For each product, the holders that keep a SKU which it wants. One that is refused keeps what it has, so others follow.
    fn refuse_kept(&self, waiting: &[Waiting], given_up: &GivenUp) -> Vec<Option<Vec<SkuHolder>>> {
        let places: HashMap<Uuid, usize> =
            waiting.iter().enumerate().filter_map(|(at, one)| Some((one.id()?, at))).collect();
        let mut kept: Vec<Option<Vec<SkuHolder>>> = waiting.iter().map(|_| None).collect();
        loop {
            let mut found = Vec::new();
            for (at, one) in waiting.iter().enumerate().filter(|(at, _)| kept[*at].is_none()) {
                let keeps = |holder: &&SkuHolder| match places.get(&holder.product_id) {
                    Some(place) => kept[*place].is_some() || waiting[*place].will_hold(&holder.key),
                    None => !given_up.contains(&(holder.product_id, holder.key.clone())),
                };
                let holders: Vec<SkuHolder> = one.holders.iter().filter(keeps).cloned().collect();
                if !holders.is_empty() {
                    found.push((at, holders));
                }
            }
            if found.is_empty() {
                return kept;
            }
            found.into_iter().for_each(|(at, holders)| kept[at] = Some(holders));
        }
    }

    /// Writes products that wait for each other: those that are there in one transaction, new ones after them.
    async fn write_circle(&self, mut circle: Vec<Waiting>) -> Result<Vec<Exchanged>, Error> {
        let mut done = Vec::with_capacity(circle.len());
        for _ in 0..TRIES {
            let (known, new): (Vec<Waiting>, Vec<Waiting>) = circle.into_iter().partition(|one| one.id().is_some());
            let written = self.write_known(known).await?;
            match written {
                Ok(written) => done.extend(written),
                Err(known) => {
                    // Somebody changed one of them meanwhile.
                    circle = Vec::with_capacity(known.len() + new.len());
                    for product in known.into_iter().chain(new.into_iter().map(|one| one.product)) {
                        match self.wait(&product).await {
                            Ok(Some((planned, holders))) => circle.push(Waiting { product, planned, holders }),
                            Ok(None) => done.push((product, Ok(Upserted::UNCHANGED))),
                            Err(UpsertError::Failed(error)) => return Err(error),
                            Err(error) => done.push((product, Err(error))),
                        }
                    }
                    continue;
                }
            }
            for Waiting { product, planned, .. } in new {
                let written = if self.options.dry_run { Ok(planned.told()) } else { self.upsert(&product).await };
                done.push((product, written));
            }
            return Ok(done);
        }
        for Waiting { product, .. } in circle {
            let errors = vec![self.contended(&product)];
            done.push((product, Err(UpsertError::Refused(errors))));
        }
        Ok(done)
    }

    /// The products again if one of them was not as it was read.
    async fn write_known(&self, known: Vec<Waiting>) -> Result<Result<Vec<Exchanged>, Vec<ImportedProduct>>, Error> {
        if self.options.dry_run {
            return Ok(Ok(known.into_iter().map(|one| (one.product, Ok(one.planned.told()))).collect()));
        }
        if known.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let (mut updates, mut waiting) = (Vec::with_capacity(known.len()), Vec::with_capacity(known.len()));
        for Waiting { product, mut planned, .. } in known {
            updates.push(self.update(&mut planned)?);
            waiting.push((product, planned));
        }
        match self.products.store.update(updates).await {
            Ok(Some(held)) => {
                let with_notes = |(product, mut planned): (ImportedProduct, Planned)| {
                    planned.note_held(&held);
                    (product, Ok(planned.told()))
                };
                Ok(Ok(waiting.into_iter().map(with_notes).collect()))
            }
            Ok(None) => Ok(Err(waiting.into_iter().map(|(product, _)| product).collect())),
            Err(error) if Self::may_succeed_after(&error) => {
                Ok(Err(waiting.into_iter().map(|(product, _)| product).collect()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The refusal of a product that others change as often as it is read.
    pub(super) fn contended(&self, product: &ImportedProduct) -> RowError {
        RowError {
            row: product.row,
            handle: product.handle.clone(),
            column: (self.column)(Field::Handle),
            detail: "the product was being edited or sold whenever it was to be written; import it again".to_owned(),
        }
    }
}

/// For each product the first of those that wait for each other, over however many others.
fn joined(waiting: &[Waiting], kept: &[Option<Vec<SkuHolder>>]) -> Vec<usize> {
    fn root(of: &mut [usize], mut at: usize) -> usize {
        while of[at] != at {
            of[at] = of[of[at]];
            at = of[at];
        }
        at
    }
    let places: HashMap<Uuid, usize> =
        waiting.iter().enumerate().filter_map(|(at, one)| Some((one.id()?, at))).collect();
    let mut of: Vec<usize> = (0..waiting.len()).collect();
    for (at, one) in waiting.iter().enumerate().filter(|(at, _)| kept[*at].is_none()) {
        for place in one.holders.iter().filter_map(|holder| places.get(&holder.product_id)) {
            let (one, other) = (root(&mut of, at), root(&mut of, *place));
            of[one.max(other)] = one.min(other);
        }
    }
    (0..waiting.len()).map(|at| root(&mut of, at)).collect()
}

/// What is told of a product that is written.
impl Planned {
    pub(super) fn told(mut self) -> Upserted {
        let notes: Vec<Note> = std::mem::take(&mut self.merged.notes);
        Upserted { outcome: self.outcome(), notes, holders: Vec::new(), given_up: Vec::new() }
    }
}
