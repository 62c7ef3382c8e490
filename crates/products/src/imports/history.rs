//! Files, sales, holds and edits in any order, held to a model that keeps three numbers a variant; on both databases.

use std::fmt::Write;

use formats::{ProductRows, RefusedProduct};
use kernel::{Currency, Expected, Uuid};
use stock::model::{Adjustment, End, ImportedStock, Inventory, Line, Reservation, Stock};

use crate::catalogue::Products;
use crate::catalogue::model::{Patch, Stocked, VariantPatch};
use crate::catalogue::store::suite::{Fixture, on_both, shrunk};
use crate::catalogue::tests::{caller, process};
use crate::imports::run::{self, Watch};
use crate::imports::{Note, NoteKind, Options};

const SIZES: [&str; 3] = ["S", "M", "L"];

/// One step of a made-up history.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Import {
        title: u8,
        rows: [Option<Row>; 3],
        how: ImportedStock,
        quantity: Option<i64>,
    },
    Hold {
        size: usize,
        quantity: i64,
    },
    /// Of the reservations so far, one.
    End {
        which: usize,
        end: End,
    },
    Adjust {
        size: usize,
        by: i64,
    },
    /// The seller says whether units are counted, and whether more is sold than there is.
    Say {
        size: usize,
        inventory: Inventory,
        backorder: bool,
    },
    Rename,
}

/// A row of the file: its quantity, and whether the shop counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    quantity: Option<i64>,
    is_tracked: bool,
    backorder: bool,
}

/// A variant on paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pile {
    on_hand: i64,
    reserved: i64,
    backordered: i64,
    untracked: bool,
    backorder: bool,
    /// What the last file said.
    last: Option<i64>,
}

/// Units that somebody holds: of the size, reserved, beyond them, uncounted.
type Held = (usize, i64, i64);

#[derive(Default)]
struct Paper {
    piles: [Option<Pile>; 3],
    held: Vec<Option<Held>>,
    /// What the last file was, with its prices: the same again changes nothing.
    file: Option<String>,
}

impl Paper {
    /// What a file makes of the piles, and how many stocks do not take it whole.
    fn import(&mut self, rows: &[Option<Row>; 3], how: ImportedStock, quantity: Option<i64>) -> usize {
        let mut held_back = 0;
        for (pile, row) in self.piles.iter_mut().zip(rows) {
            let Some(row) = row else { continue };
            let is_new = pile.is_none();
            let given = row.quantity.map(|units| units.max(0)).or(quantity.filter(|_| is_new));
            let pile = pile.get_or_insert_default();
            pile.backorder = row.backorder;
            pile.untracked = match (row.quantity, given) {
                (Some(_), _) => !row.is_tracked,
                (None, Some(_)) => false,
                (None, None) => is_new || !row.is_tracked || pile.untracked,
            };
            let Some(given) = given else { continue };
            if is_new {
                (pile.on_hand, pile.last) = (given, Some(given));
                continue;
            }
            let wanted = match how {
                ImportedStock::Keep => continue,
                ImportedStock::Set => given,
                ImportedStock::Changes => pile.last.map_or(given, |last| pile.on_hand + given - last),
            };
            pile.on_hand = wanted.max(pile.reserved);
            held_back += usize::from(pile.on_hand != wanted);
            pile.last = Some(given);
        }
        held_back
    }

    fn hold(&mut self, size: usize, quantity: i64) -> bool {
        let Some(pile) = &mut self.piles[size] else { return false };
        let available = pile.on_hand - pile.reserved;
        let (reserved, beyond) = match pile {
            Pile { untracked: true, .. } => (0, 0),
            _ if quantity <= available => (quantity, 0),
            Pile { backorder: true, .. } => (available, quantity - available),
            _ => {
                self.held.push(None);
                return false;
            }
        };
        (pile.reserved, pile.backordered) = (pile.reserved + reserved, pile.backordered + beyond);
        self.held.push(Some((size, reserved, beyond)));
        true
    }

