//! The mark of a schema's store.

use kernel::Uuid;
use tokio_postgres::Client;

use super::checkup::{connect, in_time};
use crate::StoreError;
use crate::belonging::{ADD_SERVICE, Belonging, ID, Mark, SERVICES, SET_ID};

/// See [`crate::inspect::enrol`].
pub async fn enrol(url: &str, service: &str, id: Uuid, services: &[&str]) -> Result<Uuid, StoreError> {
    in_time(async {
        let (mut client, _) = connect(url).await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&format!("set local search_path to {service}")).await?;
        // Who comes second waits here for the first, and finds the first one's id below.
        transaction.execute(SET_ID, &[&id]).await?;
        for service in services {
            transaction.execute(ADD_SERVICE, &[service]).await?;
        }
        let id = transaction.query_one(ID, &[]).await?.get(0);
        transaction.commit().await?;
        Ok(id)
    })
    .await
}

/// What the table, which is there and may be read, says.
pub async fn belonging(client: &Client, service: &str) -> Result<Belonging, StoreError> {
    let of = |sql: &str, table: &str| sql.replace(&format!("from {table}"), &format!("from {service}.{table}"));
    let Some(id) = client.query_opt(&of(ID, "store"), &[]).await? else { return Ok(Belonging::Unmarked) };
    let services = client.query(&of(SERVICES, "store_services"), &[]).await?;
    Ok(Belonging::Marked(Mark { id: id.get(0), services: services.iter().map(|row| row.get(0)).collect() }))
}
