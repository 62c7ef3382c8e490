//! The databases of a store, before one of them is opened: whether they can be used, and belong together.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Error, Uuid};
use platform::Context;
use storage::belonging::{Belonging, Mark};
use storage::checkup::{Checkup, Effort, Schema};
use storage::{StoreError, inspect};

use crate::Failure;
use crate::config::Config;
use crate::place::{Place, PlaceError};
use crate::role::Role;
use crate::roles::{self, ROLES, Roles};

/// Before the first look for the id of a store that had none, and between two at most.
const ENROL_AGAIN: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The databases of all services.
pub fn places(config: &Config) -> Vec<Place> {
    let of = |role: &'static Role| role.keeps.map(|keeps| Place::of(config, role.name, keeps));
    ROLES.into_iter().filter_map(of).collect()
}

/// Whether a store has its id from this database: there is one in every store.
fn gives_id(place: &Place) -> bool {
    place.service == roles::auth::ROLE.name
}

/// The folders in which a process with these roles has SQLite files.
pub fn folders(config: &Config, roles: Roles) -> BTreeSet<PathBuf> {
    let own = places(config).into_iter().filter(|place| roles.has(place.service));
    own.filter_map(|place| Some(place.file()?.parent()?.to_owned())).collect()
}

/// A database and what was found there.
pub struct Seen {
    pub place: Place,
    /// Whether it is of a role of this process.
    pub own: bool,
    pub found: Result<Checkup, PlaceError>,
}

impl Seen {
    fn mark(&self) -> Option<&Mark> {
        self.found.as_ref().ok()?.store.mark()
    }

    fn lists(&self, service: &str) -> bool {
        self.mark().is_some_and(|mark| mark.services.contains(service))
    }

    /// Whether a release without marks has worked on it.
    fn is_of_before(&self) -> bool {
        self.found.as_ref().is_ok_and(|found| found.written && found.store == Belonging::Unmarked)
    }

    /// Where it is, for people.
    fn name(&self) -> String {
        match (self.place.file(), &self.found) {
            (Some(file), _) => file.display().to_string(),
            (_, Ok(found)) => format!("the schema {} of {}", self.place.service, found.place),
            (_, Err(_)) => format!("the schema {}", self.place.service),
        }
    }
}

/// Looks at the databases that the settings name, if a process with these roles has any.
pub async fn look(config: &Config, roles: Roles, effort: Effort) -> Vec<Seen> {
    if !places(config).iter().any(|place| roles.has(place.service)) {
        return Vec::new();
    }
    let looks = places(config).into_iter().map(async |place| {
        let found = place.look(effort).await;
        Seen { own: roles.has(place.service), place, found }
    });
    join_all(looks).await
}

/// Looks at the databases of a process with these roles, before it makes or opens one.
///
/// # Errors
/// A [`PlaceError`]: when one cannot be used, is gone, or is of another store.
pub async fn check(config: &Config, roles: Roles) -> Result<Vec<Seen>, PlaceError> {
    let seen = look(config, roles, Effort::Quick).await;
    match refused(&seen) {
        None => Ok(seen),
        // What was looked at one after the other may have been made meanwhile, by another process that starts.
        Some(_) => {
            let seen = look(config, roles, Effort::Quick).await;
            refused(&seen).map_or(Ok(seen), Err)
        }
    }
}

fn refused(seen: &[Seen]) -> Option<PlaceError> {
    let unusable = seen.iter().filter(|one| one.own).find_map(|one| match &one.found {
        Ok(found) => one.place.rights(found),
        Err(refusal) => Some(refusal.clone()),
    });
    unusable.or_else(|| seen.iter().filter(|one| one.own).find_map(|one| misfit(one, seen)))
}

