//! Lists on PostgreSQL.

use storage::StoreError;
use storage::postgres::Postgres;
use storage::row::Columns;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::sql::{self, Dialect, NUMBER, Param, SAMPLE, Sql};
use super::{ListQuery, Looked, POINT_ROWS, fits};

/// Statistics of the table: below zero when there are none yet.
const SIZE: &str = "select reltuples::bigint from pg_class where oid = 'products'::regclass";

pub async fn look(db: &Postgres, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
    let (tells_hits, is_numbered) = (query.tells_hits(), query.is_numbered(look, wanted));
    let sql = query.rows(Dialect::Postgres, look, wanted);
    let rows = match look {
        0..=POINT_ROWS => db.query(&sql.text, &params(&sql)).await?,
        _ => db.query_slow(&sql.text, &params(&sql)).await?,
    };
    let mut looked = Looked::default();
    for (n, row) in (1..).zip(&rows) {
        let number = || row.integer(NUMBER).map_err(|error| StoreError::corrupt("products", "number", "?", error));
        let number = if is_numbered { number()? } else { n };
        looked.add(query.sort, row, fits(tells_hits, row)?, number == look as i64)?;
    }
    Ok(looked)
}

/// Planned anew: what suits a count depends on how much there is.
pub async fn count(db: &Postgres, query: &ListQuery) -> Result<i64, StoreError> {
    let sql = query.count(Dialect::Postgres);
    let rows = db.query_once(&sql.text, &params(&sql)).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

pub async fn estimate(db: &Postgres, query: &ListQuery) -> Result<i64, StoreError> {
    if query.is_few() {
        return count(db, query).await;
    }
    let query = ListQuery { after: None, ..query.clone() };
    let (seen, fit) = two(db, &query.first(Dialect::Postgres, SAMPLE)).await?;
    if seen < SAMPLE as i64 {
        return Ok(fit);
    }
    match db.query_opt(SIZE, &[]).await?.map_or(-1, |row| row.get::<_, i64>(0)) {
        ..0 => count(db, &query).await,
        size => Ok(super::extrapolate(two(db, &query.sample(Dialect::Postgres)).await?, size).max(fit)),
    }
}

/// Planned anew: it reads every entry of the index for these categories, so that a plan costs little beside it.
pub async fn categories(db: &Postgres, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
    let (statement, after) = sql::categories(after);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db.query_once(statement, &[&after, &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn two(db: &Postgres, sql: &Sql<'_>) -> Result<(i64, i64), StoreError> {
    let rows = db.query_slow(&sql.text, &params(sql)).await?;
    Ok(rows.first().map_or((0, 0), |row: &Row| (row.get(0), row.get(1))))
}

pub(super) fn params<'a>(sql: &'a Sql<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    let param = |param: &'a Param<'_>| match param {
        Param::Id(id) => id as &(dyn ToSql + Sync),
        Param::Number(number) => number,
        Param::Text(text) => text,
        Param::Flag(flag) => flag,
        Param::Ids(ids) => ids,
    };
    sql.params.iter().map(param).collect()
}
