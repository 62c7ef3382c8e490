//! `primetrade jobs list` and `primetrade jobs replay`.

use std::sync::Arc;

use kernel::{Actor, Uuid};
use platform::jobs::{Desk, Filter, Record, State};

use crate::config::Config;
use crate::{Failure, Outcome};

/// Jobs that are read at a time.
const PAGE: i64 = 500;

/// Prints the jobs of all services that fit, newest first, a line each.
pub async fn list(config: &Config, filter: &Filter, json: bool) -> Result<Outcome, Failure> {
    let app = super::open(config).await?;
    let mut listed = 0_u64;
    for (service, desk) in app.desks() {
        each(&*desk, filter, |job| {
            listed += 1;
            match json {
                true => say!("{}", to_json(service, job)),
                false => say!("{}", to_text(service, job)),
            }
        })
        .await?;
    }
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
    let app = super::open(config).await?;
    let desks = app.desks();
    let (mut replayed, mut refused) = (0_u64, false);
    match which {
        Replay::Parked { queue } => {
            let filter = Filter { queue, state: Some(State::Parked) };
            for (_, desk) in &desks {
                let mut parked = Vec::new();
                each(&**desk, &filter, |job| parked.push(job.id)).await?;
                for id in parked {
                    // One that somebody else has replayed meanwhile is parked no more.
                    replayed += u64::from(desk.replay(id, Actor::System, None).await.is_ok());
                }
            }
        }
        Replay::Ids(ids) => {
            for id in ids {
                match replay_one(&desks, id).await {
                    Ok(()) => replayed += 1,
                    Err(kernel::Error::NotFound) => {
                        complain!("{id}: there is no such job; one that is done is gone");
                        refused = true;
                    }
                    Err(kernel::Error::Conflict(_)) => {
                        complain!("{id}: it is not parked, so it is tried in any case");
                        refused = true;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    say!("{replayed} jobs are due now; a server that runs does them");
    Ok(if refused { Outcome::Finding } else { Outcome::Done })
}

async fn replay_one(desks: &[(&'static str, Arc<dyn Desk>)], id: Uuid) -> Result<(), kernel::Error> {
    for (_, desk) in desks {
        match desk.replay(id, Actor::System, None).await {
            Err(kernel::Error::NotFound) => {}
            replayed => return replayed.map(drop),
        }
    }
    Err(kernel::Error::NotFound)
}

async fn each(desk: &dyn Desk, filter: &Filter, mut tell: impl FnMut(&Record)) -> Result<(), kernel::Error> {
    let mut before = None;
    loop {
        let page = desk.list(filter, before, PAGE).await?;
        page.iter().for_each(&mut tell);
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
    }
}

fn to_text(service: &str, job: &Record) -> String {
    let when = match (job.state(), job.parked_at) {
        (State::Parked, Some(at)) => format!("parked at {}", at.to_rfc3339_millis()),
        (State::Running, _) => format!("running on {}", job.worker.as_deref().unwrap_or("?")),
        _ => format!("due at {}", job.due_at.to_rfc3339_millis()),
    };
    let failed = job.error.as_ref().map_or(String::new(), |error| format!(", failed: {error}"));
    format!("{} {service} {} {when}, {} attempts{failed}", job.id, job.queue, job.attempts)
}

fn to_json(service: &str, job: &Record) -> serde_json::Value {
    serde_json::json!({
        "id": job.id,
        "service": service,
        "queue": job.queue,
        "state": job.state(),
        "priority": job.priority,
        "payload": serde_json::from_str::<serde_json::Value>(&job.payload).ok(),
        "attempts": job.attempts,
        "error": job.error,
        "due_at": job.due_at,
        "parked_at": job.parked_at,
        "created_at": job.created_at,
    })
}