    fn end(&mut self, which: usize, end: End) -> bool {
        let Some((size, reserved, beyond)) = self.held.get_mut(which).and_then(Option::take) else { return false };
        let Some(pile) = &mut self.piles[size] else { return false };
        (pile.reserved, pile.backordered) = (pile.reserved - reserved, pile.backordered - beyond);
        if end == End::Commit {
            pile.on_hand -= reserved;
        }
        true
    }

    fn adjust(&mut self, size: usize, by: i64) -> bool {
        let Some(pile) = &mut self.piles[size] else { return false };
        let may = pile.on_hand + by >= pile.reserved;
        pile.on_hand += if may { by } else { 0 };
        may
    }
}

#[derive(Default)]
struct Heard {
    held_back: usize,
    refused: Vec<String>,
}

impl Watch for Heard {
    fn read(&mut self, _: u64) {}

    fn refused(&mut self, product: &RefusedProduct) {
        self.refused.extend(product.errors.iter().map(ToString::to_string));
    }

    fn noted(&mut self, note: Note) {
        self.held_back += usize::from(note.kind == NoteKind::HeldBack);
    }
}

/// A shop with one product, and the paper beside it.
struct World<'f> {
    f: &'f Fixture,
    products: Products,
    handle: String,
    paper: Paper,
    holds: Vec<Option<Uuid>>,
}

impl<'f> World<'f> {
    fn new(f: &'f Fixture) -> Self {
        let handle = format!("shirt-{}", f.context.id().unwrap());
        Self { f, products: process(f), handle, paper: Paper::default(), holds: Vec::new() }
    }

    async fn product(&self) -> Option<Stocked> {
        self.f.store.by_handle(self.f.owner, &self.handle).await.unwrap()
    }

    async fn variant(&self, size: usize) -> Option<Uuid> {
        let product = self.product().await?.product;
        product.variants.iter().find(|variant| variant.option_values == [SIZES[size]]).map(|variant| variant.id)
    }

    fn file(&self, title: u8, rows: &[Option<Row>; 3]) -> String {
        let mut file = "Handle,Title,Status,Option1 Name,Option1 Value,Variant Price,Variant Inventory Qty,\
                        Variant Inventory Tracker,Variant Inventory Policy\n"
            .to_owned();
        let mut first = true;
        for (size, row) in SIZES.iter().zip(rows) {
            let Some(row) = row else { continue };
            let product = if first { format!("T{title},active,Size") } else { ",,".into() };
            let quantity = row.quantity.map_or(String::new(), |quantity| quantity.to_string());
            let tracker = if row.is_tracked { "shopify" } else { "" };
            let policy = if row.backorder { "continue" } else { "deny" };
            writeln!(file, "{},{product},{size},9.99,{quantity},{tracker},{policy}", self.handle).unwrap();
            first = false;
        }
        file
    }

