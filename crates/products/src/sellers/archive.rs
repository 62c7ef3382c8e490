//! Archiving everything of a seller whose account is erased. Nothing of it is for sale any more when this begins.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use effects::Effects;
use effects::jobs::{Done, Failed, Job, Record, Work};
use kernel::{Error, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::catalogue::model::Status;
use crate::lists::Lists;
use crate::lists::store::{ListQuery, Shelf};

/// Products that are read at a time.
const PAGE: usize = 100;

/// The queue of sellers whose products are to be archived.
pub const ARCHIVE: &str = "archive-seller";
/// How long one attempt goes on before it leaves the rest to the next job: less than an attempt may take.
const TURN: Duration = Duration::from_secs(15);
/// A request of the seller's, allowed just before they went, may still make a product; none takes so long.
const LATE: Duration = Duration::from_secs(5 * 60);

/// The payload of a job.
#[derive(Serialize, Deserialize)]
struct Seller {
    seller: Uuid,
}

/// Archives what sellers had who are gone.
pub struct Archive(pub Lists);

#[async_trait]
impl Work for Archive {
    async fn run(&self, job: &Record) -> Result<Done, Failed> {
        let Seller { seller } = job.read()?;
        let now = self.0.products.context.now();
        if self.0.archive_some(seller, Instant::now() + TURN).await? {
            self.0.products.stock.store.settle_off_sale(seller, now.before(LATE)).await.map_err(Error::from)?
        } else {
            self.0.enqueue_archive(seller, now).await?
        }
        // A product that is archived stays so.
        Ok(Done::Outside)
    }
}

impl Lists {
    /// Has all products of a seller archived, soon and once more when the last of their requests are over. What was sold stays in
    /// the log. Asked again, it does no harm.
    ///
    /// # Errors
    /// `Unavailable`, `Overloaded`.
    pub async fn archive_all_of(&self, owner: Uuid) -> Result<(), Error> {
        let now = self.products.context.now();
        self.enqueue_archive(owner, now).await?;
        self.enqueue_archive(owner, now.after(LATE)).await
    }

    async fn enqueue_archive(&self, seller: Uuid, due_at: Timestamp) -> Result<(), Error> {
        let job = Job { due_at, ..Job::new(&self.products.context, ARCHIVE, &Seller { seller })? };
        Ok(Effects { jobs: vec![job], ..Effects::default() }.write(&self.products.database).await?)
    }

    /// Archives products of a seller until then. Returns whether all are.
    async fn archive_some(&self, owner: Uuid, until: Instant) -> Result<bool, Error> {
        let mut query = self.everything_of(owner);
        loop {
            let page = self.list(query.clone()).await?;
            for product in page.products.iter().filter(|product| product.status != Status::Archived) {
                if Instant::now() > until {
                    return Ok(false);
                }
                self.products.archive(product.id).await?;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// The list of all that a seller has, whatever its status.
    pub fn everything_of(&self, owner: Uuid) -> ListQuery {
        ListQuery { limit: PAGE, ..ListQuery::new(Shelf::Own(owner), self.products.currency()) }
    }
}
