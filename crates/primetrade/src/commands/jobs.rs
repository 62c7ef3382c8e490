//! `primetrade jobs list`, `replay` and `discard`.

use effects::jobs::{Filter, JobAdmins, State};
use kernel::{Actor, Error, Uuid};
use node::Failure;
use node::config::Config;
use users::V2Job;
use users::jobs::{self, Found, QUEUES};

use crate::Outcome;

/// Jobs that are read at a time.
const PAGE: usize = 500;

/// Prints the jobs of all services that fit, newest first, a line each.
pub async fn list(config: &Config, filter: &Filter, json: bool) -> Result<Outcome, Failure> {
    known(filter.queue.as_deref())?;
    let app = super::open_existing(config).await?;
    let mut listed = 0_u64;
    each(&app.job_admins(), filter, |found| {
        listed += 1;
        if json {
            // Text and numbers, which always serialize.
            say!("{}", serde_json::to_string(&V2Job::from(found)).unwrap_or_default())
        } else {
            say!("{}", to_text(&found))
        }
    })
    .await?;
    if listed == 0 && !json {
        say!("there are no such jobs");
    }
    Ok(Outcome::Done)
}

/// Which parked jobs.
#[derive(Debug, PartialEq, Eq)]
pub enum Which {
    Ids(Vec<Uuid>),
    /// All that are parked, of one queue or of all.
    Parked {
        queue: Option<String>,
    },
}

/// Makes parked jobs due now, as if they were new.
pub async fn replay(config: &Config, which: Which) -> Result<Outcome, Failure> {
    let replay = async |admins: &JobAdmins, id| jobs::replay(admins, id, Actor::System, None).await.map(drop);
    let (replayed, outcome) = each_parked(config, which, "so it is tried in any case", replay).await?;
    match replayed {
        0 => say!("no such job was parked"),
        1 => say!("1 job is due now; a server that runs does it"),
        _ => say!("{replayed} jobs are due now; a server that runs does them"),
    }
    Ok(outcome)
}

/// Deletes parked jobs.
pub async fn discard(config: &Config, which: Which) -> Result<Outcome, Failure> {
    let discard = async |admins: &JobAdmins, id| jobs::discard(admins, id, Actor::System, None).await;
    let (discarded, outcome) = each_parked(config, which, "so it is not deleted", discard).await?;
    match discarded {
        0 => say!("no such job was parked"),
        1 => say!("1 job is deleted, and never done"),
        _ => say!("{discarded} jobs are deleted, and never done"),
    }
    Ok(outcome)
}

/// Does something to parked jobs; returns to how many. `otherwise`: what it means that a named one is not parked.
async fn each_parked(
    config: &Config,
    which: Which,
    otherwise: &str,
    work: impl AsyncFn(&JobAdmins, Uuid) -> Result<(), Error>,
) -> Result<(u64, Outcome), Failure> {
    if let Which::Parked { queue } = &which {
        known(queue.as_deref())?;
    }
    let app = super::open_existing(config).await?;
    let admins = app.job_admins();
    let (ids, named) = match which {
        Which::Ids(ids) => (ids, true),
        Which::Parked { queue } => {
            let mut parked = Vec::new();
            each(&admins, &Filter { queue, state: Some(State::Parked) }, |found| parked.push(found.job.id)).await?;
            (parked, false)
        }
    };
    let (mut done, mut refused) = (0_u64, false);
    for id in ids {
        match work(&admins, id).await {
            Ok(()) => done += 1,
            // Whoever was faster has done the same.
            Err(Error::NotFound | Error::Conflict(_)) if !named => {}
            Err(Error::NotFound) => {
                complain!("{id}: there is no such job; one that is done is gone");
                refused = true;
            }
            Err(Error::Conflict(_)) => {
                complain!("{id}: it is not parked, {otherwise}");
                refused = true;
            }
            Err(error) => return Err(format!("after {done} jobs: {error}").into()),
        }
    }
    Ok((done, if refused { Outcome::Finding } else { Outcome::Done }))
}

/// Refuses a queue that no service has: nothing in it would look as if all were done.
fn known(queue: Option<&str>) -> Result<(), Failure> {
    match queue {
        Some(queue) if !QUEUES.contains(&queue) => {
            Err(format!("there is no queue {queue:?}: there are {}", QUEUES.join(", ")).into())
        }
        _ => Ok(()),
    }
}

async fn each(admins: &JobAdmins, filter: &Filter, mut tell: impl FnMut(Found)) -> Result<(), Error> {
    let mut before = None;
    loop {
        let page = jobs::list(admins, None, filter, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.job.id);
        page.into_iter().for_each(&mut tell);
    }
}

fn to_text(Found { service, job }: &Found) -> String {
    let when = match (job.state(), job.parked_at) {
        (State::Parked, Some(at)) => format!("parked at {}", at.to_rfc3339_millis()),
        (State::Running, _) => format!("running on {}", job.worker.as_deref().unwrap_or("?")),
        _ => format!("due at {}", job.due_at.to_rfc3339_millis()),
    };
    let again = job.period.map_or(String::new(), |period| format!(", every {} s", period / 1_000_000));
    let failed = job.error.as_ref().map_or(String::new(), |error| format!(", failed: {error}"));
    format!("{} {service} {} {when}, {} attempts{again}{failed}", job.id, job.queue, job.attempts)
}
