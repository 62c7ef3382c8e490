//! The user object of API v1.

use kernel::Uuid;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Account;

/// An account as v1's clients know it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct V1User {
    #[schema(example = "0195ea1b-2c68-8d3a-a411-35f0c6a7b2de")]
    pub id: Uuid,
    #[schema(example = "ada")]
    pub username: String,
    #[schema(example = "ada@example.com")]
    pub email: String,
    #[schema(value_type = kernel::Role)]
    pub role: &'static str,
    pub is_active: bool,
    #[schema(format = DateTime, example = "2026-11-23T01:11:06.898Z")]
    pub created_at: String,
    #[schema(format = DateTime, example = "2026-11-23T01:11:06.898Z")]
    pub updated_at: String,
}

impl From<Account> for V1User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            username: account.username,
            email: account.email,
            role: account.role.as_str(),
            is_active: account.active,
            created_at: account.created_at.to_rfc3339_millis(),
            updated_at: account.updated_at.to_rfc3339_millis(),
        }
    }
}
