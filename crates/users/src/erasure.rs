//! Erasing an account takes two databases: auth's part is done first, and remembered there until the catalogue's is done too.

use std::sync::Arc;
use std::time::Duration;

use auth::Accounts;
use kernel::{Error, Uuid};
use products::Products;

const PAUSE: Duration = Duration::from_secs(10);
/// Erasures that are taken up at a time.
const BATCH: i64 = 100;

/// Finishes the erasure of an account whose personal fields are gone.
///
/// # Errors
/// `Unavailable`, `Overloaded`; [`run`] tries again.
pub async fn finish(accounts: &dyn Accounts, products: &Products, account_id: Uuid) -> Result<(), Error> {
    products.archive_all(account_id).await?;
    accounts.erasure_done(account_id).await
}

/// Takes up erasures that were cut short, by a crash or a database that was away.
pub async fn run(accounts: Arc<dyn Accounts>, products: Products) {
    let mut pause = tokio::time::interval(PAUSE);
    loop {
        pause.tick().await;
        let pending = accounts.erasures(BATCH).await.unwrap_or_default();
        for account_id in pending {
            if let Err(error) = finish(&*accounts, &products, account_id).await {
                tracing::warn!(event = "erasure.delayed", user.id = %account_id, %error, "an erasure is not finished yet");
            }
        }
    }
}
