//! What the commands do besides serving.

mod admin;
mod demo;
mod import;

pub use admin::admin_create;
pub use demo::{print_demo_credentials, seed_demo};
pub use import::{Import, import_csv};

use crate::app::{App, Purpose};
use crate::config::Config;
use crate::{Failure, Outcome};

/// `primetrade migrate`.
pub async fn migrate(config: &Config) -> Result<Outcome, Failure> {
    App::open(config, Purpose::Command).await?;
    say!("the schema of {:?} is up to date", config.database.url);
    Ok(Outcome::Done)
}
