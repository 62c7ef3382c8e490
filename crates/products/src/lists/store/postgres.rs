//! Lists on PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use storage::StoreError;
use storage::postgres::Postgres;
use storage::row::Columns;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::sql::{self, Dialect, NUMBER, Param, SAMPLE, Sql};
use super::{ListQuery, ListStore, Looked, POINT_ROWS, fits};

/// Statistics of the table: below zero when there are none yet.
const SIZE: &str = "select reltuples::bigint from pg_class where oid = 'products'::regclass";

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

/// Lists of products in a schema.
pub struct PostgresLists(pub Arc<Postgres>);

#[async_trait]
impl ListStore for PostgresLists {
    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
        let (tells_hits, is_numbered) = (query.tells_hits(), query.is_numbered(look, wanted));
        let sql = query.rows(Dialect::Postgres, look, wanted);
        let rows = match look {
            0..=POINT_ROWS => self.0.query(&sql.text, &params(&sql)).await?,
            _ => self.0.query_slow(&sql.text, &params(&sql)).await?,
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
    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        let sql = query.count(Dialect::Postgres);
        let rows = self.0.query_once(&sql.text, &params(&sql)).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError> {
        if query.is_few() {
            return self.count(query).await;
        }
        let query = ListQuery { after: None, ..query.clone() };
        let (seen, fit) = two(&self.0, &query.first(Dialect::Postgres, SAMPLE)).await?;
        if seen < SAMPLE as i64 {
            return Ok(fit);
        }
        match self.0.query_opt(SIZE, &[]).await?.map_or(-1, |row| row.get::<_, i64>(0)) {
            ..0 => self.count(&query).await,
            size => Ok(super::extrapolate(two(&self.0, &query.sample(Dialect::Postgres)).await?, size).max(fit)),
        }
    }

    /// Planned anew: it reads every entry of the index for these categories, so that a plan costs little beside it.
    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
        let (statement, after) = sql::categories(after);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.0.query_once(statement, &[&after, &limit]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
