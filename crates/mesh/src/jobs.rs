//! The jobs of services that run in other processes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use effects::jobs::{Filter, JobAdmin, Record};
use kernel::{Actor, Error, Uuid};
use serde::{Deserialize, Serialize};

use crate::{Answer, Asked, Peer};

#[derive(Serialize, Deserialize)]
struct List {
    filter: Filter,
    before: Option<Uuid>,
    limit: i64,
}

#[derive(Serialize, Deserialize)]
struct Get {
    id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct ToParked {
    id: Uuid,
    actor: Actor,
    request_id: Option<String>,
}

/// Where a service of this name answers.
fn path(service: &str, question: &str) -> String {
    format!("/internal/{service}/jobs/{question}")
}

type Here = State<Arc<dyn JobAdmin>>;

/// The endpoints of a service, for the listener that only other processes of the deployment reach.
pub fn routes(service: &str, admin: Arc<dyn JobAdmin>) -> Router {
    Router::new()
        .route(
            &path(service, "list"),
            post(async |State(admin): Here, Asked(asked): Asked<List>| {
                Answer(admin.list(&asked.filter, asked.before, asked.limit).await)
            }),
        )
        .route(
            &path(service, "get"),
            post(async |State(admin): Here, Asked(asked): Asked<Get>| Answer(admin.get(asked.id).await)),
        )
        .route(
            &path(service, "replay"),
            post(async |State(admin): Here, Asked(asked): Asked<ToParked>| {
                Answer(admin.replay(asked.id, asked.actor, asked.request_id).await)
            }),
        )
        .route(
            &path(service, "discard"),
            post(async |State(admin): Here, Asked(asked): Asked<ToParked>| {
                Answer(admin.discard(asked.id, asked.actor, asked.request_id).await)
            }),
        )
        .with_state(admin)
}

/// The jobs of the service that `peer` leads to.
#[derive(Clone)]
pub struct RemoteJobAdmin(pub Peer);

impl RemoteJobAdmin {
    fn path(&self, question: &str) -> String {
        path(self.0.upstream.name(), question)
    }
}

#[async_trait]
impl JobAdmin for RemoteJobAdmin {
    async fn list(&self, filter: &Filter, before: Option<Uuid>, limit: i64) -> Result<Vec<Record>, Error> {
        self.0.ask(&self.path("list"), &List { filter: filter.clone(), before, limit }).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<Record>, Error> {
        self.0.ask(&self.path("get"), &Get { id }).await
    }

    async fn replay(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<Record, Error> {
        // Once more is as good as once.
        self.0.ask(&self.path("replay"), &ToParked { id, actor, request_id }).await
    }

    async fn discard(&self, id: Uuid, actor: Actor, request_id: Option<String>) -> Result<(), Error> {
        self.0.change(&self.path("discard"), &ToParked { id, actor, request_id }).await
    }
}
