//! The jobs of services that run in other processes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use effects::jobs::{Filter, JobAdmin, Record};
use kernel::{Actor, Error, Uuid};

use crate::{Peer, Questions};

crate::questions! {
    again "jobs/list" => List { filter: Filter, before: Option<Uuid>, limit: i64 } -> Vec<Record>;
    again "jobs/get" => Get { id: Uuid } -> Option<Record>;
    // Once more is as good as once.
    again "jobs/replay" => Replay { id: Uuid, actor: Actor, request_id: Option<String> } -> Record;
    once "jobs/discard" => Discard { id: Uuid, actor: Actor, request_id: Option<String> } -> ();
}

/// What a service answers other processes about its jobs.
pub fn routes(service: &'static str, admin: Arc<dyn JobAdmin>) -> Router {
    Questions::of(service, admin)
        .on(|admin, List { filter, before, limit }| async move { admin.list(&filter, before, limit).await })
        .on(|admin, Get { id }| async move { admin.get(id).await })
        .on(|admin, Replay { id, actor, request_id }| async move { admin.replay(id, actor, request_id).await })
        .on(|admin, Discard { id, actor, request_id }| async move { admin.discard(id, actor, request_id).await })
        .routes()
}

/// The jobs of the service that `peer` leads to.
#[derive(Clone)]
pub struct RemoteJobAdmin(pub Peer);

#[async_trait]
impl JobAdmin for RemoteJobAdmin {
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error> {
        self.0.ask(List { filter: filter.clone(), before, limit }).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error> {
        self.0.ask(Get { id }).await
    }

    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error> {
        self.0.ask(Replay { id, actor, request_id }).await
    }

    async fn discard(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error> {
        self.0.ask(Discard { id, actor, request_id }).await
    }
}
