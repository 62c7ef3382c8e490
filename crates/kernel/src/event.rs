//! What happened, as it is kept for ever: CloudEvents 1.0 in the JSON format, with our extension attributes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    Account(Uuid),
    /// A command run on the server's own machine, or the server itself.
    System,
}

impl Actor {
    pub fn as_text(&self) -> String {
        match self {
            Actor::Account(id) => format!("account:{id}"),
            Actor::System => "system".to_owned(),
        }
    }
}

/// Personal fields of an event. They are stored beside it and can be erased; the event holds only
/// SHA-256(salt ‖ bytes), so the log still verifies afterwards.
#[derive(Debug, Clone)]
pub struct PersonalData {
    /// The person, as the subject of their own events: `accounts/<id>`. Erasing a person finds all of theirs by it.
    pub of: String,
    pub salt: [u8; 16],
    pub bytes: Vec<u8>,
}

/// One event, ready to be appended in the transaction of the change that it tells of.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: Uuid,
    /// `product.created`, without the reverse-DNS prefix.
    pub kind: &'static str,
    /// `products/<id>`: what changed.
    pub subject: String,
    /// The subject's version after the change.
    pub version: i64,
    pub time: Timestamp,
    /// The exact bytes that are stored and later hashed.
    pub bytes: Vec<u8>,
    pub personal: Option<PersonalData>,
    /// What the change may have made stale beside its subject, see [the module](mod@crate::tag).
    pub tags: Vec<String>,
}

/// The envelope's attributes in the order in which they are written.
#[derive(Serialize)]
struct Envelope<'a, T: Serialize> {
    specversion: &'static str,
    id: Uuid,
    source: &'static str,
    r#type: String,
    subject: &'a str,
    time: Timestamp,
    datacontenttype: &'static str,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requestid: Option<&'a str>,
    /// Of the extension <https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md>.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    subjectversion: i64,
    data: T,
}

/// What the author of an event knows besides its data.
#[derive(Debug, Clone)]
pub struct EventHead<'a> {
    pub id: Uuid,
    /// The service: `/auth`, `/products`.
    pub source: &'static str,
    pub kind: &'static str,
    pub subject: String,
    pub version: i64,
    pub time: Timestamp,
    pub actor: Actor,
    pub request_id: Option<&'a str>,
    /// The request as a part of its trace.
    pub traceparent: Option<String>,
}

impl Event {
    /// Writes the envelope.
    ///
    /// # Errors
    /// When `data` cannot be written as JSON.
    pub fn new<T: Serialize>(
        head: EventHead<'_>,
        data: T,
        personal: Option<PersonalData>,
    ) -> Result<Self, serde_json::Error> {
        let bytes = serde_json::to_vec(&Envelope {
            specversion: "1.0",
            id: head.id,
            source: head.source,
            r#type: format!("primetrade.{}", head.kind),
            subject: &head.subject,
            time: head.time,
            datacontenttype: "application/json",
            actor: head.actor.as_text(),
            requestid: head.request_id,
            traceparent: head.traceparent.as_deref(),
            subjectversion: head.version,
            data,
        })?;
        let EventHead { id, kind, subject, version, time, .. } = head;
        Ok(Event { id, kind, subject, version, time, bytes, personal, tags: Vec::new() })
    }

    /// With what its change may have made stale beside its subject.
    #[must_use]
    pub fn tagged(mut self, tags: impl IntoIterator<Item = String>) -> Self {
        self.tags.extend(tags);
        self.tags.sort_unstable();
        self.tags.dedup();
        self
    }

    /// Everything that its change may have made stale.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        [self.subject.as_str()].into_iter().chain(self.tags.iter().map(String::as_str))
    }
}
