//! What can go wrong in a store. "Not found" is not among it: look-ups return `Option`.

use std::time::Duration;

use kernel::Error;
use tokio_postgres::error::SqlState;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A uniqueness or range rule of the schema refused the write. Named alike on both databases: `accounts.email_key`,
    /// `products.owner_id, products.handle`.
    #[error("conflict on {0}")]
    Conflict(String),
    /// The database cannot be reached, or did not answer in time. Nothing was written, unless the connection broke under
    /// a commit: then nobody here knows.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The clocks of this process and of the database are apart: by how much, in words.
    #[error("this machine's clock is {0} its database's")]
    Clock(String),
    /// The file, or its log, was removed, or another put in its place, while it was open. Nothing was written; reads go on in the one that was opened.
    #[error(
        "{0} was removed or replaced while it was open: stop the server, put the right file there, and start it again"
    )]
    Moved(String),
    /// There is no room on its disk. Nothing was written; reads go on.
    #[error("the disk of the database is full: {0}")]
    DiskFull(String),
    /// The database undid this transaction, because of a deadlock or of a lock that others hold; another try may succeed.
    #[error("undone by the database: {0}")]
    Undone(String),
    /// All connections are taken.
    #[error("the database is overloaded: {0}")]
    Overloaded(&'static str),
    /// A stored row does not fit the model.
    #[error("malformed row in {table}, column {column}, row {row}: {detail}")]
    Corrupt { table: &'static str, column: &'static str, row: String, detail: String },
    /// A statement that the schema does not understand, or a schema of another release.
    #[error("{0}")]
    Migration(String),
    /// A statement failed for a reason that is a defect of ours.
    #[error("a statement failed: {0}")]
    Statement(String),
}

impl StoreError {
    pub fn corrupt(table: &'static str, column: &'static str, row: impl ToString, detail: impl ToString) -> Self {
        StoreError::Corrupt { table, column, row: row.to_string(), detail: detail.to_string() }
    }

    /// The database did not answer while it was waited for. What it was asked to do may be done or not.
    pub(super) fn late() -> Self {
        StoreError::Unavailable("the database did not answer in time".into())
    }

    /// Whether the named uniqueness rule refused the write.
    pub fn is_conflict_on(&self, rule: &str) -> bool {
        matches!(self, StoreError::Conflict(on) if on == rule)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(on) => Error::conflict(format!("conflicts with a stored value of {on}")),
            StoreError::Unavailable(detail) | StoreError::Undone(detail) => Error::Unavailable(detail),
            moved @ StoreError::Moved(_) => Error::Unavailable(moved.to_string()),
            StoreError::DiskFull(detail) => Error::DiskFull(detail),
            StoreError::Overloaded(what) => Error::Overloaded { what, retry_after: Duration::from_secs(1) },
            other => Error::Internal(other.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let Some(code) = error.sqlite_error() else {
            return StoreError::Statement(error.to_string());
        };
        match code.code {
            Code::ConstraintViolation => {
                let text = error.to_string();
                let rule = text.split_once("failed: ").map_or(text.as_str(), |(_, rule)| rule);
                // An index of expressions is named by itself.
                let rule = rule.strip_prefix("index '").and_then(|rule| rule.strip_suffix('\'')).unwrap_or(rule);
                StoreError::Conflict(rule.to_owned())
            }
            Code::DiskFull => StoreError::DiskFull(error.to_string()),
            // The index of the log, which is a file too, finds no room.
            Code::SystemIoFailure if code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
                StoreError::DiskFull(error.to_string())
            }
            Code::SystemIoFailure
            | Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::OperationInterrupted
            | Code::CannotOpen
            | Code::ReadOnly
            | Code::OutOfMemory => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Statement(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // A value of another type than the column's is a defect; everything else without a server's word is the connection.
            let text = describe(&error);
            return if text.contains("serializing") || text.contains("deserializing") {
                StoreError::Statement(text)
            } else {
                StoreError::Unavailable(text)
            };
        };
        let code = db.code().code();
        match &code[..2] {
            "23" => StoreError::Conflict(db.constraint().unwrap_or(db.message()).to_owned()),
            _ if *db.code() == SqlState::DISK_FULL => StoreError::DiskFull(db.message().to_owned()),
            "40" => StoreError::Undone(db.message().to_owned()),
            // Connection, log-in, resources, shutdown, statement time-out, system error, a transaction in the wrong state.
            "08" | "28" | "3D" | "53" | "57" | "58" | "25" => StoreError::Unavailable(db.message().to_owned()),
            _ => StoreError::Statement(format!("{} ({code})", db.message())),
        }
    }
}

/// The error with its cause; tokio-postgres prints only its own kind.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error);
    if let Some(words) = source.and_then(|source| source.downcast_ref()).and_then(tls::words) {
        return format!("{error}: {words}");
    }
    match source {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
