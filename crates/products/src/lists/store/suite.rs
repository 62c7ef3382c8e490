//! Lists on both databases, compared with a plain look over all products.

use std::collections::BTreeMap;

use api::v2::page::Key;
use futures_util::future::join_all;
use kernel::{Currency, Timestamp, Uuid, text};

use super::{By, ListQuery, SCAN, Shelf, Sort, page};
use crate::catalogue::events;
use crate::catalogue::model::{Product, Status, Stocked, Variant};
use crate::catalogue::store::suite::{Fixture, on_both};

const EUR: &str = "EUR";
const SORTS: [Sort; 8] = [
    Sort::NEWEST,
    Sort::up(By::Created),
    Sort::down(By::Updated),
    Sort::up(By::Updated),
    Sort::up(By::Price),
    Sort::down(By::Price),
    Sort::up(By::Name),
    Sort::down(By::Name),
];
/// A time between the changes of random products.
const CHANGED: Timestamp = Timestamp(1_700_000_000_000_010);

pub fn owner(n: u128) -> Uuid {
    Uuid::from_u128(n << 64)
}

/// splitmix64: the same products in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// One of many that have names, prices, times and everything else in common.
fn random_product(f: &Fixture, random: &mut Random, n: usize) -> Stocked {
    let mut stocked = f.product(&format!("p{n}"));
    let product = &mut stocked.product;
    product.owner_id = owner(u128::from(random.below(3)));
    product.name = ["Lamp", "lamp", "Zebra", "Äpfel", "äpfel", "zoo", "Ω", "9"][random.below(8) as usize].into();
    product.category =
        [None, Some("Light"), Some("light"), Some("Größe"), Some("")][random.below(5) as usize].map(str::to_owned);
    product.status = [Status::Active, Status::Active, Status::Draft, Status::Archived][random.below(4) as usize];
    product.currency = if random.below(4) == 0 { Currency::parse(EUR).unwrap() } else { Currency::USD };
    product.created_at = Timestamp(1_700_000_000_000_000 + random.below(20).cast_signed());
    product.updated_at = Timestamp(1_700_000_000_000_000 + random.below(20).cast_signed());
    product.vendor = [None, Some("Ada"), Some("ada")][random.below(3) as usize].map(str::to_owned);
    product.tags = [vec![], vec!["new"], vec!["new\"", "red"], vec!["red", "new"]][random.below(4) as usize]
        .iter()
        .map(|tag| (*tag).to_owned())
        .collect();
    product.variants[0].barcode = Some(format!("code{}", random.below(40)));
    product.variants[1].price = 100 * random.below(9).cast_signed();
    let in_stock = random.below(3) > 0;
    for (variant, stock) in product.variants.iter_mut().zip(&mut stocked.stock) {
        variant.in_stock = in_stock;
        stock.on_hand = i64::from(in_stock);
    }
    stocked
}

async fn fill(f: &Fixture, products: usize) -> Vec<Product> {
    let mut random = Random(42);
    let products: Vec<Stocked> = (0..products).map(|n| random_product(f, &mut random, n)).collect();
    for inserted in join_all(products.iter().map(|product| f.insert(product))).await {
        inserted.unwrap();
    }
    products.into_iter().map(|stocked| stocked.product).collect()
}

/// Every combination of filters that a list takes, in every order.
pub fn queries() -> Vec<ListQuery> {
    let mut queries = Vec::new();
    let shelves = [Shelf::Public(None), Shelf::Public(Some(owner(1))), Shelf::Own(owner(1)), Shelf::Hidden];
    let eur = Currency::parse(EUR).unwrap();
    for shelf in shelves {
        let statuses: &[_] = match shelf {
            Shelf::Own(_) => &[None, Some(Status::Draft)],
            Shelf::Hidden => &[Some(Status::Draft), Some(Status::Archived)],
            Shelf::Public(_) => &[None],
        };
        for status in statuses {
            for category in [None, Some("Light")] {
                for in_stock in [None, Some(true), Some(false)] {
                    for (currency, only_currency, price) in [
                        (Currency::USD, false, None),
                        (eur, true, None),
                        (Currency::USD, false, Some((200, 600))),
                        (Currency::USD, false, Some((0, i64::MAX))),
                        (eur, true, Some((300, 300))),
                    ] {
                        for sort in sorts(shelf) {
                            queries.push(ListQuery {
                                status: *status,
                                category: category.map(str::to_owned),
                                in_stock,
                                only_currency,
                                price,
                                sort,
                                ..ListQuery::new(shelf, currency)
                            });
                        }
                    }
                }
            }
        }
    }
    for shelf in shelves {
        let status = (shelf == Shelf::Hidden).then_some(Status::Draft);
        for sort in sorts(shelf) {
            let all = ListQuery { sort, status, ..ListQuery::new(shelf, Currency::USD) };
            queries.extend(narrowed(&all));
        }
    }
    queries
}

