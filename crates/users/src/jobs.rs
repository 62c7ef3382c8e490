//! The jobs of all services, as if they were in one place.

use std::cmp::Reverse;
use std::sync::Arc;

use futures_util::future::try_join_all;
use kernel::{Actor, Error, Uuid};
use platform::jobs::{Desk, Filter, Record};

/// The jobs of each service, by its name.
pub type Desks = Vec<(&'static str, Arc<dyn Desk>)>;

/// A job, and the service that it is a job of.
pub struct Found {
    pub service: &'static str,
    pub job: Record,
}

/// Newest first, older than `before` if that is given, at most `limit`.
///
/// # Errors
/// `Unavailable`.
pub async fn list(desks: &Desks, filter: &Filter, before: Option<Uuid>, limit: usize) -> Result<Vec<Found>, Error> {
    let ask = |(service, desk): &(&'static str, Arc<dyn Desk>)| {
        let (service, desk) = (*service, Arc::clone(desk));
        async move {
            let jobs = desk.list(filter, before, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
            Ok::<_, Error>(jobs.into_iter().map(move |job| Found { service, job }))
        }
    };
    let mut found: Vec<Found> = try_join_all(desks.iter().map(ask)).await?.into_iter().flatten().collect();
    found.sort_by_key(|found| Reverse(found.job.id));
    found.truncate(limit);
    Ok(found)
}

/// # Errors
/// `NotFound`, `Unavailable`.
pub async fn get(desks: &Desks, id: Uuid) -> Result<Found, Error> {
    for (service, desk) in desks {
        if let Some(job) = desk.get(id).await? {
            return Ok(Found { service, job });
        }
    }
    Err(Error::NotFound)
}

/// Makes a parked job due now, as if it were new.
///
/// # Errors
/// `NotFound`; `Conflict` when it is not parked; `Unavailable`.
pub async fn replay(desks: &Desks, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Found, Error> {
    for (service, desk) in desks {
        match desk.replay(id, actor, request_id.clone()).await {
            Ok(job) => return Ok(Found { service, job }),
            Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::NotFound)
}
