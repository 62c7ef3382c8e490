//! What stock does on either database, held to a model that a child could keep on paper.

use std::collections::BTreeMap;
use std::time::Duration;

use effects::Effects;
use effects::log::events as log;
use kernel::{Expected, Timestamp, Uuid};
use stock::events;
use stock::model::{
    Adjustment, End, HeldLine, Line, MAX_STOCK, Mode, MovementKind, Reservation, Shortage, State, StockChange,
};
use stock::store::*;

use crate::catalogue::model::Stocked;
use crate::catalogue::store::suite::{Fixture, on_both, shrunk};

impl Fixture {
    async fn do_op(&self, op: Op) -> Result<Applied, StockRefusal> {
        let (context, cause) = (self.context.clone(), self.cause());
        let told = cause.clone();
        let effects = move |done: &Applied| {
            let event = |changed| events::stock_event(context.id().unwrap(), changed, &told, None).unwrap();
            Ok(Effects::events(done.changed.iter().map(event).collect()))
        };
        self.stock.write(StockWrite { op, cause, effects: Box::new(effects) }).await.unwrap()
    }

    fn basket(&self, lines: &[(Uuid, i64)], now: Timestamp, ttl: i64) -> Reservation {
        let line = |(variant_id, quantity): &(Uuid, i64)| Line { variant_id: *variant_id, quantity: *quantity };
        let mut lines: Vec<HeldLine> = lines.iter().map(line).map(HeldLine::from).collect();
        lines.sort_by_key(|line| line.variant_id);
        Reservation {
            goods: Vec::new(),
            id: self.context.id_for(self.owner).unwrap(),
            account_id: Uuid::from_u128(9),
            owner_id: self.owner,
            state: State::Held,
            lines,
            ttl,
            expires_at: now.after(Duration::from_secs(ttl.unsigned_abs())),
            counts_beyond: false,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    async fn hold(&self, lines: &[(Uuid, i64)]) -> Result<Uuid, StockRefusal> {
        let reservation = self.basket(lines, self.context.now(), 60);
        let id = reservation.id;
        self.do_op(Op::Hold(reservation)).await.map(|_| id)
    }

    async fn end(&self, id: Uuid, end: End) -> Result<Applied, StockRefusal> {
        self.do_op(Op::End { id, end, now: self.context.now() }).await
    }

    async fn adjust(&self, variant: Uuid, change: StockChange) -> Result<Applied, StockRefusal> {
        let adjustment = Adjustment { change, reason: "counted".into() };
        let adjustments = vec![VariantAdjustment { variant, adjustment, expected: Expected::Any }];
        self.do_op(Op::Adjust { adjustments, mode: Mode::All }).await
    }

    /// On hand and reserved, of the row, which the ledger has to give too.
    async fn counted(&self, variant: Uuid) -> (i64, i64) {
        let product = self.stock.product_of(variant).await.unwrap().unwrap();
        let stock = self.store.stock_of(&[product]).await.unwrap();
        let stock = stock.into_iter().map(|(_, stock)| stock).find(|stock| stock.variant_id == variant).unwrap();
        let movements = self.stock.history(History { variant, before: None, limit: 10_000 }).await.unwrap();
        let sums = movements.iter().fold((0, 0), |(on_hand, reserved), m| (on_hand + m.on_hand, reserved + m.reserved));
        assert_eq!(sums, (stock.on_hand, stock.reserved), "the ledger: {movements:?}");
        let versions: Vec<i64> = movements.iter().map(|movement| movement.version).collect();
        assert!(versions.windows(2).all(|pair| pair[0] == pair[1] + 1), "without gaps: {versions:?}");
        sums
    }

    async fn desk(&self) -> (Stocked, Uuid, Uuid) {
        let desk = self.product(&format!("desk-{}", self.context.id().unwrap()));
        self.insert(&desk).await.unwrap();
        let [small, large] = [0, 1].map(|at| desk.product.variants[at].id);
        (desk, small, large)
    }
}

fn shortage(refusal: StockRefusal) -> Shortage {
    match refusal {
        StockRefusal::Shortage(shortage) => shortage,
        // One adjustment is a batch of its own.
        StockRefusal::Several(mut items) if items.len() == 1 => shortage(items.remove(0).1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn adjustments_are_done_together_or_each_by_itself() {
    on_both(async |f| {
        let product = f.product("shirt");
        f.insert(&product).await.unwrap();
        let variants: Vec<Uuid> = product.product.variants.iter().map(|variant| variant.id).collect();
        for variant in &variants {
            f.adjust(*variant, StockChange::Set(10)).await.unwrap();
        }
        let wanted = |deltas: &[i64], version: i64| {
            let one = |(variant, delta): (&Uuid, &i64)| VariantAdjustment {
                variant: *variant,
                adjustment: Adjustment { change: StockChange::Adjust(*delta), reason: format!("by {delta}") },
                expected: Expected::OneOf(vec![version]),
            };
            variants.iter().zip(deltas).map(one).collect::<Vec<_>>()
        };
        let version = product.product.version;
        let adjust = |deltas: &[i64], version, mode| f.do_op(Op::Adjust { adjustments: wanted(deltas, version), mode });
        let refused = adjust(&[-4, -11], version, Mode::All).await.unwrap_err();
        assert!(matches!(&refused, StockRefusal::Several(items) if items.len() == 1 && items[0].0 == 1), "{refused:?}");
        for variant in &variants {
            assert_eq!(f.counted(*variant).await, (10, 0));
        }
        let done = adjust(&[-4, -11], version, Mode::Each).await.unwrap();
        assert_eq!((done.changed.len(), done.refused.len()), (1, 1));
        assert_eq!((f.counted(variants[0]).await, f.counted(variants[1]).await), ((6, 0), (10, 0)));
        let history = f.stock.history(History { variant: variants[0], before: None, limit: 1 }).await.unwrap();
        assert_eq!(history[0].reason.as_deref(), Some("by -4"));
        let stale = adjust(&[1, 1], version + 1, Mode::All).await.unwrap_err();
        assert!(
            matches!(&stale, StockRefusal::Several(items) if matches!(items[..], [(0, StockRefusal::Stale), (1, StockRefusal::Stale)]))
        );
        // Those of one group see what the ones before them left.
        let many = (0..20).map(|n| adjust(if n % 2 == 0 { &[-1, -1] } else { &[-1, -100] }, version, Mode::All));
        let ended = futures_util::future::join_all(many).await;
        let done = i64::try_from(ended.iter().filter(|ended| ended.is_ok()).count()).unwrap();
        assert_eq!(done, 6, "{ended:?}");
        assert_eq!((f.counted(variants[0]).await, f.counted(variants[1]).await), ((0, 0), (4, 0)));
    });
}

#[test]
fn stock_is_set_and_adjusted_and_the_product_shows_it() {
    on_both(async |f| {
        let (desk, small, _) = f.desk().await;
        let product = desk.product.id;
        let shown = async || f.found(product).await.unwrap().variants[0].in_stock;
        assert_eq!(f.stock.product_of(small).await.unwrap(), Some(product));
        assert_eq!(f.stock.product_of(product).await.unwrap(), None);
        let changed = f.adjust(small, StockChange::Adjust(-3)).await.unwrap().changed;
        assert_eq!(
            (changed[0].stock().on_hand, changed[0].units.version, changed[0].units.product_id),
            (0, 1, product)
        );
        assert!(!shown().await);
        let refused = f.adjust(small, StockChange::Adjust(-1)).await.unwrap_err();
        assert!(matches!(shortage(refused), Shortage::BelowReserved(_)));
        let changed = f.adjust(small, StockChange::Set(7)).await.unwrap().changed;
        assert_eq!((changed[0].stock().on_hand, changed[0].units.version), (7, 2), "a refused change is not counted");
        assert!(shown().await);
        let refused = f.adjust(small, StockChange::Adjust(MAX_STOCK)).await.unwrap_err();
        assert_eq!(shortage(refused), Shortage::BeyondLimit);
        let refused = f.adjust(product, StockChange::Set(1)).await.unwrap_err();
        assert_eq!(shortage(refused), Shortage::Unknown(vec![product]));
        assert_eq!(f.found(product).await.unwrap().version, 1, "stock is not an edit");
        for version in 1..=2 {
            let event = log::at_version(&f.database, &events::variant_subject(small), version).await.unwrap();
            assert!(event.is_some(), "{version}");
        }
        assert_eq!(f.counted(small).await, (7, 0));
    });
}

#[test]
fn of_many_takers_as_many_succeed_as_there_are_units() {
    on_both(async |f| {
        let (desk, small, _) = f.desk().await;
        f.adjust(small, StockChange::Set(20)).await.unwrap();
        let one = [(small, 1)];
        let takers = (0..100).map(|_| f.hold(&one));
        let results = futures_util::future::join_all(takers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 20);
        assert_eq!(f.counted(small).await, (20, 20));
        assert!(!f.found(desk.product.id).await.unwrap().variants[0].in_stock);
        let ends = results
            .iter()
            .flatten()
            .enumerate()
            .map(|(number, id)| f.end(*id, if number % 2 == 0 { End::Commit } else { End::Release }));
        assert!(futures_util::future::join_all(ends).await.iter().all(Result::is_ok));
        assert_eq!(f.counted(small).await, (10, 0));
        assert!(f.found(desk.product.id).await.unwrap().variants[0].in_stock);
    });
}

#[test]
fn a_basket_is_held_whole_or_not_at_all() {
    on_both(async |f| {
        let (_, small, large) = f.desk().await;
        f.adjust(large, StockChange::Set(1)).await.unwrap();
        let refused = f.hold(&[(small, 1), (large, 2)]).await.unwrap_err();
        assert_eq!(shortage(refused), Shortage::Short(vec![(large, 1)]));
        let nobody = Uuid::from_u128(5);
        assert_eq!(shortage(f.hold(&[(small, 1), (nobody, 1)]).await.unwrap_err()), Shortage::Unknown(vec![nobody]));
        assert_eq!((f.counted(small).await, f.counted(large).await), ((3, 0), (1, 0)));
        let id = f.hold(&[(small, 3), (large, 1)]).await.unwrap();
        assert_eq!((f.counted(small).await, f.counted(large).await), ((3, 3), (1, 1)));
        let held = f.stock.reservation(id).await.unwrap().unwrap();
        assert_eq!((held.state, held.lines.len(), held.version), (State::Held, 2, 1));
    });
}

#[test]
fn a_reservation_ends_once() {
    on_both(async |f| {
        let (_, small, _) = f.desk().await;
        for (end, other, left) in [(End::Commit, End::Release, (2, 0)), (End::Release, End::Commit, (2, 0))] {
            let id = f.hold(&[(small, 1)]).await.unwrap();
            assert!(!f.end(id, end).await.unwrap().is_repeated);
            assert!(f.end(id, end).await.unwrap().is_repeated, "once more does nothing");
            assert!(matches!(f.end(id, other).await.unwrap_err(), StockRefusal::Over(over) if over == end.state()));
            assert!(matches!(f.end(id, End::Expire).await.unwrap_err(), StockRefusal::Over(_)));
            assert_eq!(f.counted(small).await, left);
            assert_eq!(f.stock.reservation(id).await.unwrap().unwrap().version, 2);
        }
        let absent = f.end(Uuid::from_u128(1), End::Commit).await.unwrap_err();
        assert!(matches!(absent, StockRefusal::Absent), "{absent:?}");
    });
}

#[test]
fn what_is_over_is_given_back_once_and_sold_to_nobody() {
    on_both(async |f| {
        let (_, small, _) = f.desk().await;
        let (past, now) = (Timestamp(1_000_000), f.context.now());
        let over = f.basket(&[(small, 2)], past, 60);
        let id = over.id;
        f.do_op(Op::Hold(over)).await.unwrap();
        let kept = f.hold(&[(small, 1)]).await.unwrap();
        for end in [End::Commit, End::Release] {
            assert!(matches!(f.end(id, end).await.unwrap_err(), StockRefusal::Over(_)));
        }
        assert!(matches!(f.do_op(Op::Extend { id, ttl: None, now }).await.unwrap_err(), StockRefusal::Over(_)));
        let before = Timestamp(past.0 + 59_999_999);
        assert_eq!(f.stock.expired(before, 10).await.unwrap(), [kept], "by that clock it was made long after now");
        assert_eq!(f.stock.expired(now, 10).await.unwrap(), [id]);
        let ends = futures_util::future::join_all((0..4).map(|_| f.end(id, End::Expire))).await;
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1);
        assert_eq!(f.counted(small).await, (3, 1));
        assert!(f.stock.expired(now, 10).await.unwrap().is_empty());
        assert!(matches!(f.end(kept, End::Expire).await.unwrap_err(), StockRefusal::Over(_)), "its time is not over");
    });
}

#[test]
fn a_reservation_is_extended_for_a_day_at_most() {
    on_both(async |f| {
        let (_, small, _) = f.desk().await;
        let id = f.hold(&[(small, 1)]).await.unwrap();
        let created = f.stock.reservation(id).await.unwrap().unwrap().created_at;
        let at = |minutes: u64| created.after(Duration::from_secs(60 * minutes));
        let mut last = created;
        for minutes in (0..24 * 60).step_by(59) {
            let done = f.do_op(Op::Extend { id, ttl: Some(3_600), now: at(minutes) }).await;
            match done {
                Ok(done) => last = done.reservation.unwrap().expires_at,
                Err(refusal) => {
                    assert!(matches!(refusal, StockRefusal::TooLong) && minutes > 23 * 60, "{minutes}: {refusal:?}")
                }
            }
        }
        assert!(last > at(23 * 60) && last <= at(24 * 60), "{last:?}");
        assert_eq!(f.counted(small).await, (3, 1));
    });
}

/// The release before ends a reservation by its reserved units alone.
#[test]
fn what_another_release_leaves_of_backordered_units_is_settled() {
    on_both(async |f| {
        let (_, small, _) = f.desk().await;
        f.execute("update variants set backorder = (1 = 1)").await;
        let (held, other) = (f.hold(&[(small, 5)]).await.unwrap(), f.hold(&[(small, 2)]).await.unwrap());
        let backordered = async || f.stock.units(small).await.unwrap().unwrap().stock.backordered;
        assert_eq!((f.counted(small).await, backordered().await), ((3, 3), 4));
        assert!(f.stock.unsettled(10).await.unwrap().is_empty());
        f.end(other, End::Release).await.unwrap();
        assert_eq!(backordered().await, 2);
        f.execute("update reservations set state = 'committed' where state = 'held'").await;
        assert_eq!(f.stock.unsettled(10).await.unwrap(), [held]);
        let settled = f.do_op(Op::Settle(held)).await.unwrap();
        assert_eq!(settled.changed[0].kind, MovementKind::Sale);
        // What is reserved is the other release's to give back, and it did.
        assert_eq!((f.counted(small).await, backordered().await), ((3, 3), 0));
        assert!(f.stock.unsettled(10).await.unwrap().is_empty());
        assert!(matches!(f.do_op(Op::Settle(held)).await, Err(StockRefusal::Over(_))));
    });
}

/// One step of a made-up history.
#[derive(Debug, Clone, Copy)]
enum Step {
    Hold {
        small: i64,
        large: i64,
    },
    /// Of the reservations so far, one.
    End {
        which: usize,
        end: End,
    },
    Adjust {
        large: bool,
        change: StockChange,
    },
}

/// What a child could keep on paper: two piles, and what is laid aside of them for whom.
#[derive(Default)]
struct Paper {
    on_hand: [i64; 2],
    held: Vec<Option<[i64; 2]>>,
}

impl Paper {
    fn reserved(&self, pile: usize) -> i64 {
        self.held.iter().flatten().map(|lines| lines[pile]).sum()
    }

    /// Whether it is done.
    fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Hold { small, large } => {
                let lines = [small, large];
                let fits = (0..2).all(|pile| lines[pile] <= self.on_hand[pile] - self.reserved(pile));
                self.held.push(fits.then_some(lines));
                fits
            }
            Step::End { which, end } => match self.held.get_mut(which).map(Option::take) {
                Some(Some(lines)) if end != End::Expire => {
                    if end == End::Commit {
                        (0..2).for_each(|pile| self.on_hand[pile] -= lines[pile]);
                    }
                    true
                }
                Some(lines) => {
                    self.held[which] = lines;
                    false
                }
                None => false,
            },
            Step::Adjust { large, change } => {
                let pile = usize::from(large);
                let wanted = match change {
                    StockChange::Set(on_hand) => on_hand,
                    StockChange::Adjust(delta) => self.on_hand[pile] + delta,
                };
                let may = wanted >= self.reserved(pile);
                if may {
                    self.on_hand[pile] = wanted;
                }
                may
            }
        }
    }
}

/// Where a store and the paper differ first, if they do.
async fn differs(f: &Fixture, steps: &[Step]) -> Option<String> {
    let (_, small, large) = f.desk().await;
    let mut paper = Paper { on_hand: [3, 0], held: Vec::new() };
    let mut ids = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let expected = paper.step(*step);
        let done = match *step {
            Step::Hold { small: few, large: many } => {
                let lines: Vec<_> = [(small, few), (large, many)].into_iter().filter(|(_, units)| *units > 0).collect();
                let held = f.hold(&lines).await;
                ids.push(held.as_ref().ok().copied());
                held.is_ok()
            }
            Step::End { which, end } => match ids.get(which).copied().flatten() {
                Some(id) => f.end(id, end).await.is_ok_and(|done| !done.is_repeated),
                None => false,
            },
            Step::Adjust { large: which, change } => f.adjust(if which { large } else { small }, change).await.is_ok(),
        };
        let stored = [f.counted(small).await, f.counted(large).await];
        let noted = [0, 1].map(|pile| (paper.on_hand[pile], paper.reserved(pile)));
        if done != expected || stored != noted {
            return Some(format!("step {number}, {step:?}: done {done}, {stored:?}; on paper {expected}, {noted:?}"));
        }
    }
    None
}

fn made_up(seed: u64, length: usize) -> Vec<Step> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut holds = 0;
    let mut step = || match below(10) {
        0..=3 => {
            holds += 1;
            let (small, large) = (below(3) as i64, below(3) as i64);
            Step::Hold { small: if small + large == 0 { 1 } else { small }, large }
        }
        4..=7 => {
            let end = [End::Commit, End::Release, End::Expire][below(3) as usize];
            Step::End { which: below(holds.max(1)) as usize, end }
        }
        8 => Step::Adjust { large: below(2) == 1, change: StockChange::Set(below(6) as i64) },
        _ => Step::Adjust { large: below(2) == 1, change: StockChange::Adjust(below(7) as i64 - 3) },
    };
    (0..length).map(|_| step()).collect()
}

