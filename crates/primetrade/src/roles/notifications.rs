//! E-mail, push and webhooks: for now a place for them, with its health. Mails are written by `mail.sink`, in auth.

pub struct NotificationsRole;

impl NotificationsRole {
    pub fn create() -> Self {
        Self
    }

    pub fn start(&self) {}
}
