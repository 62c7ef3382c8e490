//! The event log of a service that runs in another process.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use effects::log::events::Logged;
use effects::log::reader::EventLog;
use kernel::{Error, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::{Peer, Questions};

crate::questions! {
    routinely "log/after" => After { position: i64, limit: usize } -> Vec<Told>;
}

/// A [`Logged`].
#[derive(Serialize, Deserialize)]
struct Told {
    position: i64,
    id: Uuid,
    kind: String,
    subject: String,
    version: i64,
    time: Timestamp,
    /// The envelope, which is JSON: byte for byte.
    envelope: String,
}

impl TryFrom<Logged> for Told {
    type Error = Error;

    fn try_from(event: Logged) -> Result<Self, Error> {
        let Logged { position, id, kind, subject, version, time, bytes } = event;
        let envelope = String::from_utf8(bytes).map_err(|error| Error::Internal(format!("event {id}: {error}")))?;
        Ok(Self { position, id, kind, subject, version, time, envelope })
    }
}

impl From<Told> for Logged {
    fn from(Told { position, id, kind, subject, version, time, envelope }: Told) -> Self {
        Self { position, id, kind, subject, version, time, bytes: envelope.into_bytes() }
    }
}

/// What a service answers other processes about its log.
pub fn routes(service: &'static str, log: Arc<dyn EventLog>) -> Router {
    Questions::of(service, log)
        .on(|log, After { position, limit }| async move {
            log.after(position, limit).await?.into_iter().map(Told::try_from).collect()
        })
        .routes()
}

/// The log of the service that the peer leads to.
pub struct RemoteLog(pub Peer);

#[async_trait]
impl EventLog for RemoteLog {
    async fn after(&self, position: i64, limit: usize) -> Result<Vec<Logged>, Error> {
        Ok(self.0.ask(After { position, limit }).await?.into_iter().map(Logged::from).collect())
    }
}
