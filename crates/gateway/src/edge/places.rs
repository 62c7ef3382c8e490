//! Requests in progress are bounded in number; beyond, they are shed.

use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use kernel::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::statement::is_ours;
use super::{Listener, Step, refuse};

pub struct Places(Semaphore);

impl Places {
    pub fn new(listener: &Listener) -> Self {
        Self(Semaphore::new(listener.settings.max_requests))
    }
}

impl Step for Places {
    type Held<'s> = Option<SemaphorePermit<'s>>;

    fn enter<'s>(&'s self, request: &mut Request) -> Result<Option<SemaphorePermit<'s>>, Response> {
        let overloaded = |_| Error::Overloaded { what: "requests", retry_after: Duration::from_secs(1) };
        if is_ours(request) {
            Ok(None)
        } else {
            self.0.try_acquire().map(Some).map_err(|full| refuse(overloaded(full)))
        }
    }
}
