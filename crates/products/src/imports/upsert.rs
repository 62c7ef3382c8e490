//! Bringing a file's products into the catalogue: created once, edited when the file says something new, left alone otherwise.

use std::collections::{HashMap, HashSet};

use effects::Effects;
use formats::dialect::Field;
use formats::{ImportedProduct, RowError};
use kernel::{Actor, Error, Uuid, text};
use stock::model::{Cause, ImportedStock};
use stock::store::RESERVED_RULE;
use storage::StoreError;

use super::merge::{MergeError, Merged, Present, held_back, merge};
use super::{Note, NoteKind, Options, Outcome, digest};
use crate::catalogue::Products;
use crate::catalogue::events::{self, CREATED};
use crate::catalogue::model::{Product, Stocked};
use crate::catalogue::store::{HANDLE_RULE, HeldBack, Insert, SKU_RULE, SkuHolder, Update};

/// How often a product that is edited meanwhile is read again.
pub const TRIES: usize = 5;

/// A product that arrived.
#[derive(Debug)]
pub struct Upserted {
    pub outcome: Outcome,
    pub notes: Vec<Note>,
    /// Of SKUs that other products have, with these.
    pub holders: Vec<(Note, SkuHolder)>,
    /// SKUs, folded, that the product had and has no more.
    pub given_up: Vec<(Uuid, String)>,
}

impl Upserted {
    pub const UNCHANGED: Self =
        Self { outcome: Outcome::Unchanged, notes: Vec::new(), holders: Vec::new(), given_up: Vec::new() };
}

/// Why one did not.
#[derive(Debug)]
pub enum UpsertError {
    Refused(Vec<RowError>),
    /// A SKU of its variants belongs to these, and this store takes each once.
    Taken(Vec<SkuHolder>),
    Failed(Error),
}

impl From<Error> for UpsertError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for UpsertError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<MergeError> for UpsertError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Refused(errors) => Self::Refused(errors),
            MergeError::Failed(error) => Self::Failed(error),
        }
    }
}

impl Products {
    /// Brings one product into the catalogue of `owner`, as a file would.
    ///
    /// # Errors
    /// `Invalid`, `Conflict` when it is refused; `Unavailable`, `Overloaded`.
    pub async fn import(&self, owner: Uuid, imported: &ImportedProduct, options: Options) -> Result<Upserted, Error> {
        let unique_skus = self.unique_skus().await?;
        let importer = Importer { products: self, owner, options, column: Box::new(|_| None), unique_skus };
        importer.upsert(imported).await.map_err(|error| match error {
            UpsertError::Refused(errors) => {
                let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Error::invalid("", "import", told.join("; "))
            }
            UpsertError::Taken(holders) => Error::conflict(
                importer.taken_by(imported, &holders).first().map_or(String::new(), ToString::to_string),
            ),
            UpsertError::Failed(error) => error,
        })
    }
}

/// What an import knows beside its products.
pub struct Importer<'i> {
    pub products: &'i Products,
    pub owner: Uuid,
    pub options: Options,
    /// The names of the file's columns.
    pub column: Box<dyn Fn(Field) -> Option<String> + Send + Sync>,
    /// Whether this store takes each SKU of an owner once.
    pub unique_skus: bool,
}

/// A product as it is to be written.
pub struct Planned {
    pub(super) merged: Merged,
    pub(super) before: Option<Stocked>,
    pub(super) rows: HashMap<Uuid, u64>,
}

impl Planned {
    pub(super) fn outcome(&self) -> Outcome {
        if self.before.is_some() { Outcome::Updated } else { Outcome::Created }
    }

    /// SKUs, folded, that the product has now and will not have.
    fn given_up(&self) -> Vec<(Uuid, String)> {
        let Some(before) = &self.before else { return Vec::new() };
        let skus = |product: &Product| -> HashSet<String> {
            product.variants.iter().filter_map(|variant| variant.sku.as_deref()).map(text::fold).collect()
        };
        let after = skus(&self.merged.after.product);
        let gone = skus(&before.product).into_iter().filter(|sku| !after.contains(sku));
        gone.map(|sku| (before.product.id, sku)).collect()
    }
}

