//! A look behind the API, for what no endpoint shows. Tests use it sparingly: it binds them to table names.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;

use crate::server::{Deployment, Topology};

impl Deployment {
    /// Runs SQL on one service's own database (`auth`, `products`) and returns the rows as text: null is empty, bytes
    /// are hexadecimal on SQLite.
    ///
    /// # Panics
    /// When the statement fails.
    pub fn sql(&self, service: &str, sql: &str) -> Vec<Vec<String>> {
        match self.topology() {
            Topology::Sqlite => sqlite(&self.data_folder().join(format!("{service}.db")), sql),
            Topology::Postgres | Topology::Split => crate::postgres::psql(self.database_url(), service, sql),
        }
    }
}

fn sqlite(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let run = || -> rusqlite::Result<Vec<Vec<String>>> {
        let connection = rusqlite::Connection::open(file)?;
        // The server may be writing.
        connection.busy_timeout(Duration::from_secs(30))?;
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut result = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|i| row.get_ref(i).map(text));
            result.push(values.collect::<rusqlite::Result<_>>()?);
        }
        Ok(result)
    };
    run().unwrap_or_else(|error| panic!("{sql}\n{}: {error}", file.display()))
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