/// The orders that such a list has.
fn sorts(shelf: Shelf) -> impl Iterator<Item = Sort> {
    SORTS.into_iter().filter(move |sort| shelf != Shelf::Hidden || sort.by == By::Created)
}

/// By the rarer filters, alone and together.
fn narrowed(all: &ListQuery) -> Vec<ListQuery> {
    let all = || all.clone();
    vec![
        ListQuery { handle: Some("p7".into()), ..all() },
        ListQuery { sku_key: Some("p9-s".into()), ..all() },
        ListQuery { barcode: Some("code7".into()), ..all() },
        ListQuery { barcode: Some("code7".into()), in_stock: Some(true), price: Some((0, 300)), ..all() },
        ListQuery { barcode: Some("code7".into()), sku_key: Some("p9-s".into()), ..all() },
        ListQuery { tag: Some("new".into()), ..all() },
        ListQuery { tag: Some("new\"".into()), vendor: Some("Ada".into()), ..all() },
        ListQuery { vendor: Some("Ada".into()), category: Some("Light".into()), ..all() },
        ListQuery { updated_since: Some(CHANGED), ..all() },
        ListQuery { updated_since: Some(CHANGED), category: Some("Light".into()), price: Some((200, 600)), ..all() },
    ]
}

fn fits(query: &ListQuery, product: &Product) -> bool {
    let by_price = query.sort.by == By::Price;
    let compares = query.only_currency || query.price.is_some() || by_price;
    (match query.shelf {
        Shelf::Public(owner) => product.status == Status::Active && owner.is_none_or(|owner| owner == product.owner_id),
        Shelf::Own(owner) => owner == product.owner_id,
        Shelf::Hidden => true,
    }) && query.category.as_ref().is_none_or(|category| product.category.as_ref() == Some(category))
        && query.in_stock.is_none_or(|in_stock| product.in_stock() == in_stock)
        && query.status.is_none_or(|status| product.status == status)
        && (!compares || product.currency == query.currency)
        && query.price.is_none_or(|(least, most)| (least..=most).contains(&product.lowest_price()))
        && query.ids.as_ref().is_none_or(|ids| ids.contains(&product.id))
        && query.handle.as_ref().is_none_or(|handle| product.handle == *handle)
        && query
            .sku_key
            .as_ref()
            .is_none_or(|key| has(product, |variant| variant.sku.as_deref().map(text::fold).as_ref() == Some(key)))
        && query.barcode.as_ref().is_none_or(|code| has(product, |variant| variant.barcode.as_ref() == Some(code)))
        && query.tag.as_ref().is_none_or(|tag| product.tags.contains(tag))
        && query.vendor.as_ref().is_none_or(|vendor| product.vendor.as_ref() == Some(vendor))
        && query.updated_since.is_none_or(|since| product.updated_at >= since)
}

fn has(product: &Product, fits: impl Fn(&Variant) -> bool) -> bool {
    product.variants.iter().any(fits)
}

fn expected(query: &ListQuery, products: &[Product]) -> Vec<Uuid> {
    let mut found: Vec<&Product> = products.iter().filter(|product| fits(query, product)).collect();
    found.sort_by_key(|product| product.id);
    match query.sort.by {
        By::Created => found.sort_by_key(|product| (product.created_at, product.id)),
        By::Updated => found.sort_by_key(|product| (product.updated_at, product.id)),
        By::Price => found.sort_by_key(|product| (product.lowest_price(), product.id)),
        By::Name => found.sort_by_key(|product| (text::fold(&product.name).into_bytes(), product.id)),
    }
    if query.sort.descending {
        found.reverse();
    }
    found.into_iter().map(|product| product.id).collect()
}

/// The whole list, page by page.
async fn walk(f: &Fixture, query: &ListQuery, limit: usize, scan: usize) -> Vec<Uuid> {
    let mut query = ListQuery { limit, scan, ..query.clone() };
    let mut walked = Vec::new();
    loop {
        let listed = page(f.lists.as_ref(), query.clone()).await.unwrap();
        assert!(listed.products.len() <= limit, "{query:?}");
        let full = listed.products.len() == limit;
        walked.extend(listed.products.iter().map(|product| product.id));
        let Some(next) = listed.next else { return walked };
        assert!(full || scan < SCAN, "a page is short only where the bound was reached: {query:?}");
        assert!(query.after.replace(next.clone()) != Some(next), "it goes on: {query:?}");
    }
}

