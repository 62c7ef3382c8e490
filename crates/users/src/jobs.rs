//! The jobs of all services, as if they were in one place.

use std::cmp::Reverse;
use std::sync::Arc;

use effects::jobs::{Filter, JobAdmin, JobAdmins, Record};
use futures_util::future::try_join_all;
use kernel::{Actor, Error, Uuid};

/// Work that comes again and again, by its queue.
pub const SWEEP_ANSWERS: &str = "sweep-answers";
pub const SWEEP_ATTEMPTS: &str = "sweep-attempts";
pub const SWEEP_SESSIONS: &str = "sweep-sessions";

/// The queues that there are.
pub const QUEUES: [&str; 5] = [products::ARCHIVE, auth::MAILS, SWEEP_ANSWERS, SWEEP_ATTEMPTS, SWEEP_SESSIONS];

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
    admins: &JobAdmins,
    service: Option<&str>,
    filter: &Filter,
    before: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Found>, Error> {
    let asked = admins.iter().filter(|(name, _)| service.is_none_or(|service| service == *name));
    let ask = |(service, admin): &(&'static str, Arc<dyn JobAdmin>)| {
        let (service, admin) = (*service, Arc::clone(admin));
        async move {
            let jobs = admin.list(filter, before, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
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
pub async fn get(admins: &JobAdmins, id: Uuid) -> Result<Found, Error> {
    let get = |service, admin: Arc<dyn JobAdmin>| async move {
        let job = admin.get(id).await?.ok_or(Error::NotFound)?;
        Ok(Found { service, job })
    };
    first(admins, get).await
}

/// Makes a parked job due now, as if it were new.
///
/// # Errors
/// `NotFound`; `Conflict` when it is not parked; `Unavailable` when a service that may have it does not answer.
pub async fn replay(admins: &JobAdmins, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Found, Error> {
    let replay = |service, admin: Arc<dyn JobAdmin>| {
        let request_id = request_id.clone();
        async move {
            let job = admin.replay(id, actor, request_id).await?;
            Ok(Found { service, job })
        }
    };
    first(admins, replay).await
}

/// Deletes a parked job: it is never done.
///
/// # Errors
/// As [`replay`].
pub async fn discard(admins: &JobAdmins, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error> {
    let discard = |_, admin: Arc<dyn JobAdmin>| {
        let request_id = request_id.clone();
        async move { admin.discard(id, actor, request_id).await }
    };
    first(admins, discard).await
}

/// What the one that has it says. One that is away hides no job of another.
async fn first<T, R>(admins: &JobAdmins, ask: impl Fn(&'static str, Arc<dyn JobAdmin>) -> R) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>>,
{
    let mut away = None;
    for (service, admin) in admins {
        match ask(service, Arc::clone(admin)).await {
            Err(Error::NotFound) => {}
            Err(error @ (Error::Unavailable(_) | Error::Overloaded { .. })) => away = Some(error),
            told => return told,
        }
    }
    Err(away.unwrap_or(Error::NotFound))
}
