//! Lists on SQLite.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params, params_from_iter};
use storage::StoreError;
use storage::sqlite::Sqlite;

use super::sql::{self, Dialect, Param, SAMPLE, Sql};
use super::{ListQuery, Looked, POINT_ROWS, fits};

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

pub async fn look(db: &Arc<Sqlite>, query: &ListQuery, look: usize, wanted: usize) -> Result<Looked, StoreError> {
    if look <= POINT_ROWS {
        return db.read_point(|c| look_at(c, query, look, wanted));
    }
    let query = query.clone();
    db.read(move |c| look_at(c, &query, look, wanted)).await
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

pub async fn count(db: &Arc<Sqlite>, query: &ListQuery) -> Result<i64, StoreError> {
    let query = query.clone();
    db.read(move |c| one(c, &query.count(Dialect::Sqlite))).await
}

pub async fn estimate(db: &Arc<Sqlite>, query: &ListQuery) -> Result<i64, StoreError> {
    if query.is_few() {
        return count(db, query).await;
    }
    let query = ListQuery { after: None, ..query.clone() };
    let read = move |c: &Connection| {
        let (seen, fit) = two(c, &query.first(Dialect::Sqlite, SAMPLE))?;
        if seen < SAMPLE as i64 {
            return Ok(fit);
        }
        // Row ids are given in order, so the last one tells how many there were ever: nearly how many there are.
        let size = c.prepare_cached("select coalesce(max(rowid), 0) from products")?.query_row([], |row| row.get(0))?;
        Ok(super::extrapolate(two(c, &query.sample(Dialect::Sqlite))?, size).max(fit))
    };
    db.read(read).await
}

pub async fn categories(db: &Arc<Sqlite>, after: Option<&str>, limit: usize) -> Result<Vec<(String, i64)>, StoreError> {
    let (statement, after) = sql::categories(after);
    let after = after.to_owned();
    let read = move |c: &Connection| {
        let mut statement = c.prepare_cached(statement)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    };
    db.read(read).await
}

fn one(c: &Connection, sql: &Sql<'_>) -> Result<i64, StoreError> {
    Ok(c.prepare_cached(&sql.text)?.query_row(params_from_iter(&sql.params), |row| row.get(0))?)
}

fn two(c: &Connection, sql: &Sql<'_>) -> Result<(i64, i64), StoreError> {
    let mut statement = c.prepare_cached(&sql.text)?;
    Ok(statement.query_row(params_from_iter(&sql.params), |row| Ok((row.get(0)?, row.get(1)?)))?)
}
