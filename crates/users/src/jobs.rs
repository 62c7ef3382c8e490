//! The jobs of all services, as if they were in one place.

use std::cmp::Reverse;
use std::sync::Arc;

use effects::jobs::{Desk, Filter, Record};
use futures_util::future::try_join_all;
use kernel::{Actor, Error, Uuid};

/// Work that comes again and again, by its queue.
pub const SWEEP_ANSWERS: &str = "sweep-answers";
pub const SWEEP_ATTEMPTS: &str = "sweep-attempts";
pub const SWEEP_SESSIONS: &str = "sweep-sessions";

/// The queues that there are.
pub const QUEUES: [&str; 5] = [products::ARCHIVE, auth::MAILS, SWEEP_ANSWERS, SWEEP_ATTEMPTS, SWEEP_SESSIONS];

/// The jobs of each service, by its name.
pub type Desks = Vec<(&'static str, Arc<dyn Desk>)>;

/// A job, and the service that it is a job of.
pub struct Found {
    pub service: &'static str,
    pub job: Record,
}

/// Newest first, of one service or all, older than `before` if that is given, at most `limit`.
///
/// # Errors
/// `Unavailable` when a service that is asked does not answer.
pub async fn list(
    desks: &Desks,
    service: Option<&str>,
    filter: &Filter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Found>, Error> {
    let asked = desks.iter().filter(|(name, _)| service.is_none_or(|service| service == *name));
    let ask = |(service, desk): &(&'static str, Arc<dyn Desk>)| {
        let (service, desk) = (*service, Arc::clone(desk));
        async move {
            let jobs = desk.list(filter, before, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
            Ok::<_, Error>(jobs.into_iter().map(move |job| Found { service, job }))
        }
    };
    let mut found: Vec<Found> = try_join_all(asked.map(ask)).await?.into_iter().flatten().collect();
    found.sort_by_key(|found| Reverse(found.job.id));
    found.truncate(limit);
    Ok(found)
}

/// # Errors
/// `NotFound`; `Unavailable` when a service that may have it does not answer.
pub async fn get(desks: &Desks, id: Uuid) -> Result<Found, Error> {
    let get = |service, desk: Arc<dyn Desk>| async move {
        let job = desk.get(id).await?.ok_or(Error::NotFound)?;
        Ok(Found { service, job })
    };
    first(desks, get).await
}

/// Makes a parked job due now, as if it were new.
///
/// # Errors
/// `NotFound`; `Conflict` when it is not parked; `Unavailable` when a service that may have it does not answer.
pub async fn replay(desks: &Desks, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Found, Error> {
    let replay = |service, desk: Arc<dyn Desk>| {
        let request_id = request_id.clone();
        async move {
            let job = desk.replay(id, actor, request_id).await?;
            Ok(Found { service, job })
        }
    };
    first(desks, replay).await
}

/// Deletes a parked job: it is never done.
///
/// # Errors
/// As [`replay`].
pub async fn discard(desks: &Desks, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error> {
    let discard = |_, desk: Arc<dyn Desk>| {
        let request_id = request_id.clone();
        async move { desk.discard(id, actor, request_id).await }
    };
    first(desks, discard).await
}

/// What the one that has it says. One that is away hides no job of another.
async fn first<T, R>(desks: &Desks, ask: impl Fn(&'static str, Arc<dyn Desk>) -> R) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>>,
{
    let mut away = None;
    for (service, desk) in desks {
        match ask(service, Arc::clone(desk)).await {
            Err(Error::NotFound) => {}
            Err(error @ (Error::Unavailable(_) | Error::Overloaded { .. })) => away = Some(error),
            told => return told,
        }
    }
    Err(away.unwrap_or(Error::NotFound))
}
