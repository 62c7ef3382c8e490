//! Erasing an account takes two databases: auth's part is done first, and remembered there until the catalogue's is done too.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use auth::Accounts;
use kernel::{Error, Uuid};
use platform::Context;
use products::Catalogue;

const PAUSE: Duration = Duration::from_secs(10);
/// A request of the owner's, allowed just before they went, may still make a product after that; none takes so long.
const GRACE: Duration = Duration::from_secs(5 * 60);
/// Erasures that are taken up at a time.
const BATCH: i64 = 100;

/// Takes up erasures that were cut short, by a crash or a database that was away, and looks at all of them a last time.
pub async fn run(accounts: Arc<dyn Accounts>, products: Arc<dyn Catalogue>, context: Context) {
    let mut pause = tokio::time::interval(PAUSE);
    let mut archived = HashSet::new();
    loop {
        pause.tick().await;
        let (mut after, mut seen) = (Uuid::nil(), HashSet::new());
        while let Ok(pending) = accounts.erasures(after, BATCH).await
            && let Some((last, _)) = pending.last()
        {
            after = *last;
            for (account_id, erased_at) in pending {
                seen.insert(account_id);
                let over = erased_at.after(GRACE) <= context.now();
                if !over && archived.contains(&account_id) {
                    continue;
                }
                match finish(&*accounts, &*products, account_id, over).await {
                    Ok(()) if over => archived.remove(&account_id),
                    Ok(()) => archived.insert(account_id),
                    Err(error) => {
                        tracing::warn!(event = "erasure.delayed", user.id = %account_id, %error, "an erasure is not finished yet");
                        false
                    }
                };
            }
        }
        // Others may have finished what was begun here.
        archived.retain(|account| seen.contains(account));
    }
}

async fn finish(accounts: &dyn Accounts, products: &dyn Catalogue, account_id: Uuid, over: bool) -> Result<(), Error> {
    products.archive_all(account_id).await?;
    if over { accounts.erasure_done(account_id).await } else { Ok(()) }
}
