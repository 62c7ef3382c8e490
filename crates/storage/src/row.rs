//! One way to read a row of either database, so that what a row means is written once per table.

use kernel::Uuid;

/// A row's columns by position. The error says what was found instead; the caller names table, column and row.
pub trait Columns {
    fn uuid(&self, column: usize) -> Result<Uuid, String>;
    fn optional_uuid(&self, column: usize) -> Result<Option<Uuid>, String>;
    fn text(&self, column: usize) -> Result<String, String>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, String>;
    fn integer(&self, column: usize) -> Result<i64, String>;
    fn optional_integer(&self, column: usize) -> Result<Option<i64>, String>;
    fn boolean(&self, column: usize) -> Result<bool, String>;
    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, String>;
}

macro_rules! columns {
    ($row:ty, $get:ident, $uuid:ty) => {
        impl Columns for $row {
            fn uuid(&self, column: usize) -> Result<Uuid, String> {
                self.$get::<_, $uuid>(column).map(Uuid::from).map_err(|error| error.to_string())
            }
            fn optional_uuid(&self, column: usize) -> Result<Option<Uuid>, String> {
                self.$get::<_, Option<$uuid>>(column).map(|id| id.map(Uuid::from)).map_err(|error| error.to_string())
            }
            fn text(&self, column: usize) -> Result<String, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
            fn optional_text(&self, column: usize) -> Result<Option<String>, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
            fn integer(&self, column: usize) -> Result<i64, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
            fn optional_integer(&self, column: usize) -> Result<Option<i64>, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
            fn boolean(&self, column: usize) -> Result<bool, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
            fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, String> {
                self.$get(column).map_err(|error| error.to_string())
            }
        }
    };
}

columns!(rusqlite::Row<'_>, get, IdBytes);
columns!(tokio_postgres::Row, try_get, Uuid);

/// SQLite's form of an id.
struct IdBytes([u8; 16]);

impl From<IdBytes> for Uuid {
    fn from(IdBytes(bytes): IdBytes) -> Self {
        Uuid::from_bytes(bytes)
    }
}

impl rusqlite::types::FromSql for IdBytes {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(Self)
    }
}
