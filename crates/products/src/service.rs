//! Use cases of the catalogue. They know nothing of HTTP: refusals are kernel errors, answers are rendered by the caller.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kernel::error::Error;
use kernel::{Actor, Currency, Principal, Uuid, text};
use platform::Context;
use platform::db::{Database, Effects, EffectsOf, StoreError, events as log, idempotency as claims};
use platform::idempotency::{Answered, Claim, InFlight, Stored};
use platform::tasks::WriteTasks;

use crate::events::{self, CREATED, DELETED, UPDATED};
use crate::model::{
    ChangedStock, Edit, MAX_HANDLE, MAX_STOCK, NewProduct, Product, Status, Stock, StockChange, Stocked, Variant,
};
use crate::store::{self, Insert, PageQuery, RESERVED_RULE, Store};

/// An edit that meets other edits of the same product starts over this often before it gives up.
const EDIT_TRIES: usize = 16;

/// The catalogue.
#[derive(Clone)]
pub struct Products {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) database: Database,
    pub(crate) context: Context,
    pub(crate) currency: Currency,
    tasks: WriteTasks,
    in_flight: InFlight,
}

/// Who acts, and under which request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub request_id: Option<String>,
}

/// A finished answer of a write that may be repeated.
pub struct Answer {
    pub body: Bytes,
    pub replayed: bool,
}

/// How a created product is answered. Kept with the idempotency key, so it must depend on nothing but the product.
pub type Render = fn(&Stocked) -> Bytes;

impl Products {
    pub fn new(database: Database, context: Context, tasks: WriteTasks, currency: Currency) -> Self {
        let store = store::open(&database);
        Self { store, database, context, currency, tasks, in_flight: InFlight::default() }
    }

    /// The currency of clients and files that name none.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The product with its stock, for those who may manage it.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unavailable`.
    pub async fn managed(&self, caller: &Principal, id: Uuid) -> Result<Stocked, Error> {
        let stocked = self.store.get_stocked(id).await?.ok_or(Error::NotFound)?;
        if caller.may_manage(stocked.product.owner_id) { Ok(stocked) } else { Err(Error::Forbidden) }
    }

    /// The product, if anyone may see it or `caller` manages it.
    ///
    /// # Errors
    /// `NotFound` also when it is invisible to the caller; `Unavailable`.
    pub async fn visible(&self, caller: Option<&Principal>, id: Uuid) -> Result<Product, Error> {
        let product = self.store.get(id).await?.ok_or(Error::NotFound)?;
        let managed = caller.is_some_and(|caller| caller.may_manage(product.owner_id));
        if product.status == Status::Active || managed { Ok(product) } else { Err(Error::NotFound) }
    }

