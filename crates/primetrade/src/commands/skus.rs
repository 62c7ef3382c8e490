//! `primetrade products unique-sku`: whether a seller may have a SKU more than once.

use std::collections::HashMap;

use auth::{Accounts, Auth};
use kernel::{Error, Uuid};
use node::Failure;
use node::config::Config;
use products::RepeatedSku;
use storage::DatabaseUrl;

use crate::Outcome;

/// Repeated SKUs that are named; there may be more.
const NAMED: i64 = 100;

pub async fn unique(config: &Config, switch: Option<bool>) -> Result<Outcome, Failure> {
    let mut config = config.clone();
    // It changes the schema.
    if let (Some(_), Some(privileged)) = (switch, config.database.migrate_url.clone())
        && *config.database_of("products") == config.database.url
        && matches!(config.database.url, DatabaseUrl::Postgres(_))
    {
        config.database.url = privileged;
    }
    let app = super::open_existing(&config).await?;
    let (auth, products) = app.stores()?;
    if let Some(unique) = switch
        && !products.set_unique_skus(unique).await?
    {
        name(&auth, &products.repeated_skus(NAMED).await?).await?;
        complain!(
            "these SKUs are there more than once: give each a SKU of its own, then say so again; nothing was changed"
        );
        return Ok(Outcome::Finding);
    }
    let repeated = products.repeated_skus(NAMED).await?;
    name(&auth, &repeated).await?;
    match (products.unique_skus().await?, repeated.is_empty()) {
        (true, _) => say!("on: each seller has a SKU once at most"),
        (false, true) => say!("off: a seller may have a SKU more than once; none does"),
        (false, false) => say!("off: a seller may have a SKU more than once, as those above"),
    }
    Ok(Outcome::Done)
}

async fn name(auth: &Auth, repeated: &[RepeatedSku]) -> Result<(), Error> {
    let owners: Vec<Uuid> = repeated.iter().map(|repeated| repeated.owner).collect();
    let sellers = auth.by_ids(&owners).await?.into_iter();
    let emails: HashMap<Uuid, String> = sellers.map(|account| (account.id, account.email)).collect();
    for RepeatedSku { owner, sku, handles } in repeated {
        let seller = emails.get(owner).map_or("erased", String::as_str);
        say!("{sku}: {} (seller {owner}, {seller})", handles.join(", "));
    }
    if i64::try_from(repeated.len()).is_ok_and(|named| named == NAMED) {
        say!("and perhaps more");
    }
    Ok(())
}