#[test]
fn lists_have_what_fits_in_their_order() {
    on_both(async |f| {
        let products = fill(&f, 300).await;
        let some = |from: usize| products.iter().skip(from).step_by(7).map(|product| product.id).take(40).collect();
        let mut queries = queries();
        for sort in SORTS {
            let own = ListQuery { ids: Some(some(0)), sort, ..ListQuery::new(Shelf::Own(owner(1)), Currency::USD) };
            queries.push(ListQuery { shelf: Shelf::Public(None), ids: Some(some(3)), ..own.clone() });
            queries.push(own);
        }
        for (n, query) in queries.iter().enumerate() {
            let expected = expected(query, &products);
            let mut ways = vec![(7, SCAN), (100, SCAN), (100, 150), (4, 12)];
            if n % 8 == 0 {
                ways.extend([(1, SCAN), (1, 1)]);
            }
            for (limit, scan) in ways {
                assert_eq!(walk(&f, query, limit, scan).await, expected, "{limit} of {scan}: {query:?}");
            }
            let count = expected.len() as i64;
            let half_way =
                ListQuery { after: page(f.lists.as_ref(), query.clone()).await.unwrap().next, ..query.clone() };
            assert_eq!(f.lists.count(&half_way).await.unwrap(), count, "{query:?}");
            assert_eq!(f.lists.estimate(&half_way).await.unwrap(), count, "few are counted: {query:?}");
        }
    });
}

#[test]
fn a_walk_shows_what_remains_exactly_once() {
    on_both(async |f| {
        for (round, sort) in SORTS.into_iter().enumerate() {
            for in_stock in [None, Some(true)] {
                let before = fill_round(&f, round * 2 + usize::from(in_stock.is_some())).await;
                let seller = before[0].owner_id;
                // Among the changes of all sellers, few rows of a look would be of this one.
                let shelf = if sort.by == By::Updated { Shelf::Own(seller) } else { Shelf::Public(Some(seller)) };
                let mut query = ListQuery { sort, in_stock, limit: 4, scan: 6, ..ListQuery::new(shelf, Currency::USD) };
                let (mut seen, mut gone) = (Vec::new(), Vec::new());
                for n in 0.. {
                    let listed = page(f.lists.as_ref(), query.clone()).await.unwrap();
                    seen.extend(listed.products.iter().map(|product| product.id));
                    let Some(next) = listed.next else { break };
                    // Where the walk stands, one goes and others come before and behind.
                    let stands_on = before.iter().find(|product| product.id == next.id);
                    if let Some(product) = stands_on.filter(|_| n % 2 == 0) {
                        let stocked = f.store.get_stocked(product.id).await.unwrap().unwrap();
                        let deleted =
                            f.store.delete(product.id, 1, f.cause(), f.effects(events::DELETED, &stocked)).await;
                        assert!(deleted.unwrap());
                        gone.push(product.id);
                    }
                    for (m, shift) in [-1, 0, 1].into_iter().enumerate().filter(|_| n < 5) {
                        let mut new = f.product(&format!("{round}-{in_stock:?}-new-{n}-{m}"));
                        new.product.owner_id = seller;
                        match next.key {
                            Key::Number(number) if sort.by == By::Created => {
                                new.product.created_at = Timestamp(number + shift);
                            }
                            Key::Number(number) if sort.by == By::Updated => {
                                new.product.updated_at = Timestamp(number + shift);
                            }
                            Key::Number(number) => new.product.variants[1].price = (number + shift).max(0),
                            Key::Text(ref name) => new.product.name.clone_from(name),
                        }
                        f.insert(&new).await.unwrap();
                    }
                    query.after = Some(next);
                }
                for id in expected(&ListQuery { after: None, ..query.clone() }, &before) {
                    let times = seen.iter().filter(|seen| **seen == id).count();
                    assert!(times == 1 || (times == 0 && gone.contains(&id)), "{times} times: {query:?}");
                }
                assert!(gone.len() > 1, "{query:?}");
            }
        }
    });
}

/// Products of a seller of this round's own.
async fn fill_round(f: &Fixture, round: usize) -> Vec<Product> {
    let mut random = Random(round as u64);
    let mut products = Vec::new();
    for n in 0..60 {
        let mut stocked = random_product(f, &mut random, n);
        let product = &mut stocked.product;
        product.owner_id = owner(100 + round as u128);
        product.handle = format!("{round}-{n}");
        product.variants.iter_mut().for_each(|variant| variant.sku = None);
        f.insert(&stocked).await.unwrap();
        products.push(stocked.product);
    }
    products
}

#[test]
fn categories_are_told_by_name_with_their_counts() {
    on_both(async |f| {
        assert_eq!(f.lists.categories(None, 10).await.unwrap(), []);
        let mut expected = BTreeMap::new();
        for product in fill(&f, 200).await {
            if let (Status::Active, Some(category)) = (product.status, product.category) {
                *expected.entry(category).or_insert(0) += 1;
            }
        }
        let expected: Vec<(String, i64)> = expected.into_iter().collect();
        assert_eq!(expected.len(), 4);
        assert_eq!(f.lists.categories(None, 10).await.unwrap(), expected);
        assert_eq!(f.lists.categories(None, 2).await.unwrap(), expected[..2]);
        assert_eq!(f.lists.categories(Some(&expected[0].0), 3).await.unwrap(), expected[1..]);
        assert_eq!(f.lists.categories(Some(&expected[3].0), 2).await.unwrap(), []);
    });
}
