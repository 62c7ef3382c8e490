//! What the commands do besides serving.

pub mod admin;
pub mod backup;
pub mod clock;
mod demo;
pub mod doctor;
mod import;
pub mod jobs;
mod openapi;
pub mod skus;
pub mod stock;

pub use demo::{LogIns, refuse_demo_accounts, seed_demo};
pub use import::{Import, import_csv};
pub use openapi::openapi;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::KeyRing;
use kernel::SystemClock;
use mesh::StatementKeys;
use node::app::App;
use node::config::Config;
use node::place::Place;
use node::roles::Roles;
use node::stores;
use node::{Failure, Purpose};
use platform::Context;

use crate::Outcome;

/// What to do about a store that is not where a command looks for it.
const IN_ITS_FOLDER: &str = "run this where the server runs, or set database.url";

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Everything, for one piece of work.
async fn open(config: &Config) -> Result<App, Failure> {
    App::create(config, Roles::ALL, Purpose::Command).await
}

/// As [`open`], where there is a shop already: a command that looks must not find a new one empty, and say that all is well.
async fn open_existing(config: &Config) -> Result<App, Failure> {
    require_shop(config)?;
    open(config).await
}

fn require_shop(config: &Config) -> Result<(), Failure> {
    let files: Vec<PathBuf> = stores::places(config).iter().filter_map(Place::file).collect();
    let mut absent = None;
    for file in &files {
        match file.try_exists() {
            Ok(true) => return Ok(()),
            Ok(false) => absent = Some(file),
            Err(error) => return Err(format!("cannot look for a shop at {}: {error}", absolute(file)).into()),
        }
    }
    let Some(file) = absent else { return Ok(()) };
    let folder = absolute(file.parent().unwrap_or(Path::new(".")));
    Err(format!("there is no shop in {folder}: {IN_ITS_FOLDER}").into())
}

/// `primetrade migrate`.
pub async fn migrate(config: &Config) -> Result<Outcome, Failure> {
    open(config).await?;
    say!("the schema of {:?} is up to date", config.database.url);
    Ok(Outcome::Done)
}

/// `primetrade keys rotate`.
pub fn keys_rotate(config: &Config, internal: bool) -> Result<Outcome, Failure> {
    let context = Context::new(Arc::new(SystemClock));
    let (file, remedy) = if internal {
        (config.internal.key_file.clone(), "run this where the server runs, or set internal.key_file")
    } else {
        (config.key_file(), IN_ITS_FOLDER)
    };
    if !file.exists() {
        // A new ring would be nobody's, and whoever rotates a leaked key would believe that it is replaced.
        return Err(format!("there is no key ring {}: {remedy}", absolute(&file)).into());
    }
    let (older, signed) = if internal {
        (StatementKeys::rotate(&file, &context)?, "statements")
    } else {
        let lifetime = config.auth.v1_token_lifetime.max(config.auth.refresh_token_lifetime);
        (KeyRing::rotate(&file, &context, lifetime)?, "tokens")
    };
    say!("a new key in {} signs from now on; {older} older ones verify until their {signed} are over", file.display());
    Ok(Outcome::Done)
}
