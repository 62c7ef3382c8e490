//! Units that are kept for a buyer, for a time.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Broken, Error, Money, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stock::is_zero;
use super::{MAX_STOCK, MovementKind};

/// Lines of a reservation at most.
pub const MAX_LINES: usize = 100;
/// Seconds for which units are kept at a time, at most.
pub const MAX_TTL: i64 = 3_600;
const TTL: &str = "ttl_seconds";
/// By how much a clock may be set back under a reservation.
const SLACK: Duration = Duration::from_secs(60 * 60);
/// How long units are kept at most, however often that is extended: else a buyer could keep them for good.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Units of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReservationLine)]
pub struct Line {
    pub variant_id: Uuid,
    #[schema(minimum = 1, maximum = 2147483647, example = 2)]
    pub quantity: i64,
}

/// What a reservation keeps of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    pub variant_id: Uuid,
    pub quantity: i64,
    /// Of these, units beyond those on hand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backordered: i64,
    /// Of these, units of a variant whose stock was not tracked then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untracked: i64,
}

/// What a variant was when units of it were held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    pub variant_id: Uuid,
    pub product_id: Uuid,
    /// The product's.
    pub name: String,
    pub price: Money,
}

impl HeldLine {
    /// Units on hand that nobody else gets.
    pub fn reserved(&self) -> i64 {
        self.quantity - self.backordered - self.untracked
    }
}

impl HeldLine {
    /// What of it is beyond the units on hand.
    pub fn beyond(self) -> Self {
        Self { quantity: self.backordered, untracked: 0, ..self }
    }
}

impl From<Line> for HeldLine {
    /// As it is wanted: how it is kept is decided by the stock.
    fn from(Line { variant_id, quantity }: Line) -> Self {
        Self { variant_id, quantity, backordered: 0, untracked: 0 }
    }
}

/// How far a reservation has come. Only held ones keep units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReservationState)]
pub enum State {
    Held,
    /// The units are sold.
    Committed,
    /// They were given back,
    Released,
    /// or taken back, for the time was over.
    Expired,
}

impl State {
    /// What brought it about, if it is over.
    pub fn end(self) -> Option<End> {
        match self {
            Self::Held => None,
            Self::Committed => Some(End::Commit),
            Self::Released => Some(End::Release),
            Self::Expired => Some(End::Expire),
        }
    }

    pub const ALL: [Self; 4] = [Self::Held, Self::Committed, Self::Released, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How a reservation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Commit,
    Release,
    Expire,
}

impl End {
    pub fn state(self) -> State {
        match self {
            Self::Commit => State::Committed,
            Self::Release => State::Released,
            Self::Expire => State::Expired,
        }
    }

    pub fn movement(self) -> MovementKind {
        match self {
            Self::Commit => MovementKind::Sale,
            Self::Release => MovementKind::Release,
            Self::Expire => MovementKind::Expiry,
        }
    }
}

/// Units of one seller's variants that are kept for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// The seller.
    pub owner_id: Uuid,
    pub state: State,
    /// One for each variant, by its id.
    pub lines: Vec<HeldLine>,
    /// What they are of; nothing of reservations that a release made which does not keep it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goods: Vec<Goods>,
    /// Seconds for which it was asked at first, and is when it is extended without saying for how long.
    pub ttl: i64,
    pub expires_at: Timestamp,
    /// Whether its backordered units are among those that their variants count.
    #[serde(skip)]
    pub counts_beyond: bool,
    /// Counts its changes from 1.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a buyer wants to have kept.
#[derive(Debug, Clone)]
pub struct Basket {
    /// One for each variant, by its id: the order in which they are locked.
    pub lines: Vec<Line>,
    pub ttl: i64,
}

impl Basket {
    /// Lines of one variant are one.
    ///
    /// # Errors
    /// `Invalid` with every broken rule.
    pub fn check(lines: Vec<Line>, ttl: i64) -> Result<Self, Error> {
        let mut broken = Broken::default();
        broken.range(TTL, ttl, 1..=MAX_TTL);
        broken.count("lines", lines.len(), 1..=MAX_LINES, "lines");
        let mut sums = BTreeMap::<Uuid, i64>::new();
        for (number, line) in lines.iter().enumerate().take(MAX_LINES) {
            broken.range(&format!("lines/{number}/quantity"), line.quantity, 1..=MAX_STOCK);
            let sum = sums.entry(line.variant_id).or_default();
            *sum = sum.saturating_add(line.quantity);
        }
        if sums.values().any(|sum| *sum > MAX_STOCK) && lines.iter().all(|line| line.quantity <= MAX_STOCK) {
            broken.refuse("lines", "range", format!("must be at most {MAX_STOCK} units of one variant"));
        }
        broken.finish()?;
        let lines = sums.into_iter().map(|(variant_id, quantity)| Line { variant_id, quantity }).collect();
        Ok(Self { lines, ttl })
    }
}

/// No reservation that is held now ends later, unless it was made while the clock was ahead.
pub fn latest_end(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(MAX_TTL.unsigned_abs()) + SLACK)
}

/// Checks for how many seconds units are to be kept.
///
/// # Errors
/// `Invalid`.
pub fn check_ttl(ttl: i64) -> Result<(), Error> {
    let mut broken = Broken::default();
    broken.range(TTL, ttl, 1..=MAX_TTL);
    broken.finish()
}

impl Reservation {
    /// Whether its units are kept at that time.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.state == State::Held && now < self.expires_at
    }

    /// Whether its time is over, and nobody has taken its units back yet. So is that of one which was made while the clock was ahead.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state == State::Held && (now >= self.expires_at || self.expires_at > latest_end(now))
    }

    /// What it is after its end.
    #[must_use]
    pub fn ended(&self, end: End, now: Timestamp) -> Self {
        let version = self.version + 1;
        Self { state: end.state(), counts_beyond: false, version, updated_at: now, ..self.clone() }
    }

    /// What it is when it is kept for so many seconds from now, or as long as it is anyway; `None` when that is longer than any is
    /// kept.
    #[must_use]
    pub fn extended(&self, ttl: Option<i64>, now: Timestamp) -> Option<Self> {
        let ttl = ttl.unwrap_or(self.ttl);
        let expires_at = self.expires_at.max(now.after(Duration::from_secs(u64::try_from(ttl).unwrap_or(0))));
        let longest = self.created_at.after(LONGEST);
        let extended = Self { expires_at, version: self.version + 1, updated_at: now, ..self.clone() };
        (expires_at <= longest).then_some(extended)
    }
}
