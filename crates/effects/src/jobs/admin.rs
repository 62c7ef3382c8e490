//! Jobs as administrators see them.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Actor, Error, Uuid};
use platform::Context;
use serde::{Deserialize, Serialize};
use storage::{Database, StoreError};

use super::runner::job_event;
use super::{Record, State};
use crate::jobs::table::{ParkedChange, Table};

/// Which jobs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    pub queue: Option<String>,
    pub state: Option<State>,
}

/// The jobs of one service.
#[async_trait]
pub trait JobAdmin: Send + Sync {
    /// Newest first, older than `before` if that is given, at most `limit`.
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error>;

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error>;

    /// Makes a parked job due now, as if it were new. Of one that was replayed and not tried since, once more is as good as once.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is not parked.
    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error>;

    /// Deletes a parked job: it is never done.
    ///
    /// # Errors
    /// As [`JobAdmin::replay`].
    async fn discard(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error>;
}

/// The jobs of each service, by its name.
pub type JobAdmins = Vec<(&'static str, Arc<dyn JobAdmin>)>;

/// The jobs of a database of this process.
#[derive(Clone)]
pub struct LocalJobAdmin {
    database: Database,
    context: Context,
    source: &'static str,
}

impl LocalJobAdmin {
    /// `source`: the service, as its events name it.
    pub fn new(database: Database, context: Context, source: &'static str) -> Self {
        Self { database, context, source }
    }
}

#[async_trait]
impl JobAdmin for LocalJobAdmin {
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error> {
        Ok(Table(&self.database).list(filter.clone(), before.unwrap_or(Uuid::max()), limit).await?)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error> {
        Ok(Table(&self.database).get(id).await?)
    }

    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error> {
        let change = ParkedChange::Replay(self.context.now());
        if let Some(replayed) = self.change(id, change, "job.replayed", actor, request_id).await? {
            return Ok(replayed);
        }
        match Table(&self.database).get(id).await? {
            Some(job) if job.is_replayed() => Ok(job),
            Some(_) => Err(not_parked()),
            None => Err(Error::NotFound),
        }
    }

    async fn discard(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error> {
        if self.change(id, ParkedChange::Discard, "job.discarded", actor, request_id).await?.is_some() {
            return Ok(());
        }
        match Table(&self.database).get(id).await? {
            Some(_) => Err(not_parked()),
            None => Err(Error::NotFound),
        }
    }
}

impl LocalJobAdmin {
    async fn change(
        &self,
        id: Uuid,
        change: ParkedChange,
        kind: &'static str,
        actor: Actor,
        request_id: Option<String>,
    ) -> Result<Option<Record>, StoreError> {
        let (context, source) = (self.context.clone(), self.source);
        let told = move |changed: &Record| {
            let event = job_event(&context, source, kind, changed, actor, request_id.as_deref());
            event.map_err(|error| StoreError::Statement(error.to_string()))
        };
        let changed = Table(&self.database).change_parked(id, change, told).await?;
        if let Some(Record { queue, .. }) = &changed {
            tracing::info!(event = kind, job = %id, queue, actor = actor.as_text(), "a parked job was decided on");
        }
        Ok(changed)
    }
}

fn not_parked() -> Error {
    Error::conflict("The job is not parked.")
}
