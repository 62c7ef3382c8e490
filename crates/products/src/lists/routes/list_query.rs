//! What lists of products are asked with and answered by, here and where other services list them.

use std::collections::HashMap;
use std::sync::LazyLock;

use api::v2::page::Key;
use api::v2::{self, Position, Query, Refusal};
use auth::names::Name;
use axum::response::Response;
use kernel::product::MAX_CATEGORY;
use kernel::{Currency, Error, Timestamp, Uuid, text};
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::catalogue::model::{Product, Status};
use crate::catalogue::routes::v2::{V2Product, managed_etag, public_etag};
use crate::lists::store::{By, ListQuery, Listed, Shelf, Sort};
use crate::lists::{Count, Lists};

/// The highest price of any currency, in its minor units.
const HIGHEST_PRICE: i64 = 999_999_999_999;

/// The parameters that a list takes are those that are described.
static PUBLIC: LazyLock<Vec<String>> =
    LazyLock::new(|| names(&[ListParameters::into_params, OwnerParameter::into_params, HiddenParameter::into_params]));
static OWN: LazyLock<Vec<String>> =
    LazyLock::new(|| names(&[ListParameters::into_params, StatusParameter::into_params]));

/// By a field, or against it.
const SORTS: &[(&str, Sort)] = &[
    ("-created_at", Sort::NEWEST),
    ("created_at", Sort::up(By::Created)),
    ("-updated_at", Sort::down(By::Updated)),
    ("updated_at", Sort::up(By::Updated)),
    ("price", Sort::up(By::Price)),
    ("-price", Sort::down(By::Price)),
    ("name", Sort::up(By::Name)),
    ("-name", Sort::down(By::Name)),
    // As it was called first.
    ("newest", Sort::NEWEST),
];
/// Ids that a list may be narrowed to.
const IDS: usize = 100;
static STATUSES: LazyLock<[(&str, Status); 4]> = LazyLock::new(|| Status::ALL.map(|status| (status.as_str(), status)));
const COUNTS: &[(&str, Count)] = &[("exact", Count::Exact), ("estimated", Count::Estimated)];

/// What every list of products takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct ListParameters {
    /// Exactly this category.
    #[param(max_length = 255)]
    category: Option<String>,
    /// Only products of which something is in stock, or nothing.
    in_stock: Option<bool>,
    /// Only products with prices in this currency. Without it, prices are compared in the shop's own.
    #[param(value_type = Option<Currency>)]
    currency: Option<Currency>,
    /// The lowest price, in minor units of the currency.
    #[param(minimum = 0, maximum = 999_999_999_999_i64)]
    price_min: Option<i64>,
    /// The highest price, in minor units of the currency; not below `price_min`.
    #[param(minimum = 0, maximum = 999_999_999_999_i64)]
    price_max: Option<i64>,
    /// Only these products: ids with commas between them, a hundred at most.
    #[param(value_type = Option<String>, max_length = 3_700)]
    ids: Option<String>,
    /// Exactly this handle. Handles are unique per owner.
    #[param(max_length = 255)]
    handle: Option<String>,
    /// Products with a variant of this SKU, in any case of its letters.
    #[param(max_length = 255)]
    sku: Option<String>,
    /// Products with a variant of exactly this barcode.
    #[param(max_length = 255)]
    barcode: Option<String>,
    /// Products with exactly this tag.
    #[param(max_length = 255)]
    tag: Option<String>,
    /// Exactly this vendor.
    #[param(max_length = 255)]
    vendor: Option<String>,
    /// Only products that were changed then or later. Whoever keeps a copy asks with `sort=updated_at` from a minute before the last change
    /// seen: of changes at once, one may be told a moment after its time. Products that are deleted or no longer active are not told.
    #[param(value_type = Option<String>, format = DateTime)]
    updated_since: Option<Timestamp>,
    /// Sorted by price, the list has only products of the currency. `newest` is `-created_at`.
    #[param(inline)]
    sort: Option<Sort>,
    /// How many products a page has at most. It may have fewer: only a `next_cursor` of null is the end.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filters and order.
    #[param(max_length = 2048)]
    cursor: Option<String>,
    /// Tells in `count` how many products the whole list has: `estimated` takes the same short time for every list, `exact` the
    /// longer, the longer the list.
    #[param(inline)]
    count: Option<Count>,
}