#[test]
fn any_history_is_as_on_paper() {
    on_both(async |f| {
        for seed in 1..=20 {
            let steps = made_up(seed, 40);
            if differs(&f, &steps).await.is_some() {
                let steps = shrunk(steps, async |steps| differs(&f, steps).await).await;
                panic!("seed {seed}: {steps:?}: {:?}", differs(&f, &steps).await);
            }
        }
    });
}

/// Locks are taken in one order, whatever the order of the lines.
#[test]
fn baskets_that_cross_each_other_wait_for_nobody_in_vain() {
    on_both(async |f| {
        let (_, small, large) = f.desk().await;
        for variant in [small, large] {
            f.adjust(variant, StockChange::Set(1_000)).await.unwrap();
        }
        let holds = (0..200).map(|n| if n % 2 == 0 { [(small, 1), (large, 2)] } else { [(large, 1), (small, 2)] });
        let holds: Vec<_> = holds.collect();
        let held = futures_util::future::join_all(holds.iter().map(|lines| f.hold(lines))).await;
        assert!(held.iter().all(Result::is_ok));
        assert_eq!((f.counted(small).await, f.counted(large).await), ((1_000, 300), (1_000, 300)));
        let movements = f.stock.history(History { variant: small, before: None, limit: 1_000 }).await.unwrap();
        let kinds = movements.iter().fold(BTreeMap::<_, usize>::new(), |mut kinds, movement| {
            *kinds.entry(movement.kind.as_str()).or_default() += 1;
            kinds
        });
        assert_eq!(kinds.get(MovementKind::Hold.as_str()), Some(&200));
    });
}
