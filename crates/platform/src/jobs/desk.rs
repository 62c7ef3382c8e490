//! Jobs as administrators see them.

use async_trait::async_trait;
use kernel::{Actor, Error, Uuid};
use serde::{Deserialize, Serialize};

use super::runner::job_event;
use super::{Record, State};
use crate::Context;
use crate::db::{Database, StoreError};

/// Which jobs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    pub queue: Option<String>,
    pub state: Option<State>,
}

/// The jobs of one service.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Newest first, older than `before` if that is given, at most `limit`.
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error>;

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error>;

    /// Makes a parked job due now, as if it were new.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is not parked.
    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error>;
}

/// The jobs of a database of this process.
#[derive(Clone)]
pub struct LocalDesk {
    database: Database,
    context: Context,
    source: &'static str,
}

impl LocalDesk {
    /// `source`: the service, as its events name it.
    pub fn new(database: Database, context: Context, source: &'static str) -> Self {
        Self { database, context, source }
    }
}

#[async_trait]
impl Desk for LocalDesk {
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error> {
        Ok(self.database.jobs(filter.clone(), before.unwrap_or(Uuid::max()), limit).await?)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error> {
        Ok(self.database.job(id).await?)
    }

    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error> {
        let (context, source) = (self.context.clone(), self.source);
        let told = move |replayed: &Record| {
            let event = job_event(&context, source, "job.replayed", replayed, actor, request_id.as_deref());
            event.map_err(|error| StoreError::Statement(error.to_string()))
        };
        if let Some(replayed) = self.database.replay_job(id, self.context.now(), told).await? {
            return Ok(replayed);
        }
        match self.database.job(id).await? {
            Some(_) => Err(Error::conflict("The job is not parked.")),
            None => Err(Error::NotFound),
        }
    }
}
