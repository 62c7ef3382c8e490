//! Many changes in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use effects::Effects;
use effects::idempotency::{Answer, Answered, Claim, Repeat, claimed, never_too_large};
use kernel::error::Needed;
use kernel::{Caller, Error, Expected, Principal, Uuid};
use stock::model::{Adjustment, Mode};
use stock::store::{Applied, Op, Sale, StockRefusal, VariantAdjustment};

use super::edit::contended;
use super::{Products, refused};
use crate::catalogue::model::{Patch, Status, Stocked, VariantPatch};
use crate::catalogue::store::{StockEdit, Update};

/// Products that a batch edits in turn with others, at most.
const IN_TURN: usize = 8;
/// Products that are read at a time.
const READ_AT_ONCE: usize = 50;
/// Text of the products of a batch, which are in memory together.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// What is wanted of one variant or product; an error, if that breaks the rules by itself.
#[derive(Debug, Clone)]
pub struct Item<C> {
    pub id: Uuid,
    pub expected: Expected,
    pub change: Result<C, Error>,
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Of each item, in their order: the version of its product, or why it was refused.
    pub items: Vec<(Uuid, Result<i64, Error>)>,
    /// Nothing was done, because some items were refused.
    pub refused: bool,
}

/// The status and body that answer a batch; kept with the idempotency key.
pub type RenderBatch = Arc<dyn Fn(&Outcome) -> (u16, Bytes) + Send + Sync>;

