//! Accounts, sessions and tokens.

use std::sync::Arc;

use auth::{Auth, AuthSettings};
use axum::Router;
use platform::Context;
use platform::db::Database;

use super::{Deps, Purpose, sweep, tend};
use crate::{Failure, mail_sink};

pub struct AuthRole {
    pub service: Arc<Auth>,
    pub database: Database,
    context: Context,
    mail_sink: Option<std::path::PathBuf>,
}

impl AuthRole {
    pub async fn create(deps: &Deps) -> Result<Self, Failure> {
        let config = &deps.config;
        let database = deps.open(config.auth_database(), "auth", &auth::MIGRATIONS).await?;
        let settings = AuthSettings {
            v1_token_lifetime: config.auth.v1_token_lifetime,
            access_token_lifetime: config.auth.access_token_lifetime,
            refresh_token_lifetime: config.auth.refresh_token_lifetime,
            key_file: (deps.purpose != Purpose::Command).then(|| config.key_file()),
            hash_threads: config.auth.hash_threads,
            hash_queue: config.auth.hash_queue,
            throttle: config.limits.enabled,
        };
        let (context, mail_sink) = (deps.context.clone(), config.mail.sink.clone());
        let service = Auth::start(settings, database.clone(), context.clone(), deps.tasks.clone())?;
        Ok(Self { service, database, context, mail_sink })
    }

    pub fn start(&self) {
        tend(&self.database, &self.context);
        let auth = Arc::clone(&self.service);
        tokio::spawn(sweep(async move |rows| {
            auth.sweep_sessions(rows).await.is_ok_and(|swept| swept == rows.unsigned_abs())
        }));
        if let Some(folder) = &self.mail_sink {
            tokio::spawn(mail_sink::run(Arc::clone(&self.service), folder.clone()));
        }
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        auth::api(Arc::clone(&self.service)).into()
    }

    /// Those of other processes.
    pub fn internal(&self) -> Router {
        auth::internal_routes(Arc::clone(&self.service))
    }
}
