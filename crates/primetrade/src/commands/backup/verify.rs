//! `primetrade backup verify`: whether a backup is whole, and fits together.

use std::path::Path;

use kernel::Uuid;
use node::Failure;
use storage::sqlite::backup;

use super::manifest::{Database, Entry, Manifest};
use crate::Outcome;

/// `primetrade backup verify DIR`.
pub async fn verify(folder: &Path) -> Result<Outcome, Failure> {
    let owned = folder.to_owned();
    let (manifest, faults) = tokio::task::spawn_blocking(move || look(&owned)).await??;
    for fault in &faults {
        say!("{fault}");
    }
    let shown = folder.display();
    if !faults.is_empty() {
        say!("{shown} is damaged: do not restore it");
        return Ok(Outcome::Finding);
    }
    let store = manifest.store.map_or("without an id".to_owned(), |id| id.to_string());
    say!("{shown} is whole: {} files of the store {store} as of {}", manifest.files.len(), manifest.taken_at);
    Ok(Outcome::Done)
}

/// A backup's manifest, and what is wrong with its files. Blocks.
pub fn look(folder: &Path) -> Result<(Manifest, Vec<String>), Failure> {
    let manifest = Manifest::read(folder)?;
    let mut faults = Vec::new();
    for entry in &manifest.files {
        faults.extend(fault(folder, entry, manifest.store));
    }
    let names = manifest.names();
    for found in std::fs::read_dir(folder)? {
        let name = found?.file_name().to_string_lossy().into_owned();
        // SQLite reads a log that lies beside its file.
        if !names.contains(name.as_str()) {
            faults.push(format!("{name} is not of this backup"));
        }
    }
    Ok((manifest, faults))
}

fn fault(folder: &Path, told: &Entry, store: Option<Uuid>) -> Option<String> {
    let (name, file) = (&told.name, folder.join(&told.name));
    let found = match Entry::of(&file) {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    if (found.bytes, &found.sha256) != (told.bytes, &told.sha256) {
        return Some(format!("{name} is not as it was written: its size or sum differs"));
    }
    let Some(database) = &told.database else { return None };
    match backup::inspect(&file) {
        Err(error) => Some(format!("{name}: {error}")),
        Ok((_, Some(broken))) => Some(format!("{name} is damaged: {}", broken.replace('\n', " "))),
        Ok((contents, None)) if contents.store.mark().map(|mark| mark.id) != store => {
            Some(format!("{name} is of another store than the manifest says"))
        }
        Ok((contents, None)) => (Database::of(&database.service, contents) != *database)
            .then(|| format!("{name} has another schema or event log than the manifest says")),
    }
}
