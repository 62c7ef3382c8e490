//! Accounts, sessions and tokens.

use std::sync::Arc;

use auth::{Auth, AuthSettings, Letterhead, MAILS};
use axum::Router;
use platform::files;
use users::jobs::{SWEEP_ATTEMPTS, SWEEP_SESSIONS};

use super::data::{SWEEP, ServiceData};
use super::{Deps, Purpose};
use crate::Failure;
use crate::mail_sink::MailSink;
use crate::stores::Place;

pub struct AuthRole {
    pub service: Arc<Auth>,
    pub data: ServiceData,
    mail_sink: Option<std::path::PathBuf>,
    from: (String, String),
}

impl AuthRole {
    pub async fn create(deps: &Deps) -> Result<Self, Failure> {
        let config = &deps.config;
        let place = Place::of_auth(config);
        let data = ServiceData::open(deps, place.clone(), "/auth").await?;
        let settings = AuthSettings {
            v1_token_lifetime: config.auth.v1_token_lifetime,
            access_token_lifetime: config.auth.access_token_lifetime,
            refresh_token_lifetime: config.auth.refresh_token_lifetime,
            key_file: (deps.purpose != Purpose::Command).then(|| config.key_file()),
            hash_threads: config.auth.hash_threads,
            hash_queue: config.auth.hash_queue,
            throttle: config.limits.enabled,
            mails: config.mail.sink.is_some(),
            letterhead: Letterhead { shop: config.shop.name.clone(), link_base: config.link_base() },
        };
        let had_keys = settings.key_file.as_ref().is_none_or(|file| file.exists());
        let service = Auth::start(settings, data.database.clone(), data.context.clone(), deps.tasks.clone())?;
        if !had_keys && place.has_sessions().await {
            let file = config.key_file();
            let message =
                "there were sessions and no keys: all are over, and mailed links void, by the keys that were made";
            tracing::warn!(event = "keys.made", file = %file.display(), "{message}");
        }
        let from = (config.shop.name.clone(), config.mail.from.clone());
        Ok(Self { service, data, mail_sink: config.mail.sink.clone(), from })
    }

    pub fn start(&self) {
        let auth = Arc::clone(&self.service);
        let sessions = self.data.sweep(move |time, rows| {
            let auth = Arc::clone(&auth);
            async move { auth.sweep_sessions(time, rows).await }
        });
        let auth = Arc::clone(&self.service);
        let attempts = self.data.sweep(move |time, rows| {
            let auth = Arc::clone(&auth);
            async move { auth.sweep_attempts(time, rows).await }
        });
        let runner = self.data.runner().every(SWEEP_SESSIONS, SWEEP, sessions);
        let mut runner = runner.every(SWEEP_ATTEMPTS, SWEEP, attempts);
        if let Some(folder) = self.mail_sink.clone() {
            if let Err(error) = files::make_folder(&folder) {
                let folder = folder.display();
                tracing::warn!(event = "mail.sink.unusable", %folder, %error, "no mail can be written: see mail.sink");
            }
            runner = runner
                .queue(self.data.queue(MAILS), MailSink::new(Arc::clone(&self.service), folder, self.from.clone()));
        }
        self.data.start(runner);
    }

    /// The public's endpoints.
    pub fn api(&self) -> Router {
        auth::api(Arc::clone(&self.service)).into()
    }

    /// Those of other processes.
    pub fn internal(&self) -> Router {
        auth::internal_routes(Arc::clone(&self.service)).merge(self.data.internal())
    }
}