/// Why a database of this process is not what all of them say of it.
pub fn misfit(one: &Seen, all: &[Seen]) -> Option<PlaceError> {
    let (place, name) = (&one.place, one.name());
    let found = one.found.as_ref().ok()?;
    let mut others = all.iter().filter(|other| other.place.service != place.service);
    let correct = format!("or correct {}", place.setting);
    match &found.store {
        Belonging::Marked(mark) => {
            let other = others.find(|other| other.mark().is_some_and(|theirs| theirs.id != mark.id))?;
            let theirs = other.mark()?.id;
            Some(place.refusal(
                format!("{name} is of the store {}, and {} of another, {theirs}", mark.id, other.name()),
                format!("Bring both back from one backup, {correct}."),
            ))
        }
        Belonging::Unmarked if place.derived => None,
        Belonging::Unmarked if found.schema == Schema::Empty => {
            // A release without marks made both databases when it started.
            let other = others.find(|other| other.lists(place.service) || other.own && other.is_of_before())?;
            Some(place.refusal(
                format!("{name} is gone or empty, and the store of {} had one", other.name()),
                format!("Bring it back from a backup, {correct}. It is not made anew: that would be an empty shop."),
            ))
        }
        Belonging::Unmarked => {
            let other = others.find(|other| other.lists(place.service))?;
            Some(place.refusal(
                format!("{name} has no mark of a store, and the one that the store of {} had was marked", other.name()),
                format!("Bring both back from one backup, {correct}."),
            ))
        }
        Belonging::Hidden => None,
    }
}

/// Marks the databases, which are migrated, as those of one store, and returns whether the store has an id that they can have. A kill
/// between two steps leaves nothing that a later start refuses.
///
/// # Errors
/// When one cannot be written, or another process has marked one as of another store meanwhile.
pub async fn enrol(seen: &[Seen], context: &Context) -> Result<bool, Failure> {
    let services: Vec<&'static str> =
        seen.iter().filter(|one| one.own || one.mark().is_some()).map(|one| one.place.service).collect();
    let is_complete = |one: &Seen| services.iter().all(|service| one.lists(service));
    if seen.iter().filter(|one| one.own).all(is_complete) {
        return Ok(true);
    }
    let known = seen.iter().find_map(Seen::mark).map(|mark| mark.id);
    let makes_one = seen.iter().any(|one| one.own && gives_id(&one.place));
    let Some(mut id) = known.or(if makes_one { Some(random_id(context)?) } else { None }) else {
        // Two processes that cannot see each other's database would make two.
        return Ok(false);
    };
    let (own, others) = (seen.iter().filter(|one| one.own), seen.iter().filter(|one| !one.own && one.mark().is_some()));
    for one in own.clone() {
        // Who was faster gave the store its id.
        let given = enrol_in(&one.place, id, &[one.place.service]).await?;
        if given != id && (known.is_some() || !gives_id(&one.place)) {
            let found = format!("was marked as of the store {given} at this moment, and not of {id}");
            return Err(one.place.refusal(found, "Look at who started beside this process.".into()).into());
        }
        id = given;
    }
    // Only now: what is listed is marked.
    for one in own {
        enrol_in(&one.place, id, &services).await?;
    }
    for one in others {
        // Its own process does so too, when it starts.
        let _ = enrol_in(&one.place, id, &services).await;
    }
    Ok(true)
}

/// Marks the databases of a process with these roles as soon as the store has an id: as long as auth's process has not started, it may
/// have none.
pub async fn enrol_later(config: Config, roles: Roles, context: Context) {
    let mut pause = ENROL_AGAIN;
    loop {
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(MAX_PAUSE);
        // What is refused now is so at the next start, and told there.
        let Ok(seen) = check(&config, roles).await else { continue };
        if let Ok(true) = enrol(&seen, &context).await {
            return;
        }
    }
}

async fn enrol_in(place: &Place, id: Uuid, services: &[&'static str]) -> Result<Uuid, StoreError> {
    inspect::enrol(place.privileged.as_ref().unwrap_or(&place.url), place.service, id, services).await
}

fn random_id(context: &Context) -> Result<Uuid, Error> {
    Ok(uuid::Builder::from_random_bytes(context.random()?).into_uuid())
}
