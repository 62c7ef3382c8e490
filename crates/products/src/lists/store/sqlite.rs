//! Lists on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params, params_from_iter};
use storage::StoreError;
use storage::sqlite::Sqlite;

use super::sql::{self, Dialect, Param, SAMPLE, Sql};
use super::{ListQuery, ListStore, Looked, POINT_ROWS, fits};

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Param::Id(id) => ValueRef::Blob(id.as_bytes()),
            Param::Number(number) => ValueRef::Integer(*number),
            Param::Text(text) => ValueRef::Text(text.as_bytes()),
            Param::Flag(flag) => ValueRef::Integer(i64::from(*flag)),
            Param::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
                return Ok(ToSqlOutput::Owned(Value::Text(format!("[{}]", ids.join(",")))));
            }
        }))
    }
}

/// Takes row by row, so that it ends with the last one that is wanted.
fn look_at(c: &Connection, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
    let tells_hits = query.tells_hits();
    let sql = query.rows(Dialect::Sqlite, look, wanted);
    let mut statement = c.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(&sql.params))?;
    let mut looked = Looked::default();
    let mut seen = 0;
    while looked.found.len() < wanted
        && let Some(row) = rows.next()?
    {
        seen += 1;
        looked.add(query.sort, row, fits(tells_hits, row)?, seen == look)?;
    }
    Ok(looked)
}

fn one(c: &Connection, sql: &Sql<'_>) -> Result<i64, StoreError> {
    Ok(c.prepare_cached(&sql.text)?.query_row(params_from_iter(&sql.params), |row| row.get(0))?)
}

fn two(c: &Connection, sql: &Sql<'_>) -> Result<(i64, i64), StoreError> {
    let mut statement = c.prepare_cached(&sql.text)?;
    Ok(statement.query_row(params_from_iter(&sql.params), |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Lists of products in a file.
pub struct SqliteLists(pub Arc<Sqlite>);

#[async_trait]
impl ListStore for SqliteLists {
    async fn look(&self, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
        if look <= POINT_ROWS {
            return self.0.read_point(|c| look_at(c, query, look, wanted));
        }
        let query = query.clone();
        self.0.read(move |c| look_at(c, &query, look, wanted)).await
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        let query = query.clone();
        self.0.read(move |c| one(c, &query.count(Dialect::Sqlite))).await
    }

    async fn estimate(&self, query: &ListQuery) -> Result<i64, StoreError> {
        if query.is_few() {
            return self.count(query).await;
        }
        let query = ListQuery { after: None, ..query.clone() };
        let read = move |c: &Connection| {
            let (seen, fit) = two(c, &query.first(Dialect::Sqlite, SAMPLE))?;
            if seen < SAMPLE as i64 {
                return Ok(fit);
            }
            // Row ids are given in order, so the last one tells how many there were ever: nearly how many there are.
            let size =
                c.prepare_cached("select coalesce(max(rowid), 0) from products")?.query_row([], |row| row.get(0))?;
            Ok(super::extrapolate(two(c, &query.sample(Dialect::Sqlite))?, size).max(fit))
        };
        self.0.read(read).await
    }

    async fn categories(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
        let (statement, after) = sql::categories(after);
        let after = after.to_owned();
        let read = move |c: &Connection| {
            let mut statement = c.prepare_cached(statement)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = statement.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        };
        self.0.read(read).await
    }
}
