//! `primetrade restore`: a backup becomes a data folder.

use std::path::{Path, PathBuf};

use node::Failure;
use node::config::Config;
use node::stores;
use storage::DatabaseUrl;

use super::folder::{self, Staged};
use super::manifest::{Entry, KEYS, Manifest};
use super::verify::look;
use crate::Outcome;

/// `primetrade restore DIR`, into the folder of the settings or another.
pub async fn restore(config: &Config, from: &Path, into: Option<PathBuf>) -> Result<Outcome, Failure> {
    let into = match (into, &config.database.url) {
        (Some(into), _) => into,
        (None, DatabaseUrl::Sqlite(folder)) => folder.clone(),
        (None, DatabaseUrl::Postgres(_)) => {
            return Err("a backup is of SQLite files, and database.url is PostgreSQL: name a folder with --into".into());
        }
    };
    let (owned, to) = (from.to_owned(), into.clone());
    let restored = tokio::task::spawn_blocking(move || copy(&owned, &to)).await??;
    match restored {
        Ok(manifest) => {
            say!("{} has the store as of {}", into.display(), manifest.taken_at);
            for step in next_steps(config, &into, &manifest) {
                say!("{step}");
            }
            Ok(Outcome::Done)
        }
        Err(faults) => {
            faults.iter().for_each(|fault| complain!("{fault}"));
            complain!("{} is damaged; nothing was restored", from.display());
            Ok(Outcome::Finding)
        }
    }
}

/// Copies what is whole; or says what is damaged.
fn copy(from: &Path, into: &Path) -> Result<Result<Manifest, Vec<String>>, Failure> {
    let staged = Staged::beside(into, " with --into")?;
    let (manifest, faults) = look(from)?;
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    for told in &manifest.files {
        let copied = staged.path().join(&told.name);
        folder::copy(&from.join(&told.name), &copied)?;
        if Entry::of(&copied)?.sha256 != told.sha256 {
            return Err(format!("{} was changed while it was copied: try again", told.name).into());
        }
    }
    staged.publish()?;
    Ok(Ok(manifest))
}

fn next_steps(config: &Config, into: &Path, manifest: &Manifest) -> Vec<String> {
    let shown = super::super::absolute(into);
    let mut steps = Vec::new();
    let is_there = |url: &DatabaseUrl| *url == DatabaseUrl::Sqlite(into.to_owned());
    for place in stores::places(config).iter().filter(|place| !is_there(&place.url)) {
        steps.push(format!("to serve it, set {} to sqlite:{shown}", place.setting));
    }
    steps.dedup();
    let keys = into.join(KEYS);
    match manifest.names().contains(KEYS) {
        true if config.auth.key_file.is_some() && config.key_file() != keys => {
            steps.push(format!(
                "its keys are in {}: copy them to where auth.key_file says, or set that",
                keys.display()
            ));
        }
        true => {}
        false => steps.push("it came without keys: put keys.json there, or all have to log in anew".into()),
    }
    steps.push("then `primetrade stock verify`, and start the server".into());
    steps
}
