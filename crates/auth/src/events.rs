//! What auth tells the event log. Personal fields stand beside the event, so that erasing them leaves the log verifiable.

use std::net::IpAddr;

use kernel::event::EventHead;
use kernel::{Actor, Error, Event, PersonalData, Timestamp, Uuid};
use platform::{Context, scope};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{Account, Purpose, Session};

const SOURCE: &str = "/auth";

/// Who caused a change, and in which request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cause {
    pub actor: Actor,
    pub request_id: Option<String>,
}

impl Cause {
    /// An account acts for itself.
    pub fn of(account: Uuid, request_id: Option<String>) -> Self {
        Cause { actor: Actor::Account(account), request_id }
    }

    /// A command, or the server itself.
    pub const SYSTEM: Cause = Cause { actor: Actor::System, request_id: None };
}

/// Who is mailed, or was registered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Personal {
    pub username: String,
    pub email: String,
}

#[derive(Serialize)]
struct WithPersonal<T: Serialize> {
    /// SHA-256(salt ‖ bytes) of the personal fields.
    personal: String,
    #[serde(flatten)]
    data: T,
}

#[derive(Serialize)]
struct Registered {
    role: &'static str,
}

#[derive(Serialize)]
struct ActiveChanged {
    active: bool,
}

#[derive(Serialize)]
struct RoleChanged {
    role: &'static str,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct SessionOpened {
    account_id: Uuid,
    api: &'static str,
}

/// Where a session is used.
#[derive(Serialize)]
struct UsedAt<'a> {
    device: Option<&'a str>,
    address: Option<IpAddr>,
}

#[derive(Serialize)]
struct SessionEnded {
    account_id: Uuid,
    reason: Ended,
}

#[derive(Serialize)]
struct SessionsEnded {
    /// The one that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Uuid>,
}

/// Why one session ended.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    LoggedOut,
    /// A refresh token came that had been used before.
    Replayed,
}

/// A mail that somebody has to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// Prove that the address is yours.
    VerifyEmail,
    /// Choose another password.
    ResetPassword,
    /// Somebody, perhaps you, tried to register with your address.
    AlreadyRegistered,
    /// Your password was changed.
    PasswordChanged,
    /// Your account is to have another address; mailed to the present one.
    AddressPending,
    /// Your account has another address now; mailed to the one before.
    AddressChanged,
}

impl Template {
    /// What the token of such a mail permits, if it has one.
    pub fn purpose(self) -> Option<Purpose> {
        match self {
            Template::VerifyEmail => Some(Purpose::VerifyEmail),
            Template::ResetPassword => Some(Purpose::ResetPassword),
            Template::AlreadyRegistered
            | Template::PasswordChanged
            | Template::AddressPending
            | Template::AddressChanged => None,
        }
    }
}

/// The data of [`MAIL_REQUESTED`]. The ticket is made of the token's id when the mail is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailRequest {
    pub template: Template,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<Uuid>,
}

pub const MAIL_REQUESTED: &str = "mail.requested";

/// # Errors
/// `Internal` without randomness.
pub fn registered(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    with_personal(context, "account.registered", account, Registered { role: account.role.as_str() }, cause)
}

/// Of an account as it is after the change.
///
/// # Errors
/// As [`registered`].
pub fn active_changed(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    let kind = if account.active { "account.activated" } else { "account.deactivated" };
    plain(context, kind, account, ActiveChanged { active: account.active }, cause)
}

/// # Errors
/// As [`registered`].
pub fn role_changed(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    plain(context, "account.role_changed", account, RoleChanged { role: account.role.as_str() }, cause)
}

/// # Errors
/// As [`registered`].
pub fn profile_changed(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    with_personal(context, "account.profile_changed", account, Nothing {}, cause)
}

/// # Errors
/// As [`registered`].
pub fn password_changed(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    plain(context, "account.password_changed", account, Nothing {}, cause)
}

/// # Errors
/// As [`registered`].
pub fn email_verified(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    plain(context, "account.email_verified", account, Nothing {}, cause)
}

/// # Errors
/// As [`registered`].
pub fn erased(context: &Context, account: &Account, cause: &Cause) -> Result<Event, Error> {
    plain(context, "account.erased", account, Nothing {}, cause)
}

