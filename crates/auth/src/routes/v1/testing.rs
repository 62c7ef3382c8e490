//! The whole service on a database of its own, spoken to as the gateway would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::caller::TokenCheck;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use kernel::{Clock, Error, Timestamp};
use platform::Context;
use platform::tasks::WriteTasks;
use serde_json::Value;
use storage::{Database, DatabaseUrl, Limits};
use tower::ServiceExt;

use crate::{Audience, Auth, AuthSettings};

/// A clock that only tests move.
pub struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct App {
    pub auth: Arc<Auth>,
    clock: Arc<TestClock>,
    folder: tempfile::TempDir,
}

impl App {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { pool_size: 2, shared_connections: 1, ..Limits::DEFAULT };
        let url = DatabaseUrl::Sqlite(folder.path().to_owned());
        let database = Database::open(&url, "auth", limits).await.unwrap();
        database.migrate(&crate::MIGRATIONS).await.unwrap();
        let settings = AuthSettings {
            v1_token_lifetime: Duration::from_secs(3_600),
            access_token_lifetime: Duration::from_secs(600),
            refresh_token_lifetime: Duration::from_secs(3_600),
            key_file: Some(folder.path().join("keys.json")),
            hash_threads: 1,
            hash_queue: 8,
            throttle: true,
            letterhead: crate::Letterhead::default(),
            mails: false,
        };
        let clock = Arc::new(TestClock(Mutex::new(Timestamp(1_763_860_266_898_123))));
        let context = Context::new(clock.clone());
        let tasks = WriteTasks::new(8, Duration::from_secs(30));
        let auth = Auth::start(settings, database, context, tasks).unwrap();
        Self { auth, clock, folder }
    }

    pub fn advance(&self, time: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.after(time);
    }

    /// Changes rows as another process would.
    pub fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.folder.path().join("auth.db")).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn me(&self, token: &str) -> (StatusCode, Value) {
        let caller = match self.auth.authenticate(token, Audience::V1).await {
            Ok(found) => TokenCheck::Known(found.principal),
            Err(Error::Unauthenticated(reason)) => TokenCheck::Unknown(reason),
            Err(error) => TokenCheck::Unchecked(error.to_string()),
        };
        let request = Request::get("/api/v1/auth/me").extension(caller);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Registers Ada and returns her answer's `data`.
    pub async fn ada(&self) -> Value {
        let ada = serde_json::json!({"username": "ada", "email": "Ada@Example.com", "password": "Secret1"});
        let (status, mut body) = self.post("/api/v1/auth/register", ada).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["data"].take()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = axum::Router::from(crate::api(Arc::clone(&self.auth))).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}
