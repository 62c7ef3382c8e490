//! Where a database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::postgres;

/// `sqlite:FOLDER` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The folder with one file per service.
    Sqlite(PathBuf),
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if let Some(folder) = url.strip_prefix("sqlite:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            if folder.is_empty() || folder.starts_with(':') {
                return Err("sqlite: needs a folder, as in sqlite:./primetrade-data".into());
            }
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(folder)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres::Named::parse(url)?;
            return Ok(DatabaseUrl::Postgres(url.to_owned()));
        }
        Err("expected sqlite:FOLDER or postgres://user:password@host:port/database".into())
    }
}

/// Never prints the password.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            DatabaseUrl::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}