    /// Whether what the shop did is what the paper says; both have done it then.
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let (done, expected) = match step {
            Step::Import { title, rows, how, quantity } => self.import(*title, rows, *how, *quantity).await?,
            Step::Hold { size, quantity } => (self.hold(*size, *quantity).await, self.paper.hold(*size, *quantity)),
            Step::End { which, end } => (self.end(*which, *end).await, self.paper.end(*which, *end)),
            Step::Adjust { size, by } => (self.adjust(*size, *by).await, self.paper.adjust(*size, *by)),
            Step::Say { size, inventory, backorder } => {
                let said = self.say(*size, *inventory, *backorder).await;
                let pile = self.paper.piles[*size].as_mut();
                let known = pile.is_some();
                if let Some(pile) = pile {
                    (pile.untracked, pile.backorder) = (!inventory.is_tracked(), *backorder);
                }
                (said, known)
            }
            Step::Rename => {
                let Some(product) = self.product().await else { return Ok(()) };
                let patch = Patch { name: Some("Renamed".into()), ..Patch::default() };
                let renamed = self.products.patch(caller(), product.product.id, Expected::Any, patch).await;
                (renamed.is_ok(), true)
            }
        };
        if done != expected {
            return Err(format!("done: {done}; on paper: {expected}"));
        }
        self.compare().await
    }

    async fn import(
        &mut self,
        title: u8,
        rows: &[Option<Row>; 3],
        how: ImportedStock,
        quantity: Option<i64>,
    ) -> Result<(bool, bool), String> {
        let file = self.file(title, rows);
        let options = Options { stock: how, quantity, ..Options::new(Currency::USD) };
        // What is said without writing has to be what happens then.
        let dry = self.run(&file, Options { dry_run: true, ..options.clone() }).await?;
        let heard = self.run(&file, options).await?;
        if dry != heard {
            return Err(format!("a dry run told of {dry} stocks that are held back, the import of {heard}"));
        }
        let is_same = self.paper.file.as_ref() == Some(&file);
        let held_back = match (is_same, how) {
            (true, ImportedStock::Set) => {
                // Flags that were edited since stand.
                let flags = self.paper.piles.map(|pile| pile.map(|pile| (pile.untracked, pile.backorder)));
                let held_back = self.paper.import(rows, how, quantity);
                for (pile, flags) in self.paper.piles.iter_mut().zip(flags) {
                    if let (Some(pile), Some(flags)) = (pile, flags) {
                        (pile.untracked, pile.backorder) = flags;
                    }
                }
                held_back
            }
            (true, _) => 0,
            (false, _) => self.paper.import(rows, how, quantity),
        };
        self.paper.file = Some(file);
        if heard != held_back {
            return Err(format!("{heard} stocks are held back; on paper: {held_back}"));
        }
        Ok((true, true))
    }

    async fn run(&self, file: &str, options: Options) -> Result<usize, String> {
        let rows = ProductRows::new(file.as_bytes(), Currency::USD).unwrap();
        let mut heard = Heard::default();
        run::run(&self.products, self.f.owner, options, rows, &mut heard).await.map_err(|error| error.to_string())?;
        if heard.refused.is_empty() { Ok(heard.held_back) } else { Err(heard.refused.join("; ")) }
    }

    async fn hold(&mut self, size: usize, quantity: i64) -> bool {
        let Some(variant) = self.variant(size).await else { return false };
        let lines = vec![Line { variant_id: variant, quantity }];
        let render = |held: &Reservation, _: Option<&str>| held.id.to_string().into();
        let held = self.products.stock.hold(caller(), lines, 3_600, None, render).await;
        let id = held.ok().map(|answer| std::str::from_utf8(&answer.body).unwrap().parse().unwrap());
        self.holds.push(id);
        id.is_some()
    }

    async fn end(&self, which: usize, end: End) -> bool {
        let Some(id) = self.holds.get(which).copied().flatten() else { return false };
        match end {
            End::Commit => {
                let answer = self.products.stock.commit(caller(), id, None, |_, _| bytes::Bytes::new()).await;
                // Once more is as good as once; the paper counts the first.
                answer.is_ok() && self.paper.held[which].is_some()
            }
            _ => self.products.stock.release(caller(), id).await.is_ok() && self.paper.held[which].is_some(),
        }
    }

    async fn adjust(&self, size: usize, by: i64) -> bool {
        let Some(variant) = self.variant(size).await else { return false };
        let adjustment = Adjustment::check(Some(by), None, Some("counted".into())).unwrap();
        let render = |stock: &Stock| stock.on_hand.to_string().into();
        self.products.stock.change_stock(caller(), variant, adjustment, None, render).await.is_ok()
    }

    async fn say(&self, size: usize, inventory: Inventory, backorder: bool) -> bool {
        let Some(variant) = self.variant(size).await else { return false };
        let patch = VariantPatch { inventory: Some(inventory), backorder: Some(backorder), ..VariantPatch::default() };
        self.products.patch_variant(caller(), variant, Expected::Any, patch).await.is_ok()
    }

    async fn compare(&self) -> Result<(), String> {
        let product = self.product().await;
        let mut stored = [None; 3];
        for (variant, stock) in product.iter().flat_map(|known| known.product.variants.iter().zip(&known.stock)) {
            let size = SIZES.iter().position(|size| variant.option_values == [*size]).unwrap();
            let untracked = !variant.details.inventory.is_tracked();
            if variant.in_stock != (untracked || stock.available() > 0) {
                return Err(format!("{size}: in stock: {}", variant.in_stock));
            }
            let Stock { on_hand, reserved, backordered, .. } = *stock;
            let backorder = variant.details.backorder;
            stored[size] = Some(Pile { on_hand, reserved, backordered, untracked, backorder, last: None });
        }
        let noted = self.paper.piles.map(|pile| pile.map(|pile| Pile { last: None, ..pile }));
        if stored == noted { Ok(()) } else { Err(format!("{stored:?}; on paper: {noted:?}")) }
    }

    /// The ledger sums up to what is there.
    async fn verify(&self) -> Result<(), String> {
        let mut found = Vec::new();
        self.products
            .stock
            .verify_stock(|difference| found.push(difference), |_| {})
            .await
            .map_err(|e| e.to_string())?;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) }
    }
}

