//! The product of both peers: the columns that PrimeTrade keeps, and JSON of the same shape and size as its API v2.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use uuid::{Builder, Uuid};

use crate::Result;

/// Every seeded and created product belongs to one seller, as in the PrimeTrade runs.
const SELLER: Uuid = Uuid::from_u128(0x0000_5e11_e700_7000_8000_0000_0000_0001);
const CURRENCY: &str = "USD";

/// Both tables, in the order of the statements that bind and select them.
pub const PRODUCT_COLUMNS: &str = "id, owner_id, handle, name, description, category, tags, vendor, status, price, \
     currency, in_stock, version, created_at, updated_at";
pub const VARIANT_COLUMNS: &str = "id, sku, barcode, options, price, compare_at_price, on_hand";

/// The one read of both peers: a row per variant, each beside its product.
pub fn read_statement() -> String {
    let columns =
        |table: &str, names: &str| names.split(", ").map(|name| format!("{table}.{name}")).collect::<Vec<_>>();
    let columns = [columns("p", PRODUCT_COLUMNS), columns("v", VARIANT_COLUMNS)].concat().join(", ");
    format!(
        "select {columns} from products p join variants v on v.product_id = p.id where p.id = $1 order by v.position"
    )
}

/// What `POST /products` accepts.
#[derive(Deserialize)]
pub struct Draft {
    name: String,
    description: Option<String>,
    price: f64,
    category: Option<String>,
    #[serde(default)]
    stock: i32,
}

/// A product with one default variant, on its way into the database. Amounts are minor units, times microseconds UTC.
pub struct Product {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub variant_id: Uuid,
    pub handle: String,
    pub name: String,
    pub description: Option<String>,
    pub category: Option<String>,
    pub tags: String,
    pub vendor: Option<String>,
    pub status: &'static str,
    pub price: i64,
    pub currency: &'static str,
    pub sku: Option<String>,
    pub on_hand: i32,
    pub version: i64,
    pub created_at: i64,
}

impl Product {
    pub fn from_draft(draft: Draft) -> Result<Self> {
        let now = now_micros()?;
        let id = time_ordered_id(now)?;
        Ok(Product {
            id,
            owner_id: SELLER,
            variant_id: time_ordered_id(now)?,
            handle: format!("product-{}", id.simple()),
            name: draft.name,
            description: draft.description,
            category: draft.category,
            tags: "[]".to_owned(),
            vendor: None,
            status: "draft",
            price: (draft.price * 100.0).round() as i64,
            currency: CURRENCY,
            sku: None,
            on_hand: draft.stock,
            version: 1,
            created_at: now,
        })
    }

    pub fn to_json(&self) -> String {
        let mut json = Json::begin(&Row {
            id: self.id,
            owner_id: self.owner_id,
            handle: &self.handle,
            name: &self.name,
            description: self.description.as_deref(),
            category: self.category.as_deref(),
            tags: &self.tags,
            vendor: self.vendor.as_deref(),
            status: self.status,
            price: self.price,
            currency: self.currency,
            in_stock: self.on_hand > 0,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.created_at,
        });
        json.variant(&VariantRow {
            id: self.variant_id,
            sku: self.sku.as_deref(),
            barcode: None,
            options: "{}",
            price: self.price,
            currency: self.currency,
            compare_at_price: None,
            on_hand: self.on_hand,
        });
        json.end()
    }
}

/// `count` products like those that the benchmark imports into PrimeTrade.
pub fn samples(count: usize) -> Result<Vec<Product>> {
    let now = now_micros()?;
    let start = now - i64::try_from(count)? * 1_000;
    let sample = |number: i64| -> Result<Product> {
        let created_at = start + number * 1_000;
        Ok(Product {
            id: time_ordered_id(created_at)?,
            owner_id: SELLER,
            variant_id: time_ordered_id(created_at)?,
            handle: format!("sample-product-{number}"),
            name: format!("Sample product {number}"),
            description: Some(format!("{:.<200}", format!("Made-up description of sample product {number}"))),
            category: Some(format!("category-{:02}", number % 20 + 1)),
            tags: r#"["sample","load"]"#.to_owned(),
            vendor: Some("Sample vendor".to_owned()),
            status: "active",
            price: 100 + number % 99_900,
            currency: CURRENCY,
            sku: Some(format!("SKU-{number}")),
            on_hand: 1_000,
            version: 1,
            created_at,
        })
    };
    (1..=i64::try_from(count)?).map(sample).collect()
}

