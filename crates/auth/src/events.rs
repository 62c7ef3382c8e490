//! What auth tells the event log. Personal fields stand beside the event, so that erasing them leaves the log verifiable.

use kernel::event::EventHead;
use kernel::{Actor, Error, Event, PersonalData};
use platform::Context;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::Account;

const SOURCE: &str = "/auth";

/// Who caused a change, and in which request.
#[derive(Debug, Clone)]
pub struct Cause {
    pub actor: Actor,
    pub request_id: Option<String>,
}

impl Cause {
    /// A command, or the server itself.
    pub const SYSTEM: Cause = Cause { actor: Actor::System, request_id: None };
}

#[derive(Serialize)]
struct Personal<'a> {
    username: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
struct Registered {
    /// SHA-256(salt ‖ bytes) of the personal fields.
    personal: String,
    role: &'static str,
}

#[derive(Serialize)]
struct ActiveChanged {
    active: bool,
}

/// # Errors
/// `Internal` without randomness.
pub fn registered(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    let fields = Personal { username: &account.username, email: &account.email };
    let personal = PersonalData { salt: context.random()?, bytes: serde_json::to_vec(&fields).map_err(unwritable)? };
    let hash = Sha256::new().chain_update(personal.salt).chain_update(&personal.bytes).finalize();
    let data =
        Registered { personal: hash.iter().map(|byte| format!("{byte:02x}")).collect(), role: account.role.as_str() };
    let head = head(context, "account.registered", account, cause)?;
    Event::new(head, data, Some(personal)).map_err(unwritable)
}

/// Of an account as it is after the change.
///
/// # Errors
/// As [`registered`].
pub fn active_changed(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    let kind = match account.active {
        true => "account.activated",
        false => "account.deactivated",
    };
    let data = ActiveChanged { active: account.active };
    Event::new(head(context, kind, account, cause)?, data, None).map_err(unwritable)
}

fn head<'a>(
    context: &Context,
    kind: &'static str,
    account: &Account,
    cause: &'a Cause,
) -> Result<EventHead<'a>, Error> {
    Ok(EventHead {
        id: context.id()?,
        source: SOURCE,
        kind,
        subject: format!("accounts/{}", account.id),
        version: account.version,
        time: account.updated_at,
        actor: cause.actor,
        request_id: cause.request_id.as_deref(),
    })
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Internal(format!("cannot write an event: {error}"))
}
