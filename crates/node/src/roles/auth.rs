//! Accounts, sessions and tokens.

use std::sync::Arc;

use ::auth::{self as auth, Accounts, Auth, AuthSettings, Letterhead, MAILS};
use ::gateway::proxy::Sticky;
use axum::Router;
use platform::files;
use users::jobs::{SWEEP_ATTEMPTS, SWEEP_SESSIONS};

use crate::Failure;
use crate::data::{SWEEP, ServiceData};
use crate::deps::{Deps, Purpose};
use crate::mail_sink::MailSink;
use crate::place::{Keeps, Place};
use crate::role::{Role, Service};

pub const KEEPS: Keeps = Keeps { migrations: &auth::MIGRATIONS, holds: "accounts and sessions", derived: false };

pub const ROLE: Role = Role {
    name: "auth",
    needs: &[],
    keeps: Some(&KEEPS),
    described: Some(auth::described),
    // Failed log-ins are counted by the process that is asked.
    sticky: Sticky::Changes,
    repeatable_posts: auth::REPEATABLE_POSTS,
    create: |deps| Box::pin(async { Ok(Box::new(create(deps).await?) as _) }),
};

/// Accounts, as the role `from` asks about them.
///
/// # Errors
/// When auth is neither here nor elsewhere.
pub fn accounts(deps: &Deps, from: &'static str) -> Result<Arc<dyn Accounts>, Failure> {
    match deps.here::<Arc<Auth>>() {
        Some(auth) => Ok(auth),
        None => Ok(Arc::new(auth::Remote(deps.peer(ROLE.name, from)?))),
    }
}

struct AuthRole {
    service: Arc<Auth>,
    data: ServiceData,
    mail_sink: Option<std::path::PathBuf>,
    from: (String, String),
}

/// As a process that has it makes it.
async fn create(deps: &Deps) -> Result<AuthRole, Failure> {
    let config = &deps.config;
    let place = Place::of(config, ROLE.name, &KEEPS);
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
    deps.offer(Arc::clone(&service));
    Ok(AuthRole { service, data, mail_sink: config.mail.sink.clone(), from })
}

impl Service for AuthRole {
    fn start(&self) {
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

    fn api(&self) -> Router {
        auth::api(Arc::clone(&self.service)).into()
    }

    fn internal(&self) -> Router {
        auth::internal_routes(Arc::clone(&self.service))
    }

    fn data(&self) -> Vec<&ServiceData> {
        vec![&self.data]
    }
}
