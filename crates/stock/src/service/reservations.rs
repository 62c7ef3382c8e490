//! Units that are kept for buyers, for a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use effects::idempotency::{Answer, Claim, Render, Repeat, never_too_large};
use kernel::{Actor, Caller, Error, Uuid, Violation};
use platform::scan::BoundedScan;
use platform::telemetry::Recurring;
use platform::telemetry::metrics::{Reservations, metrics};

use super::StockService;
use crate::events;
use crate::model::{Basket, Cause, End, Goods, HeldLine, Line, Reservation, Shortage, State, check_ttl};
use crate::service::adjust::refused;
use crate::store::{Applied, Op, Sale, StockRefusal};

/// Reservations whose units are taken back one after the other before others get a turn.
const BATCH: i64 = 100;
/// How often it is looked for those whose time is over.
const EVERY: Duration = Duration::from_millis(500);

impl StockService {
    /// Keeps the units of all lines for the caller, or of none; at most once per key.
    ///
    /// # Errors
    /// `Invalid` when the lines are of several sellers; `ReferenceNotFound` when variants are not for sale; `InsufficientStock`;
    /// `IdempotencyInFlight`, `IdempotencyKeyReused`, `Overloaded`, `Unavailable`.
    pub async fn hold(
        &self,
        caller: Caller,
        lines: Vec<Line>,
        ttl: i64,
        repeat: Option<Repeat>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        let basket = Basket::check(lines.clone(), ttl)?;
        let this = self.clone();
        let hold = async move {
            let write = |claim| this.hold_once(caller, &lines, basket, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(hold).await
    }

    async fn hold_once(
        &self,
        caller: Caller,
        lines: &[Line],
        basket: Basket,
        claim: Option<Claim>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        let (owner, goods) = self.seller(lines, &basket).await?;
        let now = self.context.now();
        let reservation = Reservation {
            id: self.context.id_for(owner)?,
            account_id: caller.principal.account_id,
            owner_id: owner,
            state: State::Held,
            lines: basket.lines.into_iter().map(HeldLine::from).collect(),
            goods,
            ttl: basket.ttl,
            counts_beyond: false,
            expires_at: now.after(Duration::from_secs(u64::try_from(basket.ttl).unwrap_or(0))),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let seller = self.sellers.name(owner).await;
        let answer = move |held: &Reservation| {
            Answer::new(201, render(held, seller.as_deref()), events::reservation_subject(held.id), held.version)
                .stored_whole()
        };
        let answered = {
            let answer = answer.clone();
            move |done: &Applied| Some(answer(done.reservation.as_ref()?).under(claim.clone()?))
        };
        let cause = Cause { reference: Some(reservation.id), ..self.cause(&caller, None) };
        let op = Op::Hold(reservation);
        let done = self.write_stock(op, cause, caller.request_id, Some("reservation.held"), answered).await?;
        let outcomes = &metrics().inventory.reservations;
        match done {
            Ok(done) => {
                outcomes.count(Reservations::Held);
                done.reservation.as_ref().map(answer).ok_or(Error::NotFound)
            }
            Err(refusal) => {
                outcomes.count(Reservations::Refused);
                Err(self.too_many(refusal, lines).await)
            }
        }
    }

    /// The refusal of a basket. Of which lines there are too few units everyone learns; how many there are, if the seller lets them.
    async fn too_many(&self, mut refusal: StockRefusal, lines: &[Line]) -> Error {
        let mut short = Vec::new();
        // The store knows them in an order of its own.
        match &mut refusal {
            StockRefusal::Shortage(Shortage::Short(lacking)) => {
                lacking.sort_by_key(|(variant, _)| number(lines, *variant));
                short.clone_from(lacking);
            }
            StockRefusal::Shortage(Shortage::Unknown(variants)) => {
                variants.sort_by_key(|variant| number(lines, *variant))
            }
            _ => {}
        }
        let mut error = refused(refusal, |variant| place(lines, variant));
        if let Error::InsufficientStock(violations) = &mut error {
            let variants: Vec<Uuid> = short.iter().map(|(variant, _)| *variant).collect();
            // Without an answer nothing is told.
            let shown = self.store.showing_available(&variants).await.unwrap_or_default();
            for (violation, (variant, available)) in violations.iter_mut().zip(short) {
                if shown.contains(&variant) {
                    violation.more().available = Some(available);
                }
            }
        }
        error
    }

    /// The one seller of all lines, whose products are for sale, and what these are.
    async fn seller(&self, lines: &[Line], basket: &Basket) -> Result<(Uuid, Vec<Goods>), Error> {
        let mut variants: Vec<Uuid> = basket.lines.iter().map(|line| line.variant_id).collect();
        variants.sort_by_key(|variant| number(lines, *variant));
        let sales = self.store.sales(&variants).await?;
        let mut sales: BTreeMap<Uuid, _> = sales.into_iter().map(|sale| (sale.variant_id, sale)).collect();
        let (mut owner, mut goods) = (None, Vec::with_capacity(variants.len()));
        let (mut absent, mut foreign) = (Vec::new(), Vec::new());
        for variant in variants {
            let Some(sale) = sales.remove(&variant).filter(Sale::is_for_sale) else {
                absent.extend(place(lines, variant).map(not_for_sale));
                continue;
            };
            if *owner.get_or_insert(sale.owner_id) != sale.owner_id {
                let line = place(lines, variant).unwrap_or_default();
                foreign.push(Violation::new(line, "seller", "is of another seller than the lines before it"));
            }
            let Sale { variant_id, product_id, name, price, .. } = sale;
            goods.push(Goods { variant_id, product_id, name, price });
        }
        match owner {
            _ if !absent.is_empty() => Err(Error::ReferenceNotFound(absent)),
            Some(owner) if foreign.is_empty() => Ok((owner, goods)),
            _ => Err(Error::Invalid(foreign)),
        }
    }

    /// A reservation of the caller; administrators see all.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn reservation(&self, caller: &Caller, id: Uuid) -> Result<Reservation, Error> {
        let found = self.store.reservation(id).await?.ok_or(Error::NotFound)?;
        if caller.principal.may_manage(found.account_id) { Ok(found) } else { Err(Error::NotFound) }
    }

    /// The reservations of an account, in one state or all, newest first, older than `before` if that is given: at most `limit`, or
    /// fewer where most are in other states; and from where to go on, if there may be more.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn reservations_of(
        &self,
        account: Uuid,
        state: Option<State>,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<(Vec<Reservation>, Option<Uuid>), Error> {
        let part = if state.is_some() { 200 } else { limit + 1 };
        let read =
            |before: Option<Uuid>, limit| self.store.reservations_of(account, before.unwrap_or(Uuid::max()), limit);
        let fits = |reservation: &Reservation| state.is_none_or(|state| state == reservation.state);
        Ok(BoundedScan { part, most: 2_000 }.page(limit, before, read, |reservation| reservation.id, fits).await?)
    }

    /// As [`StockService::reservations_of`], what is held of a seller's goods.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn holds_of(
        &self,
        seller: Uuid,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<(Vec<Reservation>, Option<Uuid>), Error> {
        let read = |before: Option<Uuid>, limit| self.store.holds_of(seller, before.unwrap_or(Uuid::max()), limit);
        let now = self.context.now();
        // Of some the time is over, and nobody has taken their units back yet.
        let fits = |reservation: &Reservation| reservation.is_held(now);
        Ok(BoundedScan { part: limit + 1, most: 2_000 }
            .page(limit, before, read, |reservation| reservation.id, fits)
            .await?)
    }

    /// Keeps a reservation's units longer: for `ttl` seconds from now, or as many as it was made for; at most once per key.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is not held any more, or would be kept too long; as [`StockService::hold`].
    pub async fn extend(
        &self,
        caller: Caller,
        id: Uuid,
        ttl: Option<i64>,
        repeat: Option<Repeat>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        if let Some(ttl) = ttl {
            check_ttl(ttl)?;
        }
        let op = Op::Extend { id, ttl, now: self.context.now() };
        self.change(caller, id, op, ("reservation.extended", Reservations::Extended), repeat, render).await
    }

    /// Sells what is held; at most once per key, and once in any case.
    ///
    /// # Errors
    /// As [`StockService::extend`].
    pub async fn commit(
        &self,
        caller: Caller,
        id: Uuid,
        repeat: Option<Repeat>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        let op = Op::End { id, end: End::Commit, now: self.context.now() };
        self.change(caller, id, op, ("reservation.committed", Reservations::Committed), repeat, render).await
    }

    /// Gives back what is held.
    ///
    /// # Errors
    /// As [`StockService::extend`].
    pub async fn release(&self, caller: Caller, id: Uuid) -> Result<(), Error> {
        let op = Op::End { id, end: End::Release, now: self.context.now() };
        let word = ("reservation.released", Reservations::Released);
        self.change(caller, id, op, word, None, |_, _| Bytes::new()).await.map(drop)
    }

    async fn change(
        &self,
        caller: Caller,
        id: Uuid,
        op: Op,
        word: (&'static str, Reservations),
        repeat: Option<Repeat>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        let this = self.clone();
        let change = async move {
            let write = |claim| this.change_once(caller, id, op, word, claim, render);
            this.keys.once(repeat, write, never_too_large).await
        };
        self.tasks.run(change).await
    }

    async fn change_once(
        &self,
        caller: Caller,
        id: Uuid,
        op: Op,
        (event, outcome): (&'static str, Reservations),
        claim: Option<Claim>,
        render: Render<Reservation>,
    ) -> Result<Answer, Error> {
        let held = self.reservation(&caller, id).await?;
        if outcome != Reservations::Released {
            self.refuse_erased_seller(&held).await?;
        }
        let cause = Cause { reference: Some(id), ..self.cause(&caller, None) };
        let seller = match outcome {
            // Nothing is said of it.
            Reservations::Released => None,
            _ => self.sellers.name(held.owner_id).await,
        };
        let answer = move |changed: &Reservation| {
            Answer::new(
                200,
                render(changed, seller.as_deref()),
                events::reservation_subject(changed.id),
                changed.version,
            )
            .stored_whole()
        };
        let answered = {
            let answer = answer.clone();
            move |done: &Applied| Some(answer(done.reservation.as_ref()?).under(claim.clone()?))
        };
        let done = self.write_stock(op, cause, caller.request_id, Some(event), answered).await?;
        let done = done.map_err(|refusal| refused(refusal, |_| None))?;
        if !done.is_repeated {
            metrics().inventory.reservations.count(outcome);
        }
        done.reservation.as_ref().map(answer).ok_or(Error::NotFound)
    }

    /// Of a seller who is only deactivated, what was held before may still be bought.
    async fn refuse_erased_seller(&self, reservation: &Reservation) -> Result<(), Error> {
        let is_held = reservation.state == State::Held;
        if is_held && self.store.off_sale(reservation.owner_id).await?.is_some_and(|entry| entry.erased) {
            Err(Error::conflict("The seller is gone, and sells nothing any more."))
        } else {
            Ok(())
        }
    }

    /// Takes back the units of reservations whose time is over, for as long as the process lives. Any process may, at any time: one
    /// that is ended is not held any more, and counts once.
    pub async fn expire_reservations(self: Arc<Self>) {
        let mut pause = tokio::time::interval(EVERY);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let failing = Recurring::new();
        loop {
            pause.tick().await;
            let mut result = Ok(true);
            while let Ok(true) = result {
                result = self.expire_some().await;
            }
            let result = match result {
                Ok(_) => self.settle_some().await,
                failed => failed,
            };
            match result {
                Ok(_) => drop(failing.recovered()),
                Err(error) => {
                    if let Some(failures) = failing.failed() {
                        let late = "units are not taken back yet";
                        tracing::warn!(event = "reservations.expiry.failed", %error, failures, "{late}");
                    }
                }
            }
        }
    }

    /// Whether there may be more.
    async fn expire_some(&self) -> Result<bool, Error> {
        let Some(now) = self.database.expiry_time().await? else { return Ok(false) };
        let expired = self.store.expired(now, BATCH).await?;
        let more = expired.len() >= usize::try_from(BATCH).unwrap_or(0);
        let expire = expired.into_iter().map(|id| async move {
            let cause = Cause { actor: Actor::System, reason: None, reference: Some(id), time: now };
            let op = Op::End { id, end: End::Expire, now };
            match self.write_stock(op, cause, None, Some("reservation.expired"), |_| None).await? {
                Ok(_) => metrics().inventory.reservations.count(Reservations::Expired),
                // Extended, ended, or taken back by another process meanwhile.
                Err(StockRefusal::Over(_) | StockRefusal::Absent) => {}
                Err(refusal) => return Err(refused(refusal, |_| None)),
            }
            Ok(())
        });
        let ended: Vec<Result<(), Error>> = futures_util::future::join_all(expire).await;
        ended.into_iter().collect::<Result<Vec<()>, Error>>()?;
        Ok(more)
    }
}

impl StockService {
    /// Takes back what is counted beyond the stock for reservations that the release before ended: it knows reserved units only.
    /// Others are left for the next look.
    async fn settle_some(&self) -> Result<bool, Error> {
        for id in self.store.unsettled(BATCH).await? {
            let time = self.context.now();
            let cause = Cause { actor: Actor::System, reason: None, reference: Some(id), time };
            // Another process may be quicker.
            self.write_stock(Op::Settle(id), cause, None, None, |_| None).await?.ok();
        }
        Ok(false)
    }
}

/// That the variant of this line of the input may not be bought.
pub(super) fn not_for_sale(line: String) -> Violation {
    Violation::new(format!("{line}/variant_id"), "not-found", "is no variant that is for sale")
}

/// Where the input names a variant first.
fn place(lines: &[Line], variant: Uuid) -> Option<String> {
    number(lines, variant).map(|number| format!("lines/{number}"))
}

fn number(lines: &[Line], variant: Uuid) -> Option<usize> {
    lines.iter().position(|line| line.variant_id == variant)
}