/// What the public list takes besides.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct OwnerParameter {
    /// Only products of this seller.
    owner_id: Option<Uuid>,
}

/// What the public list takes besides, of administrators.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct HiddenParameter {
    /// Another status than `active`, for administrators: products of all sellers, with their stock, by `created_at`.
    #[param(inline)]
    status: Option<Status>,
}

/// What a seller's own list takes besides.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct StatusParameter {
    #[param(inline)]
    status: Option<Status>,
}

impl PartialSchema for Sort {
    fn schema() -> RefOr<Schema> {
        let default = SORTS.iter().find(|(_, sort)| *sort == Sort::default());
        words(SORTS).default(default.map(|(word, _)| (*word).into())).into()
    }
}

impl ToSchema for Sort {}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        words(COUNTS).into()
    }
}

impl ToSchema for Count {}

/// One of these words.
fn words<T>(choices: &[(&str, T)]) -> ObjectBuilder {
    let words = choices.iter().map(|(word, _)| *word);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}

type Described = fn(fn() -> Option<ParameterIn>) -> Vec<Parameter>;

fn names(parameters: &[Described]) -> Vec<String> {
    parameters.iter().flat_map(|described| described(|| None)).map(|parameter| parameter.name).collect()
}

fn known(names: &'static [String]) -> Vec<&'static str> {
    names.iter().map(String::as_str).collect()
}

fn ids(text: &str) -> Option<Vec<Uuid>> {
    let ids: Vec<Uuid> = text.split(',').map(|id| id.parse().ok()).collect::<Option<_>>()?;
    Some(ids).filter(|ids| ids.len() <= IDS)
}

/// A list that was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    query: ListQuery,
    /// What cursors of this list are bound to.
    scope: String,
    count: Option<Count>,
}

impl Asked {
    /// The public list; of administrators, also that of another status. `currency` is the shop's own.
    ///
    /// # Errors
    /// `Invalid` with every parameter that is wrong.
    pub fn public(raw: Option<&str>, currency: Currency) -> Result<Self, Error> {
        let mut query = Query::read(raw, &known(&PUBLIC));
        let owner = query.id("owner_id");
        let status = query.choice("status", &*STATUSES).filter(|status| *status != Status::Active);
        let shelf = match (status, owner) {
            (None, owner) => Shelf::Public(owner),
            (Some(_), Some(owner)) => Shelf::Own(owner),
            (Some(_), None) => Shelf::Hidden,
        };
        Self::parse(query, ListQuery { status, ..ListQuery::new(shelf, currency) })
    }

    /// Whether everyone may see it.
    pub fn is_public(&self) -> bool {
        matches!(self.query.shelf, Shelf::Public(_))
    }

    /// Everything that `owner` has.
    ///
    /// # Errors
    /// As [`Asked::public`].
    pub fn own(raw: Option<&str>, owner: Uuid, currency: Currency) -> Result<Self, Error> {
        let mut query = Query::read(raw, &known(&OWN));
        let status = query.choice("status", &*STATUSES);
        Self::parse(query, ListQuery { status, ..ListQuery::new(Shelf::Own(owner), currency) })
    }