/// # Errors
/// As [`registered`].
pub fn mail_requested(
    context: &Context,
    account: &Account,
    template: Template,
    token: Option<Uuid>,
    cause: &Cause,
) -> Result<Event, Error> {
    with_personal(context, MAIL_REQUESTED, account, MailRequest { template, token }, cause)
}

/// # Errors
/// As [`registered`].
pub fn session_opened(context: &Context, session: &Session, cause: &Cause) -> Result<Event, Error> {
    let place = UsedAt { device: session.used_by.device.as_deref(), address: session.used_by.address };
    let data = SessionOpened { account_id: session.account_id, api: session.api.api() };
    let head = head_of(context, "session.opened", session_subject(session.id), (1, session.created_at), cause)?;
    personal(context, head, session.account_id, &place, data)
}

/// Of one session. Its refreshes tell nothing, so this is its second version.
///
/// # Errors
/// As [`registered`].
pub fn session_ended(
    context: &Context,
    (account_id, session): (Uuid, Uuid),
    reason: Ended,
    now: Timestamp,
    cause: &Cause,
) -> Result<Event, Error> {
    let head = head_of(context, "session.ended", session_subject(session), (2, now), cause)?;
    Event::new(head, SessionEnded { account_id, reason }, None).map_err(unwritable)
}

/// Of all sessions of an account, but the one that is kept: told once, however many they are.
///
/// # Errors
/// As [`registered`].
pub fn sessions_ended(
    context: &Context,
    account: &Account,
    kept: Option<Uuid>,
    now: Timestamp,
    cause: &Cause,
) -> Result<Event, Error> {
    let head = EventHead { time: now, ..head(context, "account.sessions_ended", account, cause)? };
    Event::new(head, SessionsEnded { kept }, None).map_err(unwritable)
}

fn plain<T: Serialize>(
    context: &Context,
    kind: &'static str,
    account: &Account,
    data: T,
    cause: &Cause,
) -> Result<Event, Error> {
    Event::new(head(context, kind, account, cause)?, data, None).map_err(unwritable)
}

fn with_personal<T: Serialize>(
    context: &Context,
    kind: &'static str,
    account: &Account,
    data: T,
    cause: &Cause,
) -> Result<Event, Error> {
    let fields = Personal { username: account.username.clone(), email: account.email.clone() };
    personal(context, head(context, kind, account, cause)?, account.id, &fields, data)
}

/// An event with fields that are personal to an account, beside it.
fn personal<T: Serialize>(
    context: &Context,
    head: EventHead<'_>,
    account: Uuid,
    fields: &impl Serialize,
    data: T,
) -> Result<Event, Error> {
    let bytes = serde_json::to_vec(fields).map_err(unwritable)?;
    let personal = PersonalData { of: subject(account), salt: context.random()?, bytes };
    let hash = Sha256::new().chain_update(personal.salt).chain_update(&personal.bytes).finalize();
    let data = WithPersonal { personal: hash.iter().map(|byte| format!("{byte:02x}")).collect(), data };
    Event::new(head, data, Some(personal)).map_err(unwritable)
}

/// The subject of an account's events.
pub fn subject(account: Uuid) -> String {
    format!("accounts/{account}")
}

/// The subject of a session's events.
pub fn session_subject(session: Uuid) -> String {
    format!("sessions/{session}")
}

/// Of an account as it is after the change.
fn head<'a>(
    context: &Context,
    kind: &'static str,
    account: &Account,
    cause: &'a Cause,
) -> Result<EventHead<'a>, Error> {
    head_of(context, kind, subject(account.id), (account.version, account.updated_at), cause)
}

fn head_of<'a>(
    context: &Context,
    kind: &'static str,
    subject: String,
    (version, time): (i64, Timestamp),
    cause: &'a Cause,
) -> Result<EventHead<'a>, Error> {
    let Cause { actor, request_id } = cause;
    let (id, request_id) = (context.id()?, request_id.as_deref());
    let traceparent = scope::traceparent();
    Ok(EventHead { id, source: SOURCE, kind, subject, version, time, actor: *actor, request_id, traceparent })
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Internal(format!("cannot write an event: {error}"))
}
