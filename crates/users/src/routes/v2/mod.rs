//! User administration as API v2 shows it, and what of one's own account concerns other services too.

pub mod get;
pub mod jobs;
pub mod list;
pub mod me;
pub mod patch;
pub mod sessions;
