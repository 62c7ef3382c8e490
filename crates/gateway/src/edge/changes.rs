//! What a request changed is told to those who remember it, before the client has the answer.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::Response;
use platform::scope;

use super::{Door, Listener, Step};
use crate::callers::Callers;

pub enum Changes {
    /// This process remembers callers: changed by what it asked of others.
    Remembered(Callers),
    /// Who asked remembers something.
    Told,
}

impl Changes {
    pub fn new(listener: &Listener) -> Self {
        match &listener.door {
            Door::Public(callers) => Self::Remembered(callers.clone()),
            Door::Internal(_) => Self::Told,
        }
    }
}

impl Step for Changes {
    type Held<'s> = ();

    fn enter(&self, _: &mut Request) -> Result<(), Response> {
        Ok(())
    }

    fn leave(&self, (): (), answer: &mut Response) {
        let changed = scope::current().map(|scope| scope.take_changed()).unwrap_or_default();
        match self {
            Self::Remembered(callers) => callers.forget(changed.iter().map(|subject| &**subject)),
            Self::Told if changed.is_empty() => {}
            Self::Told => {
                if let Ok(changed) = HeaderValue::from_str(&changed.join(" ")) {
                    answer.headers_mut().insert(mesh::CHANGED, changed);
                }
            }
        }
    }
}
