//! E-mail, push and webhooks: for now a place for them, with its health. Mails are written by `mail.sink`, in auth.

use ::gateway::proxy::Sticky;

use crate::role::{Role, Service};

pub const ROLE: Role = Role {
    name: "notifications",
    needs: &[],
    keeps: None,
    described: None,
    sticky: Sticky::Clients,
    repeatable_posts: &[],
    create: |_| Box::pin(async { Ok(Box::new(NotificationsRole) as _) }),
};

struct NotificationsRole;

impl Service for NotificationsRole {}
