//! Erasing an account takes two databases: auth's part is done first, and remembered there until the catalogue has what is left to do.

use std::sync::Arc;
use std::time::Duration;

use auth::Accounts;
use kernel::{Error, Uuid};
use platform::Context;
use platform::telemetry::Recurring;
use products::Catalogue;

use crate::off_sale::{Missed, Repair};

const PAUSE: Duration = Duration::from_secs(10);
/// Erasures that are taken up at a time.
const BATCH: i64 = 100;

/// Takes up what was cut short, by a crash or a database that was away.
pub async fn run(accounts: Arc<dyn Accounts>, products: Arc<dyn Catalogue>, missed: Missed, context: Context) {
    let mut pause = tokio::time::interval(PAUSE);
    let (mut repair, delayed, uncompared) = (Repair::new(missed), Recurring::new(), Recurring::new());
    loop {
        pause.tick().await;
        let mut after = Uuid::nil();
        while let Ok(pending) = accounts.erasures(after, BATCH).await
            && let Some((last, _)) = pending.last()
        {
            after = *last;
            for (account_id, _) in pending {
                if let Err(error) = finish(&*accounts, &*products, account_id).await
                    && let Some(failures) = delayed.failed()
                {
                    let late = "an erasure is not finished yet";
                    tracing::warn!(event = "erasure.delayed", user.id = %account_id, %error, failures, "{late}");
                }
            }
        }
        if let Err(error) = repair.run(&*accounts, &*products, context.now()).await
            && let Some(failures) = uncompared.failed()
        {
            let late = "who is off sale is not compared with accounts yet";
            tracing::warn!(event = "sellers.repair.failed", %error, failures, "{late}");
        }
    }
}

/// Has the products of an erased account archived.
///
/// # Errors
/// `Unavailable`; it may be done again.
pub async fn finish(accounts: &dyn Accounts, products: &dyn Catalogue, account_id: Uuid) -> Result<(), Error> {
    products.archive_all(account_id).await?;
    accounts.erasure_done(account_id).await
}