    /// A page by number with the units on hand of each product, and the total.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn page(&self, query: PageQuery) -> Result<(Vec<(Product, i64)>, i64), Error> {
        let (products, total) = self.store.page(query).await?;
        let ids: Vec<Uuid> = products.iter().map(|product| product.id).collect();
        let mut units: HashMap<Uuid, i64> = HashMap::with_capacity(ids.len());
        for (product, stock) in self.store.stock_of(&ids).await? {
            *units.entry(product).or_default() += stock.on_hand;
        }
        let with_units = |product: Product| {
            let units = units.get(&product.id).copied().unwrap_or(0);
            (product, units)
        };
        Ok((products.into_iter().map(with_units).collect(), total))
    }

    /// Creates a draft with one variant, at most once per claim.
    ///
    /// # Errors
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`, `Unavailable`, `Overloaded`.
    pub async fn create(
        &self,
        caller: Caller,
        new: NewProduct,
        claim: Option<Claim>,
        render: Render,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        self.tasks.run(async move { this.create_once(&caller, new, claim, render).await }).await
    }

    async fn create_once(
        &self,
        caller: &Caller,
        new: NewProduct,
        claim: Option<Claim>,
        render: Render,
    ) -> Result<Answer, Error> {
        let _held = claim.as_ref().map(|claim| self.in_flight.hold(claim)).transpose()?;
        if let Some(claim) = &claim
            && let Some(stored) = self.database.answered(claim).await?
        {
            return self.replay(stored.check(claim)?, render).await;
        }
        let draft = self.draft(&caller.principal, new)?;
        let effects = self.creation(&draft, caller, claim.as_ref(), render)?;
        let (this, caller, claim) = (self.clone(), caller.clone(), claim.clone());
        let otherwise = move |draft: &mut Stocked| {
            draft.product.handle = distinct_handle(&draft.product);
            let effects = this.creation(draft, &caller, claim.as_ref(), render);
            effects.map_err(|error| StoreError::Statement(error.to_string()))
        };
        let insert = Insert { stocked: draft, effects, otherwise: Some(Box::new(otherwise)) };
        match self.store.insert(insert).await {
            Ok(created) => Ok(Answer { body: render(&created), replayed: false }),
            Err(error) if error.is_conflict_on(claims::CONFLICT) => Err(Error::IdempotencyInFlight),
            Err(error) => Err(error.into()),
        }
    }

    /// What is written with a new product.
    fn creation(
        &self,
        created: &Stocked,
        caller: &Caller,
        claim: Option<&Claim>,
        render: Render,
    ) -> Result<Effects, Error> {
        let answered = claim.map(|claim| Answered {
            claim: claim.clone(),
            status: 201,
            body: render(created),
            subject: events::subject(created.product.id),
            version: created.product.version,
        });
        Ok(Effects { events: vec![self.event(CREATED, created, caller)?], answered })
    }

    async fn replay(&self, stored: Stored, render: Render) -> Result<Answer, Error> {
        let body = match stored.body {
            Some(body) => body.into(),
            None => {
                let event = log::at_version(&self.database, &stored.subject, stored.version).await?;
                let event = event.ok_or_else(|| Error::Internal(format!("{} has no event", stored.subject)))?;
                render(&events::stocked_in(&event)?)
            }
        };
        Ok(Answer { body, replayed: true })
    }

    /// Edits a product that the caller manages.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; `Invalid` when a product of several variants has no such field as a whole; `Conflict` when the
    /// stock would fall below what is reserved, or edits keep meeting others; `Unavailable`.
    pub async fn edit(&self, caller: Caller, id: Uuid, edit: Edit) -> Result<Stocked, Error> {
        let this = self.clone();
        self.tasks.run(async move { this.edit_once(&caller, id, edit).await }).await
    }

    async fn edit_once(&self, caller: &Caller, id: Uuid, edit: Edit) -> Result<Stocked, Error> {
        for _ in 0..EDIT_TRIES {
            let before = self.managed(&caller.principal, id).await?;
            let (mut after, set_stock) = edit.clone().apply(&before).map_err(|field| {
                Error::invalid(
                    field,
                    "several-variants",
                    format!("A product of several variants has no single {field}"),
                )
            })?;
            if after == before {
                return Ok(before);
            }
            let expected = before.product.version;
            after.product.version = expected + 1;
            after.product.updated_at = self.context.now();
            let effects =
                self.update_effects(&after, Actor::Account(caller.principal.account_id), caller.request_id.clone())?;
            match self.store.update(after.clone(), expected, set_stock, effects).await {
                Ok(true) => return Ok(after),
                Ok(false) => continue,
                Err(error) if error.is_conflict_on(RESERVED_RULE) => {
                    return Err(Error::Conflict("The stock would fall below what is reserved".into()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict("The product is being edited by others; try again".into()))
    }

    /// Sets or adjusts the units on hand of a variant that the caller manages.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; `Invalid` beyond what a stock can be; `Conflict` when less would be left than is reserved;
    /// `Unavailable`.
    pub async fn change_stock(&self, caller: Caller, variant: Uuid, change: StockChange) -> Result<Stock, Error> {
        let this = self.clone();
        self.tasks.run(async move { this.change_stock_once(caller, variant, change).await }).await
    }

    async fn change_stock_once(&self, caller: Caller, variant: Uuid, change: StockChange) -> Result<Stock, Error> {
        let (StockChange::Set(number) | StockChange::Adjust(number)) = change;
        let lowest = if matches!(change, StockChange::Set(_)) { 0 } else { -MAX_STOCK };
        if !(lowest..=MAX_STOCK).contains(&number) {
            return Err(Error::invalid("stock", "range", format!("must be from {lowest} to {MAX_STOCK}")));
        }
        let owner = self.store.owner_of(variant).await?.ok_or(Error::NotFound)?;
        if !caller.principal.may_manage(owner) {
            return Err(Error::Forbidden);
        }
        let (this, actor) = (self.clone(), Actor::Account(caller.principal.account_id));
        let effects = Box::new(move |changed: &ChangedStock| {
            let event = this.stock_event(changed, actor, caller.request_id.as_deref());
            event.map(Effects::event).map_err(|error| StoreError::Statement(error.to_string()))
        });
        match self.store.change_stock(variant, change, effects).await {
            Ok(changed) => changed.map(|changed| changed.stock).ok_or(Error::NotFound),
            Err(error) if error.is_conflict_on(RESERVED_RULE) => {
                Err(Error::Conflict("The stock would fall below what is reserved, or rise beyond its limit".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a product that the caller manages.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Conflict` when edits keep coming between, `Unavailable`.
    pub async fn delete(&self, caller: Caller, id: Uuid) -> Result<(), Error> {
        let this = self.clone();
        self.tasks.run(async move { this.delete_once(&caller, id).await }).await
    }

    async fn delete_once(&self, caller: &Caller, id: Uuid) -> Result<(), Error> {
        for _ in 0..EDIT_TRIES {
            let mut deleted = self.managed(&caller.principal, id).await?;
            let expected = deleted.product.version;
            deleted.product.version += 1;
            let effects = Effects::event(self.event(DELETED, &deleted, caller)?);
            if self.store.delete(id, expected, effects).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict("The product is being edited by others; try again".into()))
    }

    fn draft(&self, owner: &Principal, new: NewProduct) -> Result<Stocked, Error> {
        let id = self.context.id_for(owner.account_id)?;
        let now = self.context.now();
        let variant = Variant {
            id: self.context.id_for(owner.account_id)?,
            sku: None,
            barcode: None,
            option_values: Vec::new(),
            price: new.price,
            compare_at_price: None,
            in_stock: new.stock > 0,
        };
        let stock = Stock { variant_id: variant.id, on_hand: new.stock, reserved: 0 };
        let mut product = Product {
            id,
            owner_id: owner.account_id,
            handle: text::slug(&new.name, MAX_HANDLE - 40),
            name: new.name,
            description: new.description,
            category: new.category,
            tags: Vec::new(),
            vendor: None,
            status: Status::Draft,
            currency: self.currency,
            option_names: Vec::new(),
            images: Vec::new(),
            variants: vec![variant],
            version: 1,
            created_at: now,
            updated_at: now,
            import_digest: None,
        };
        if product.handle.is_empty() {
            product.handle = distinct_handle(&product);
        }
        Ok(Stocked { product, stock: vec![stock] })
    }

    /// What is written with an edit: its own event, and one for each stock that it sets.
    pub(crate) fn update_effects(
        &self,
        after: &Stocked,
        actor: Actor,
        request_id: Option<String>,
    ) -> Result<EffectsOf<Vec<ChangedStock>>, Error> {
        let id = self.context.id_for(after.product.owner_id)?;
        let edited = events::event(UPDATED, id, after, actor, self.context.now(), request_id.as_deref())?;
        let this = self.clone();
        Ok(Box::new(move |changed| {
            let stock = changed.iter().map(|changed| this.stock_event(changed, actor, request_id.as_deref()));
            let events = std::iter::once(Ok(edited)).chain(stock).collect::<Result<_, _>>();
            let events = events.map_err(|error| StoreError::Statement(error.to_string()))?;
            Ok(Effects { events, answered: None })
        }))
    }

    fn stock_event(
        &self,
        changed: &ChangedStock,
        actor: Actor,
        request_id: Option<&str>,
    ) -> Result<kernel::Event, Error> {
        events::stock_event(self.context.id_for(changed.owner_id)?, changed, actor, self.context.now(), request_id)
    }

    fn event(&self, kind: &'static str, stocked: &Stocked, caller: &Caller) -> Result<kernel::Event, Error> {
        let actor = Actor::Account(caller.principal.account_id);
        let id = self.context.id_for(stocked.product.owner_id)?;
        events::event(kind, id, stocked, actor, self.context.now(), caller.request_id.as_deref())
    }
}

fn distinct_handle(product: &Product) -> String {
    match product.handle.as_str() {
        "" => product.id.to_string(),
        handle => format!("{handle}-{}", product.id),
    }
}
