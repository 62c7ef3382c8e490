//! `GET /api/v2/jobs`

use std::sync::Arc;

use api::caller::V2Admin;
use api::v2::page::PageParameters;
use api::v2::problem::Problem;
use api::v2::{self, Page, Position, Query, Refusal};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use effects::jobs::{Filter, State as JobState};
use utoipa::IntoParams;

use super::V2Job;
use crate::jobs::{self, Found};
use crate::routes::Endpoints;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub struct JobFilter {
    /// Only those of this service, such as `auth`. If another does not answer, this one can still be asked.
    service: Option<String>,
    /// Only those of this queue.
    #[param(max_length = 64)]
    queue: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<JobState>,
}

type V2JobPage = Page<V2Job>;

/// Jobs of all services, newest first, for administrators
///
/// What is done is gone. Those that are parked failed too often, and wait to be replayed. Those with a period are done again and again.
#[utoipa::path(get, path = "/api/v2/jobs", operation_id = "list_jobs", tag = "jobs", security(("bearer" = [])),
    params(JobFilter, PageParameters), responses((status = 200, body = V2JobPage),
        (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn handle(
    State(endpoints): State<Arc<Endpoints>>,
    V2Admin(_): V2Admin,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let mut query = Query::read(query.as_deref(), &["service", "queue", "state", "limit", "cursor"]);
    let services: Vec<_> = endpoints.job_admins.iter().map(|(name, _)| (*name, *name)).collect();
    let service = query.choice("service", &services);
    // Nothing in a queue that is not there would look as if all were done.
    let queue = query.choice("queue", &jobs::QUEUES.map(|name| (name, name))).map(str::to_owned);
    let state = query.choice("state", &JobState::ALL.map(|state| (state.as_str(), state)));
    let scope = format!("jobs {service:?} {queue:?} {state:?}");
    let (limit, before) = (query.limit(), query.cursor(&scope, Position::time));
    query.finish()?;
    let before = before.map(|(_, id)| id);
    let found = jobs::list(&endpoints.job_admins, service, &Filter { queue, state }, before, limit + 1).await?;
    let position = |found: &Found| Position::at(found.job.created_at, found.job.id);
    Ok(v2::private(&Page::of(found, limit, &scope, position, V2Job::from)))
}