impl Products {
    /// Changes the units on hand of variants that the caller manages, at most once per key.
    ///
    /// # Errors
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`, `Unavailable`; refusals of items are in the answer.
    pub async fn change_stocks(
        &self,
        caller: Caller,
        mode: Mode,
        items: Vec<Item<Adjustment>>,
        repeat: Option<Repeat>,
        render: RenderBatch,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let change = async move {
            let write = |claim| this.change_stocks_once(&caller, mode, items, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(change).await
    }

    async fn change_stocks_once(
        &self,
        caller: &Caller,
        mode: Mode,
        items: Vec<Item<Adjustment>>,
        claim: Option<Claim>,
        render: RenderBatch,
    ) -> Result<Answer, Error> {
        let sales = self.sales_of(&items).await?;
        let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        let (mut outcomes, mut adjustments, mut places) = (Vec::with_capacity(ids.len()), Vec::new(), Vec::new());
        for (place, item) in items.into_iter().enumerate() {
            let sale = managed(&caller.principal, sales.get(&item.id));
            outcomes.push(match (sale, item.change) {
                (Err(error), _) | (_, Err(error)) => Err(error),
                (Ok(sale), Ok(adjustment)) => {
                    places.push(place);
                    adjustments.push(VariantAdjustment { variant: item.id, adjustment, expected: item.expected });
                    Ok(sale.version)
                }
            });
        }
        let outcome = move |refused: &[(usize, StockRefusal)]| {
            let mut outcomes = outcomes.clone();
            for (place, refusal) in refused {
                // The store numbers the adjustments that it was given, each of which has its place.
                outcomes[places[*place]] = Err(stock::refused(refusal.clone(), |_| None));
            }
            Outcome::new(&ids, outcomes, mode)
        };
        let before = outcome(&[]);
        if before.refused || adjustments.is_empty() {
            return self.answer_without_change(&before, claim, &render).await;
        }
        let answered = {
            let (outcome, render, claim) = (outcome.clone(), Arc::clone(&render), claim.clone());
            move |done: &Applied| Some(answer(&outcome(&done.refused), &render).under(claim.clone()?))
        };
        let op = Op::Adjust { adjustments, mode };
        let cause = self.stock.cause(caller, None);
        match self.stock.write_stock(op, cause, caller.request_id.clone(), None, answered).await? {
            Ok(done) => Ok(answer(&outcome(&done.refused), &render)),
            Err(StockRefusal::Several(refused)) => self.answer_without_change(&outcome(&refused), claim, &render).await,
            Err(refusal) => Err(stock::refused(refusal, |_| None)),
        }
    }

    /// Changes the prices of variants that the caller manages, at most once per key.
    ///
    /// # Errors
    /// As [`Products::change_stocks`]; `Overloaded` when edits keep meeting others.
    pub async fn change_prices(
        &self,
        caller: Caller,
        mode: Mode,
        items: Vec<Item<VariantPatch>>,
        repeat: Option<Repeat>,
        render: RenderBatch,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let change = async move {
            let write = async |claim| {
                let sales = this.sales_of(&items).await?;
                let edit = |item: Item<VariantPatch>| ProductEdit {
                    id: item.id,
                    product: sales.get(&item.id).map(|sale| sale.product_id),
                    expected: item.expected,
                    apply: item
                        .change
                        .map(|prices| -> Apply { Box::new(move |product| prices.apply_in(product, item.id)) }),
                };
                this.edit_all(&caller, mode, items.into_iter().map(edit).collect(), claim, render).await
            };
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(change).await
    }

    /// Changes the status of products that the caller manages, at most once per key.
    ///
    /// # Errors
    /// As [`Products::change_prices`].
    pub async fn change_statuses(
        &self,
        caller: Caller,
        mode: Mode,
        items: Vec<Item<Status>>,
        repeat: Option<Repeat>,
        render: RenderBatch,
    ) -> Result<Answer, Error> {
        let edit = |item: Item<Status>| ProductEdit {
            id: item.id,
            product: Some(item.id),
            expected: item.expected,
            apply: item.change.map(|status| -> Apply {
                let patch = Patch { status: Some(status), ..Patch::default() };
                Box::new(move |product| {
                    *product = patch.apply(product)?;
                    Ok(())
                })
            }),
        };
        let edits = items.into_iter().map(edit).collect();
        let this = self.clone();
        let change = async move {
            let write = |claim| this.edit_all(&caller, mode, edits, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(change).await
    }

    /// Applies edits to products as they are, which may change meanwhile.
    async fn edit_all(
        &self,
        caller: &Caller,
        mode: Mode,
        edits: Vec<ProductEdit>,
        claim: Option<Claim>,
        render: RenderBatch,
    ) -> Result<Answer, Error> {
        let mut products: Vec<Uuid> = edits.iter().filter_map(|edit| edit.product).collect();
        products.sort_unstable();
        products.dedup();
        let ids: Vec<Uuid> = edits.iter().map(|edit| edit.id).collect();
        // Many would hold up the edits of everybody: they meet others at the versions.
        let alone: &[Uuid] = if products.len() <= IN_TURN { &products } else { &[] };
        let mut turn = self.turns.take_all(alone).await;
        while turn.goes_on().await {
            let mut present = self.present(&products).await?;
            let applied: Vec<_> = edits.iter().map(|edit| edit.apply(&caller.principal, &mut present)).collect();
            let version = |product: Uuid| present.get(&product).map_or(0, Present::version);
            let outcomes = applied.into_iter().map(|applied| applied.map(version)).collect();
            let outcome = Outcome::new(&ids, outcomes, mode);
            let changed: Vec<Present> = present.into_values().filter(Present::is_changed).collect();
            if outcome.refused || changed.is_empty() {
                return self.answer_without_change(&outcome, claim, &render).await;
            }
            let answer = answer(&outcome, &render);
            let mut answered = claim.clone().map(|claim| answer.clone().under(claim));
            let updates = changed.into_iter().map(|present| self.update_of(caller, present, answered.take()));
            match self.store.update(updates.collect::<Result<_, _>>()?).await.map_err(refused)? {
                Some(_) => return Ok(answer),
                None => continue,
            }
        }
        Err(contended())
    }

    async fn present(&self, products: &[Uuid]) -> Result<HashMap<Uuid, Present>, Error> {
        let (mut found, mut bytes) = (Vec::with_capacity(products.len()), 0);
        for some in products.chunks(READ_AT_ONCE) {
            let some = self.store.get_all(some).await?;
            bytes += some.iter().map(|found| found.product.text_bytes()).sum::<usize>();
            if bytes > MAX_BATCH_BYTES {
                let detail =
                    format!("the products have more than {} MiB of text: send fewer items", MAX_BATCH_BYTES >> 20);
                return Err(Error::invalid("items", "length", detail));
            }
            found.extend(some);
        }
        let public: HashSet<Uuid> =
            found.iter().filter(|found| found.is_public()).map(|found| found.product.id).collect();
        let stocked = self.with_stock(found.into_iter().map(|found| found.product).collect()).await?;
        let present = |before: Stocked| {
            let id = before.product.id;
            (id, Present { is_public: public.contains(&id), after: before.clone(), before })
        };
        Ok(stocked.into_iter().map(present).collect())
    }

    fn update_of(&self, caller: &Caller, present: Present, answered: Option<Answered>) -> Result<Update, Error> {
        let (cause, version) = (self.stock.cause(caller, None), present.version());
        let Present { before, after: mut stocked, .. } = present;
        (stocked.product.version, stocked.product.updated_at) = (version, cause.time);
        let effects =
            self.update_effects(Some(&before.product), &stocked, &cause, caller.request_id.clone(), answered)?;
        Ok(Update { stocked, expected: before.product.version, stock: StockEdit::Keep, cause, effects })
    }

    async fn sales_of<C>(&self, items: &[Item<C>]) -> Result<BTreeMap<Uuid, Sale>, Error> {
        let variants: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        Ok(self.stock.store.sales(&variants).await?.into_iter().map(|sale| (sale.variant_id, sale)).collect())
    }

    /// Keeps the answer, if it is final.
    async fn answer_without_change(
        &self,
        outcome: &Outcome,
        claim: Option<Claim>,
        render: &RenderBatch,
    ) -> Result<Answer, Error> {
        let answer = answer(outcome, render);
        // Nothing was done: who repeats what has a long answer is answered anew.
        if let Some(claim) = claim.filter(|_| outcome.is_final() && answer.is_small()) {
            let effects = Effects { answered: Some(answer.clone().under(claim)), ..Effects::default() };
            effects.write(&self.database).await.map_err(claimed)?;
        }
        Ok(answer)
    }
}

/// Changes a product, or leaves it as it was.
type Apply = Box<dyn Fn(&mut Stocked) -> Result<(), Error> + Send + Sync>;

/// An item of a batch that edits products.
struct ProductEdit {
    id: Uuid,
    /// None where its variant is not there.
    product: Option<Uuid>,
    expected: Expected,
    apply: Result<Apply, Error>,
}

/// A product before a batch and after it.
struct Present {
    before: Stocked,
    after: Stocked,
    is_public: bool,
}

impl ProductEdit {
    /// Applies it, and returns its product.
    fn apply(&self, caller: &Principal, present: &mut HashMap<Uuid, Present>) -> Result<Uuid, Error> {
        let present = self.product.and_then(|product| present.get_mut(&product)).ok_or(Error::NotFound)?;
        may_manage(caller, present.before.product.owner_id, present.is_public)?;
        let apply = self.apply.as_ref().map_err(Error::clone)?;
        self.expected.check(present.before.product.version)?;
        apply(&mut present.after)?;
        Ok(present.before.product.id)
    }
}

impl Present {
    fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// The version that the product has afterwards.
    fn version(&self) -> i64 {
        self.before.product.version + i64::from(self.is_changed())
    }
}

impl Outcome {
    fn new(ids: &[Uuid], outcomes: Vec<Result<i64, Error>>, mode: Mode) -> Self {
        let refused = mode == Mode::All && outcomes.iter().any(Result::is_err);
        Self { items: ids.iter().copied().zip(outcomes).collect(), refused }
    }

    /// Whether the same batch would be answered the same again, as that of a single request is: what was done, or refused for good.
    fn is_final(&self) -> bool {
        let for_good = |error: &Error| matches!(error, Error::NotFound | Error::Conflict(_));
        !self.refused || self.items.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).all(for_good)
    }
}

fn answer(outcome: &Outcome, render: &RenderBatch) -> Answer {
    let (status, body) = render(outcome);
    Answer::new(status, body, String::new(), 0).stored_whole()
}

fn managed<'s>(caller: &Principal, sale: Option<&'s Sale>) -> Result<&'s Sale, Error> {
    let sale = sale.ok_or(Error::NotFound)?;
    may_manage(caller, sale.owner_id, sale.is_for_sale()).map(|()| sale)
}

fn may_manage(caller: &Principal, owner: Uuid, is_public: bool) -> Result<(), Error> {
    if caller.may_manage(owner) {
        return Ok(());
    }
    Err(if is_public { Error::Forbidden(Needed::Owner) } else { Error::NotFound })
}
