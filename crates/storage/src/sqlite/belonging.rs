//! The mark of a file's store.

use std::path::Path;

use kernel::Uuid;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{connect, has_table};
use crate::StoreError;
use crate::belonging::{ADD_SERVICE, Belonging, ID, Mark, SERVICES, SET_ID};

/// See [`crate::inspect::enrol`]. Blocks.
pub fn enrol(folder: &Path, service: &str, id: Uuid, services: &[&str]) -> Result<Uuid, StoreError> {
    let mut connection = connect(&folder.join(format!("{service}.db")), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(SET_ID, [id.as_bytes()])?;
    for service in services {
        transaction.execute(ADD_SERVICE, [service])?;
    }
    let id = transaction.query_row(ID, [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(Uuid::from_bytes(id))
}

pub fn belonging(connection: &Connection) -> Result<Belonging, StoreError> {
    if !has_table(connection, "store")? {
        return Ok(Belonging::Unmarked);
    }
    let mut ids = connection.prepare(ID)?;
    let Some(id) = ids.query_map([], |row| row.get(0))?.next().transpose()? else { return Ok(Belonging::Unmarked) };
    let mut services = connection.prepare(SERVICES)?;
    let services = services.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Belonging::Marked(Mark { id: Uuid::from_bytes(id), services }))
}
