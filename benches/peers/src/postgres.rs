//! PostgreSQL by hand: prepared statements, one round trip per request, reads pooled or pipelined.

use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row as PgRow, Statement};
use uuid::Uuid;

use crate::Result;
use crate::product::{Json, PRODUCT_COLUMNS, Product, Row, VARIANT_COLUMNS, VariantRow, read_statement};

const SCHEMA: &str = r#"
create table products (
    id uuid primary key,
    owner_id uuid not null,
    handle text collate "C" not null,
    name text not null,
    description text,
    category text,
    tags text not null,
    vendor text,
    status text not null,
    price bigint not null,
    currency text not null,
    in_stock boolean not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (owner_id, handle)
);
create table variants (
    id uuid primary key,
    product_id uuid not null references products (id) on delete cascade,
    position integer not null,
    sku text,
    barcode text,
    options text not null,
    price bigint not null,
    compare_at_price bigint,
    on_hand integer not null check (on_hand >= 0),
    unique (product_id, position)
);
"#;

/// Enough to fill PostgreSQL on a few cores; beyond that, connections only queue inside it.
const DEFAULT_POOL: usize = 20;

pub struct Store {
    pool: Pool,
    read: String,
    create: String,
    pipelines: Vec<Pipeline>,
    next: AtomicUsize,
}

/// One connection that many requests share: each sends at once, answers come back in order.
struct Pipeline {
    client: Client,
    read: Statement,
}

impl Pipeline {
    async fn open(url: &str, read: &str) -> Result<Self> {
        let client = connect(url).await?;
        Ok(Pipeline { read: client.prepare(read).await?, client })
    }
}

impl Store {
    /// `PEER_POOL` is the size of the pool; `PEER_PIPELINED` the number of shared connections for reads (0: pooled).
    pub async fn connect(url: &str) -> Result<Self> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.parse()?, NoTls, config);
        let pool = Pool::builder(manager).max_size(setting("PEER_POOL", DEFAULT_POOL)?).build()?;
        let read = read_statement();
        let pipelines = (0..setting("PEER_PIPELINED", 0)?).map(|_| Pipeline::open(url, &read));
        let pipelines = try_join_all(pipelines).await?;
        Ok(Store { pool, create: create_statement(), pipelines, next: AtomicUsize::new(0), read })
    }

    pub async fn read(&self, id: Uuid) -> Result<Option<String>> {
        let rows = if self.pipelines.is_empty() {
            let client = self.pool.get().await?;
            let statement = client.prepare_cached(&self.read).await?;
            client.query(&statement, &[&id]).await?
        } else {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.pipelines.len();
            let Pipeline { client, read } = &self.pipelines[turn];
            client.query(read, &[&id]).await?
        };
        render(&rows)
    }

    pub async fn create(&self, product: Product) -> Result<Product> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(&self.create).await?;
        insert(&client, &statement, &product).await?;
        Ok(product)
    }
}

/// Replaces what the database holds by `products`.
pub async fn seed(url: &str, products: &[Product]) -> Result<()> {
    let client = connect(url).await?;
    client.batch_execute("drop table if exists variants, products").await?;
    client.batch_execute(SCHEMA).await?;
    let statement = client.prepare(&create_statement()).await?;
    client.batch_execute("begin").await?;
    for chunk in products.chunks(1_000) {
        try_join_all(chunk.iter().map(|product| insert(&client, &statement, product))).await?;
    }
    client.batch_execute("commit").await?;
    Ok(client.batch_execute("vacuum analyze products, variants").await?)
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("peer: PostgreSQL connection ended: {error}");
        }
    });
    Ok(client)
}

fn setting(name: &str, default: usize) -> Result<usize> {
    std::env::var(name).map_or(Ok(default), |text| Ok(text.parse()?))
}

/// Both rows in one statement: one transaction, one round trip, one flush of the log.
fn create_statement() -> String {
    format!(
        "with product as (
             insert into products ({PRODUCT_COLUMNS})
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14))
         insert into variants (product_id, position, {VARIANT_COLUMNS})
         values ($1, 0, $15, $16, null, '{{}}', $10, null, $17)"
    )
}

async fn insert(client: &Client, statement: &Statement, product: &Product) -> Result<()> {
    let in_stock = product.on_hand > 0;
    let values: [&(dyn ToSql + Sync); 17] = [
        &product.id,
        &product.owner_id,
        &product.handle,
        &product.name,
        &product.description,
        &product.category,
        &product.tags,
        &product.vendor,
        &product.status,
        &product.price,
        &product.currency,
        &in_stock,
        &product.version,
        &product.created_at,
        &product.variant_id,
        &product.sku,
        &product.on_hand,
    ];
    client.execute(statement, &values).await?;
    Ok(())
}

fn render(rows: &[PgRow]) -> Result<Option<String>> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let mut json = Json::begin(&Row {
        id: first.try_get(0)?,
        owner_id: first.try_get(1)?,
        handle: first.try_get(2)?,
        name: first.try_get(3)?,
        description: first.try_get(4)?,
        category: first.try_get(5)?,
        tags: first.try_get(6)?,
        vendor: first.try_get(7)?,
        status: first.try_get(8)?,
        price: first.try_get(9)?,
        currency: first.try_get(10)?,
        in_stock: first.try_get(11)?,
        version: first.try_get(12)?,
        created_at: first.try_get(13)?,
        updated_at: first.try_get(14)?,
    });
    for row in rows {
        json.variant(&VariantRow {
            id: row.try_get(15)?,
            sku: row.try_get(16)?,
            barcode: row.try_get(17)?,
            options: row.try_get(18)?,
            price: row.try_get(19)?,
            currency: row.try_get(10)?,
            compare_at_price: row.try_get(20)?,
            on_hand: row.try_get(21)?,
        });
    }
    Ok(Some(json.end()))
}
