//! `primetrade jobs list` and `primetrade jobs replay`.

use kernel::{Actor, Error, Uuid};
use platform::jobs::{Filter, State};
use users::V2Job;
use users::jobs::{self, Desks, Found};

use crate::config::Config;
use crate::{Failure, Outcome};

/// Jobs that are read at a time.
const PAGE: usize = 500;

/// Prints the jobs of all services that fit, newest first, a line each.
pub async fn list(config: &Config, filter: &Filter, json: bool) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let mut listed = 0_u64;
    each(&app.desks(), filter, |found| {
        listed += 1;
        match json {
            // Text and numbers, which always serialize.
            true => say!("{}", serde_json::to_string(&V2Job::from(found)).unwrap_or_default()),
            false => say!("{}", to_text(&found)),
        }
    })
    .await?;
    if listed == 0 && !json {
        say!("there are no such jobs");
    }
    Ok(Outcome::Done)
}

/// Which jobs are tried again.
#[derive(Debug, PartialEq, Eq)]
pub enum Replay {
    Ids(Vec<Uuid>),
    /// All that are parked, of one queue or of all.
    Parked {
        queue: Option<String>,
    },
}

/// Makes parked jobs due now, as if they were new.
pub async fn replay(config: &Config, which: Replay) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let desks = app.desks();
    let (ids, named) = match which {
        Replay::Ids(ids) => (ids, true),
        Replay::Parked { queue } => {
            let mut parked = Vec::new();
            each(&desks, &Filter { queue, state: Some(State::Parked) }, |found| parked.push(found.job.id)).await?;
            (parked, false)
        }
    };
    let (mut replayed, mut refused) = (0_u64, false);
    for id in ids {
        match jobs::replay(&desks, id, Actor::System, None).await {
            Ok(_) => replayed += 1,
            // Whoever was faster has done the same.
            Err(Error::NotFound | Error::Conflict(_)) if !named => {}
            Err(Error::NotFound) => {
                complain!("{id}: there is no such job; one that is done is gone");
                refused = true;
            }
            Err(Error::Conflict(_)) => {
                complain!("{id}: it is not parked, so it is tried in any case");
                refused = true;
            }
            Err(error) => return Err(format!("after {replayed} jobs: {error}").into()),
        }
    }
    let jobs = if replayed == 1 { "job is" } else { "jobs are" };
    say!("{replayed} {jobs} due now; a server that runs does them");
    Ok(if refused { Outcome::Finding } else { Outcome::Done })
}

async fn each(desks: &Desks, filter: &Filter, mut tell: impl FnMut(Found)) -> Result<(), Error> {
    let mut before = None;
    loop {
        let page = jobs::list(desks, None, filter, before, PAGE).await?;
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