impl Importer<'_> {
    /// Writes an imported product, in its own transaction. With `dry_run`, only tells what would happen.
    ///
    /// # Errors
    /// Why it is refused; `Unavailable`, `Overloaded`.
    pub async fn upsert(&self, imported: &ImportedProduct) -> Result<Upserted, UpsertError> {
        for _ in 0..TRIES {
            let Some(mut planned) = self.plan(imported).await? else {
                return Ok(Upserted::UNCHANGED);
            };
            let holders = self.repeated(imported, &planned).await?;
            let given_up = if self.unique_skus { planned.given_up() } else { Vec::new() };
            if self.options.dry_run || self.write(&mut planned).await? {
                return Ok(Upserted { holders, given_up, ..planned.told() });
            }
        }
        Err(UpsertError::Refused(vec![self.contended(imported)]))
    }

    /// What is to be written; nothing, if the file says what it said last time.
    pub(super) async fn plan(&self, imported: &ImportedProduct) -> Result<Option<Planned>, UpsertError> {
        let Options { currency, stock, .. } = self.options;
        // One that keeps its stock has not taken what the file says of it.
        let keeps_stock = stock == ImportedStock::Keep && imported.variants.iter().any(|v| v.quantity.is_some());
        let digest = digest::of(imported, currency, keeps_stock)?;
        let before = self.products.store.by_handle(self.owner, &imported.handle).await?;
        let known = before.as_ref().and_then(|before| before.product.import_digest.as_ref());
        if known == Some(&digest) && stock != ImportedStock::Set {
            return Ok(None);
        }
        let first = match known {
            Some(known) => digest::of_first_release(imported, currency)?.filter(|first| first == known),
            None => None,
        };
        let newer = before.as_ref().filter(|_| first.is_some()).map(|before| {
            let mut newer = digest::without_first_release(imported.clone());
            let options = |values: &[String]| before.product.variants.iter().any(|v| v.option_values == values);
            // One that was deleted since stays away.
            newer.variants.retain(|variant| options(&variant.option_values));
            newer
        });
        let imported = newer.as_ref().unwrap_or(imported);
        let last = match &before {
            Some(before) if imported.variants.iter().any(|variant| variant.quantity.is_some()) => {
                let was_imported = before.product.import_digest.is_some();
                self.products.store.imported(before.product.id, was_imported).await?.into_iter().collect()
            }
            _ => HashMap::new(),
        };
        let present = Present {
            owner: self.owner,
            before: before.as_ref(),
            last: &last,
            options: &self.options,
            now: self.products.context.now(),
            column: &*self.column,
        };
        let mut merged = merge(imported, &present, || self.products.context.id_for(self.owner))?;
        if let Some(before) = before.as_ref().filter(|_| known == Some(&digest)) {
            // Only the stock is set anew: edits since the last import stand.
            keep_edits(&mut merged, before);
            if merged.after.stock == before.stock {
                return Ok(None);
            }
        }
        merged.after.product.import_digest = Some(digest);
        let ids = merged.after.product.variants.iter().map(|variant| variant.id);
        let rows = ids.zip(&merged.rows).filter_map(|(id, row)| Some((id, (*row)?))).collect();
        Ok(Some(Planned { merged, before, rows }))
    }

    /// Whether the product was written; it was not if somebody changed it meanwhile.
    async fn write(&self, planned: &mut Planned) -> Result<bool, UpsertError> {
        let written = match &planned.before {
            None => self.insert(planned).await,
            Some(_) => self.products.store.update(vec![self.update(planned)?]).await,
        };
        match written {
            Ok(None) => Ok(false),
            Ok(Some(held)) => {
                planned.note_held(&held);
                Ok(true)
            }
            Err(error) if Self::may_succeed_after(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn insert(&self, planned: &mut Planned) -> Result<Option<Vec<HeldBack>>, StoreError> {
        let (cause, merged) = (self.cause(), &mut planned.merged);
        let statement = |error: Error| StoreError::Statement(error.to_string());
        let id = self.products.context.id_for(self.owner).map_err(statement)?;
        let event = events::event(CREATED, id, &merged.after, cause.actor, cause.time, None).map_err(statement)?;
        let insert = Insert::new(merged.after.clone(), cause, Effects::event(event));
        let insert = insert.imported(std::mem::take(&mut merged.quantities));
        self.products.store.insert(insert).await.map(|_| Some(Vec::new()))
    }

    pub(super) fn update(&self, planned: &mut Planned) -> Result<Update, Error> {
        let (cause, merged) = (self.cause(), &mut planned.merged);
        let before = planned.before.as_ref().map(|before| &before.product);
        let was_imported = before.is_some_and(|before| before.import_digest.is_some());
        Ok(Update {
            expected: before.map_or(0, |before| before.version),
            stock: merged.stock_edit(self.options.stock, was_imported),
            effects: self.products.update_effects(before, &merged.after, &cause, None, None)?,
            stocked: merged.after.clone(),
            cause,
        })
    }

    fn cause(&self) -> Cause {
        let now = self.products.context.now();
        Cause { actor: Actor::Account(self.owner), reason: Some("import".into()), reference: None, time: now }
    }

    /// Whether the same may succeed once it is planned anew.
    pub(super) fn may_succeed_after(error: &StoreError) -> bool {
        // Somebody made a product of this handle, took a SKU, or a buyer came, since it was looked for.
        let met = [HANDLE_RULE, SKU_RULE, RESERVED_RULE].iter().any(|rule| error.is_conflict_on(rule));
        met || matches!(error, StoreError::Undone(_))
    }
}

impl Planned {
    /// What a stock did not take is known when it is written: what was found before is told no more.
    pub(super) fn note_held(&mut self, held: &[HeldBack]) {
        let Merged { after, notes, .. } = &mut self.merged;
        notes.retain(|note| note.kind != NoteKind::HeldBack);
        for HeldBack { variant_id, wanted, on_hand } in held {
            let Some(row) = self.rows.get(variant_id).copied() else { continue };
            let detail = held_back(*wanted, *on_hand);
            notes.push(Note { row, handle: after.product.handle.clone(), kind: NoteKind::HeldBack, detail });
        }
    }
}

/// The product as it is, with the stock that the file wants.
fn keep_edits(merged: &mut Merged, before: &Stocked) {
    let quantities: HashMap<Uuid, Option<i64>> =
        merged.after.product.variants.iter().map(|variant| variant.id).zip(merged.quantities.iter().copied()).collect();
    let stock: HashMap<Uuid, i64> = merged.after.stock.iter().map(|stock| (stock.variant_id, stock.on_hand)).collect();
    let (version, updated_at) = (merged.after.product.version, merged.after.product.updated_at);
    let mut after = before.clone();
    for stock_after in &mut after.stock {
        stock_after.on_hand = stock.get(&stock_after.variant_id).copied().unwrap_or(stock_after.on_hand);
    }
    merged.quantities =
        after.product.variants.iter().map(|variant| quantities.get(&variant.id).copied().flatten()).collect();
    for (variant, stock) in after.product.variants.iter_mut().zip(&after.stock) {
        variant.in_stock = variant.is_in_stock(stock);
    }
    (after.product.version, after.product.updated_at) = (version, updated_at);
    merged.after = after;
}
