//! `primetrade products unique-sku`: whether a seller may have a SKU more than once.

use platform::db::DatabaseUrl;
use products::RepeatedSku;

use crate::config::Config;
use crate::{Failure, Outcome};

/// Repeated SKUs that are named; there may be more.
const NAMED: i64 = 100;

pub async fn unique(config: &Config, switch: Option<bool>) -> Result<Outcome, Failure> {
    let mut config = config.clone();
    // It changes the schema.
    if let (Some(_), Some(privileged)) = (switch, config.database.migrate_url.clone())
        && *config.products_database() == config.database.url
        && matches!(config.database.url, DatabaseUrl::Postgres(_))
    {
        config.database.url = privileged;
    }
    let app = super::open_existing(&config).await?;
    let (_, products) = app.stores()?;
    if let Some(unique) = switch
        && !products.set_unique_skus(unique).await?
    {
        name(&products.repeated_skus(NAMED).await?);
        complain!(
            "these SKUs are there more than once: give each a SKU of its own, then say so again; nothing was changed"
        );
        return Ok(Outcome::Finding);
    }
    let repeated = products.repeated_skus(NAMED).await?;
    name(&repeated);
    match (products.unique_skus().await?, repeated.is_empty()) {
        (true, _) => say!("on: each seller has a SKU once at most"),
        (false, true) => say!("off: a seller may have a SKU more than once; none does"),
        (false, false) => say!("off: a seller may have a SKU more than once, as those above"),
    }
    Ok(Outcome::Done)
}

fn name(repeated: &[RepeatedSku]) {
    for RepeatedSku { owner, sku, handles } in repeated {
        say!("{sku}: {} (seller {owner})", handles.join(", "));
    }
    if i64::try_from(repeated.len()).is_ok_and(|named| named == NAMED) {
        say!("and perhaps more");
    }
}