#[expect(clippy::disallowed_methods, reason = "a bare peer has no tests that would need another clock")]
fn now_micros() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// UUIDv7: new rows go to the end of the index, as PrimeTrade's own ids do.
fn time_ordered_id(micros: i64) -> Result<Uuid> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(micros / 1_000)?;
    Ok(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// A stored product, borrowed from the driver's row, so that nothing is copied before it is JSON.
pub struct Row<'a> {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub handle: &'a str,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub category: Option<&'a str>,
    /// A JSON array, stored as text.
    pub tags: &'a str,
    pub vendor: Option<&'a str>,
    pub status: &'a str,
    pub price: i64,
    pub currency: &'a str,
    pub in_stock: bool,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A stored variant; `options` is a JSON object, stored as text.
pub struct VariantRow<'a> {
    pub id: Uuid,
    pub sku: Option<&'a str>,
    pub barcode: Option<&'a str>,
    pub options: &'a str,
    pub price: i64,
    pub currency: &'a str,
    pub compare_at_price: Option<i64>,
    pub on_hand: i32,
}

/// Writes a product and then its variants, straight into the answer's buffer.
pub struct Json {
    text: String,
    variants: usize,
}

impl Json {
    pub fn begin(row: &Row<'_>) -> Self {
        let mut json = Json { text: String::with_capacity(1_024), variants: 0 };
        json.text.push('{');
        json.id("id", row.id);
        json.id("owner_id", row.owner_id);
        json.string("handle", Some(row.handle));
        json.string("name", Some(row.name));
        json.string("description", row.description);
        json.string("category", row.category);
        json.raw("tags", row.tags);
        json.string("vendor", row.vendor);
        json.string("status", Some(row.status));
        json.money("price", Some(row.price), row.currency);
        json.raw("in_stock", if row.in_stock { "true" } else { "false" });
        json.raw("images", "[]");
        json.raw("version", &row.version.to_string());
        json.time("created_at", row.created_at);
        json.time("updated_at", row.updated_at);
        json.text.push_str("\"variants\":[");
        json
    }

    pub fn variant(&mut self, row: &VariantRow<'_>) {
        self.text.push_str(if self.variants == 0 { "{" } else { ",{" });
        self.variants += 1;
        self.id("id", row.id);
        self.string("sku", row.sku);
        self.string("barcode", row.barcode);
        self.raw("options", row.options);
        self.money("price", Some(row.price), row.currency);
        self.money("compare_at_price", row.compare_at_price, row.currency);
        self.raw("in_stock", if row.on_hand > 0 { "true" } else { "false" });
        self.text.pop();
        self.text.push('}');
    }

    pub fn end(mut self) -> String {
        self.text.push_str("]}");
        self.text
    }

    /// A member whose value is JSON already, with the comma after it.
    fn raw(&mut self, name: &str, value: &str) {
        for part in ["\"", name, "\":", value, ","] {
            self.text.push_str(part);
        }
    }

    fn id(&mut self, name: &str, id: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut buffer);
        for part in ["\"", name, "\":\"", text, "\","] {
            self.text.push_str(part);
        }
    }

    fn string(&mut self, name: &str, value: Option<&str>) {
        match value.map(serde_json::to_string) {
            Some(Ok(quoted)) => self.raw(name, &quoted),
            _ => self.raw(name, "null"),
        }
    }

    fn money(&mut self, name: &str, amount: Option<i64>, currency: &str) {
        match amount {
            Some(amount) => self.raw(name, &format!("{{\"amount\":{amount},\"currency\":\"{currency}\"}}")),
            None => self.raw(name, "null"),
        }
    }

    fn time(&mut self, name: &str, micros: i64) {
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.raw(name, &format!("\"{time}\""));
    }
}
