//! Bare axum servers over one database each: what a skilled person would write by hand if a marketplace were only
//! "read a product by its key" and "store a product durably". No accounts, limits, events, logs or cache, so their
//! figures are upper bounds for PrimeTrade on the same machine and database.
//!
//! ```text
//! peer sqlite   seed FILE 100000     prints the ids, one a line
//! peer sqlite   serve FILE
//! peer postgres seed URL 100000
//! peer postgres serve URL            PEER_PIPELINED=4: reads share 4 pipelined connections instead of the pool
//! ```
//! `PEER_LISTEN` (127.0.0.1:0) is the address; it is printed when the server answers.

mod postgres;
mod product;
mod sqlite;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use uuid::Uuid;

use crate::product::{Draft, Product};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The database under measurement, chosen on the command line.
enum Store {
    Postgres(postgres::Store),
    Sqlite(sqlite::Store),
}

impl Store {
    /// The product's JSON, or `None` where there is no such product.
    async fn read(&self, id: Uuid) -> Result<Option<String>> {
        match self {
            Store::Postgres(store) => store.read(id).await,
            Store::Sqlite(store) => store.read(id),
        }
    }

    /// Returns once the product and its variant would survive a power cut.
    async fn create(&self, product: Product) -> Result<Product> {
        match self {
            Store::Postgres(store) => store.create(product).await,
            Store::Sqlite(store) => store.create(product).await,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["sqlite", "seed", file, count] => seed_sqlite(file, count),
        ["sqlite", "serve", file] => serve(sqlite::Store::open(file).map(Store::Sqlite)).await,
        ["postgres", "seed", url, count] => seed_postgres(url, count).await,
        ["postgres", "serve", url] => serve(postgres::Store::connect(url).await.map(Store::Postgres)).await,
        _ => Err("usage: peer sqlite|postgres serve TARGET, or peer sqlite|postgres seed TARGET COUNT".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn seed_sqlite(file: &str, count: &str) -> Result<()> {
    let products = product::samples(count.parse()?)?;
    sqlite::seed(file, &products)?;
    print_ids(&products)
}

async fn seed_postgres(url: &str, count: &str) -> Result<()> {
    let products = product::samples(count.parse()?)?;
    postgres::seed(url, &products).await?;
    print_ids(&products)
}

fn print_ids(products: &[Product]) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for product in products {
        writeln!(out, "{}", product.id)?;
    }
    Ok(out.flush()?)
}

async fn serve(store: Result<Store>) -> Result<()> {
    let app =
        Router::new().route("/products", post(create)).route("/products/{id}", get(read)).with_state(Arc::new(store?));
    let address = std::env::var("PEER_LISTEN").unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("peer is serving on http://{}", listener.local_addr()?);
    // Without TCP_NODELAY a small answer may wait for the client's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

async fn read(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Response {
    let Ok(id) = Uuid::try_parse(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match store.read(id).await {
        Ok(Some(body)) => json(StatusCode::OK, body),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failure(error.as_ref()),
    }
}

async fn create(State(store): State<Arc<Store>>, body: Bytes) -> Response {
    let Ok(draft) = serde_json::from_slice::<Draft>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let created = match Product::from_draft(draft) {
        Ok(product) => store.create(product).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(product) => json(StatusCode::CREATED, product.to_json()),
        Err(error) => failure(error.as_ref()),
    }
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn failure(error: &(dyn Error + Send + Sync)) -> Response {
    eprintln!("peer: {error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