/// Where a shop and the paper differ first, if they do.
async fn differs(f: &Fixture, steps: &[Step]) -> Option<String> {
    let mut world = World::new(f);
    for (number, step) in steps.iter().enumerate() {
        if let Err(why) = world.step(step).await {
            return Some(format!("step {number}, {step:?}: {why}"));
        }
    }
    world.verify().await.err()
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
    let mut step = || match below(12) {
        0..=3 => {
            let mut rows = [None; 3];
            // The first size is always there: without any, there is no product.
            for (size, row) in rows.iter_mut().enumerate() {
                let quantity = (below(5) > 0).then(|| below(9) as i64 - 1);
                let of_file = Row { quantity, is_tracked: below(4) > 0, backorder: below(4) == 0 };
                *row = (size == 0 || below(3) > 0).then_some(of_file);
            }
            let how = [ImportedStock::Changes, ImportedStock::Changes, ImportedStock::Keep, ImportedStock::Set];
            let quantity = (below(4) == 0).then(|| below(5) as i64);
            Step::Import { title: below(3) as u8, rows, how: how[below(4) as usize], quantity }
        }
        4..=6 => {
            holds += 1;
            Step::Hold { size: below(3) as usize, quantity: 1 + below(4) as i64 }
        }
        7..=8 => {
            let end = [End::Commit, End::Release][below(2) as usize];
            Step::End { which: below(holds.max(1)) as usize, end }
        }
        9 => Step::Adjust { size: below(3) as usize, by: [-3, -1, 1, 4][below(4) as usize] },
        10 => {
            let inventory = [Inventory::Tracked, Inventory::Untracked][below(2) as usize];
            Step::Say { size: below(3) as usize, inventory, backorder: below(2) == 0 }
        }
        _ => Step::Rename,
    };
    (0..length).map(|_| step()).collect()
}

#[test]
fn stock_is_what_files_sales_and_edits_make_of_it() {
    let seeds = std::env::var("PRIMETRADE_TEST_SEQUENCES").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    on_both(async |f| {
        for seed in 1..=seeds {
            let steps = made_up(seed, 40);
            if differs(&f, &steps).await.is_some() {
                let steps = shrunk(steps, async |steps| differs(&f, steps).await).await;
                panic!("seed {seed}: {steps:#?}: {:?}", differs(&f, &steps).await);
            }
        }
    });
}
