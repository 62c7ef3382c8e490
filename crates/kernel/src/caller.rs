//! Who is asking.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Unauthenticated};
use crate::event::Actor;
use crate::time::Timestamp;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Admin,
}

impl Role {
    /// The stored and published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }

    pub fn parse(word: &str) -> Option<Role> {
        match word {
            "user" => Some(Role::User),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// An authenticated caller: a live session of an active account, as of this request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Principal {
    pub account_id: Uuid,
    pub session_id: Uuid,
    pub username: String,
    pub email: String,
    pub role: Role,
    pub logged_in_at: Timestamp,
}

/// How long after a log-in its session may change what a stolen token must not.
const RECENT: Duration = Duration::from_secs(10 * 60);

impl Principal {
    /// # Errors
    /// `Unauthenticated` (`TooLongAgo`) when the log-in is no proof any more that the owner is there.
    pub fn logged_in_recently(&self, now: Timestamp) -> Result<(), Error> {
        if now <= self.logged_in_at.after(RECENT) {
            Ok(())
        } else {
            Err(Error::Unauthenticated(Unauthenticated::TooLongAgo))
        }
    }

    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Owners and administrators may see and change what belongs to `owner`.
    pub fn may_manage(&self, owner: Uuid) -> bool {
        self.account_id == owner || self.is_admin()
    }
}

/// Who acts, and under which request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub request_id: Option<String>,
    /// Whether they are told that others' products exist which they may not see, as v1 does.
    pub told_of_hidden: bool,
}

impl Caller {
    pub fn actor(&self) -> Actor {
        Actor::Account(self.principal.account_id)
    }
}