    fn parse(mut query: Query, list: ListQuery) -> Result<Self, Error> {
        let fits = |text: &str| Some(text.to_owned()).filter(|text| text.chars().count() <= MAX_CATEGORY);
        let category = query.parsed("category", &format!("at most {MAX_CATEGORY} characters"), fits);
        let in_stock = query.boolean("in_stock");
        let currency = query.parsed("currency", "an ISO 4217 code such as USD", Currency::parse);
        let least = query.integer("price_min", 0..=HIGHEST_PRICE);
        let most = query.integer("price_max", 0..=HIGHEST_PRICE);
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            query.refuse("price_max", "range", "price_max must not be below price_min");
        }
        let text = |query: &mut Query, name| query.parsed(name, "at most 255 characters", fits);
        let [handle, sku, barcode, tag, vendor] =
            ["handle", "sku", "barcode", "tag", "vendor"].map(|name| text(&mut query, name));
        let ids = query.parsed("ids", &format!("1 to {IDS} UUIDs with commas between them"), ids);
        let updated_since = query.parsed(
            "updated_since",
            "a time of RFC 3339 such as 2026-01-31T12:00:00Z (in an address a + is a space: write %2B)",
            Timestamp::parse,
        );
        let sort = query.choice("sort", SORTS).unwrap_or(list.sort);
        if list.shelf == Shelf::Hidden && sort.by != By::Created {
            query.refuse("sort", "value", "products of all sellers that are not active are sorted by created_at only");
        }
        let count = query.choice("count", COUNTS);
        let limit = query.limit();
        let mut list = ListQuery {
            category,
            in_stock,
            currency: currency.unwrap_or(list.currency),
            only_currency: currency.is_some(),
            ids,
            handle,
            sku_key: sku.as_deref().map(text::fold),
            barcode,
            tag,
            vendor,
            updated_since,
            price: (least.is_some() || most.is_some()).then(|| (least.unwrap_or(0), most.unwrap_or(HIGHEST_PRICE))),
            sort,
            limit,
            ..list
        };
        let scope = list.scope();
        let sorted = |after: &Position| matches!(after.key, Key::Text(_)) == (sort.by == By::Name);
        list.after = query.cursor(&scope, |after| Some(after).filter(sorted));
        query.finish()?;
        Ok(Asked { query: list, scope, count })
    }

    async fn find(self, lists: &Lists) -> Result<(Listed, Frame), Error> {
        let count = match self.count {
            Some(how) => Some(lists.count(&self.query, how).await?),
            None => None,
        };
        let currency = self.query.is_of_one_currency().then_some(self.query.currency);
        let listed = lists.list(self.query).await?;
        let next_cursor = listed.next.as_ref().map(|next: &Position| next.to_cursor(&self.scope));
        Ok((listed, Frame { next_cursor, count, currency }))
    }
}

/// One page of a list of products.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductPage)]
pub struct V2ProductPage<'a> {
    items: Vec<V2Product<'a>>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
    /// How many there are in all, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    count: Option<i64>,
    /// Of a list by price, or of prices between bounds: the currency of all its products. Those in others are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Currency>, nullable = false)]
    currency: Option<Currency>,
}

/// A page without its items.
struct Frame {
    next_cursor: Option<String>,
    count: Option<i64>,
    currency: Option<Currency>,
}

impl Frame {
    fn around(self, items: Vec<V2Product<'_>>) -> V2ProductPage<'_> {
        V2ProductPage { items, next_cursor: self.next_cursor, count: self.count, currency: self.currency }
    }
}

fn name<'n>(names: &'n HashMap<Uuid, Name>, product: &Product) -> Option<&'n str> {
    names.get(&product.owner_id).and_then(Option::as_deref)
}

/// A page for everyone.
///
/// # Errors
/// As the use case.
pub async fn public(lists: &Lists, asked: Asked) -> Result<Response, Refusal> {
    let (listed, frame) = asked.find(lists).await?;
    let names = lists.products.sellers.names(listed.products.iter().map(|one| one.owner_id)).await;
    let mut items = Vec::with_capacity(listed.products.len());
    for product in &listed.products {
        let seller = name(&names, product);
        items.push(V2Product::shown(product, seller).listed(&public_etag(product, seller)));
    }
    Ok(v2::public(&frame.around(items)))
}

/// A page with stock, for those who manage these products: the caller sees to that.
///
/// # Errors
/// As the use case.
pub async fn managed(lists: &Lists, asked: Asked) -> Result<Response, Refusal> {
    let (listed, frame) = asked.find(lists).await?;
    let stocked = lists.products.with_stock(listed.products).await?;
    let names = lists.products.sellers.names(stocked.iter().map(|one| one.product.owner_id)).await;
    let mut items = Vec::with_capacity(stocked.len());
    for one in &stocked {
        let managed = V2Product::managed(one, name(&names, &one.product));
        items.push(managed.listed(&managed_etag(one.product.version)));
    }
    Ok(v2::private(&frame.around(items)))
}
