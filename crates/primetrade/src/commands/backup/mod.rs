//! `primetrade backup`: a copy of a store on SQLite, of one moment, while a server works on it.

mod folder;
mod manifest;
mod restore;
mod verify;

pub use restore::restore;
pub use verify::verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kernel::{Clock, SystemClock};
use node::config::Config;
use node::roles::Roles;
use node::stores::Seen;
use node::{Failure, stores};
use platform::files;
use storage::sqlite::backup::{self, Progress};

use self::folder::Staged;
use self::manifest::{Database, Entry, KEYS, Manifest};
use crate::Outcome;

/// What must stay free on a disk: below it, the doctor says, writes fail soon.
const RESERVE: u64 = 64 << 20;
/// A log that grew to this is given back: it makes reads slower, and takes long to copy into its file.
const MAX_LOG: u64 = 4 << 30;
/// Between two looks at the free space.
const LOOK: Duration = Duration::from_millis(200);

/// `primetrade backup DIR`.
pub async fn take(config: &Config, name: &Path, with_keys: bool) -> Result<Outcome, Failure> {
    if stores::places(config).iter().any(|place| place.file().is_none()) {
        complain!("{}", on_postgresql(config));
        return Ok(Outcome::Finding);
    }
    super::require_shop(config)?;
    let sources = sources(stores::check(config, Roles::ALL).await?);
    let keys = with_keys.then(|| config.key_file());
    let owned = name.to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let told = copy(&sources, keys.as_deref(), &owned, MAX_LOG)?;
        // Whoever keeps the last few must not replace good ones by copies of what is damaged.
        Ok::<_, Failure>((told, verify::look(&owned)?.1))
    });
    let (told, faults) = taken.await??;
    if faults.is_empty() {
        say!("{told}");
        return Ok(Outcome::Done);
    }
    faults.iter().for_each(|fault| complain!("{fault}"));
    complain!(
        "the store itself is damaged: run `primetrade doctor`, and keep the backups that you have; this copy is in {}",
        name.display()
    );
    Ok(Outcome::Finding)
}

/// The file of a service.
struct Source {
    service: &'static str,
    file: PathBuf,
}

/// The files of a store. A service that this release added to it has none before its first start.
fn sources(seen: Vec<Seen>) -> Vec<Source> {
    let source = |Seen { place, .. }: Seen| Some(Source { service: place.service, file: place.file()? });
    seen.into_iter().filter_map(source).filter(|source| source.file.exists()).collect()
}

/// Copies all, and says so.
fn copy(sources: &[Source], keys: Option<&Path>, name: &Path, max_log: u64) -> Result<String, Failure> {
    let started = Instant::now();
    let staged = Staged::beside(name, "")?;
    require_room(sources, staged.path())?;
    let files: Vec<PathBuf> = sources.iter().map(|source| source.file.clone()).collect();
    let snapshots = backup::snapshot(&files)?;
    let taken_at = SystemClock.now();
    let mut manifest = Manifest::new(taken_at);
    let mut watch = Watch::new(files.clone(), staged.path().to_owned(), max_log);
    for (source, snapshot) in sources.iter().zip(snapshots) {
        let contents = snapshot.contents()?;
        let copied = staged.path().join(source.file.file_name().unwrap_or_default());
        watch.begin(&copied);
        snapshot.copy_to(&copied, |progress| watch.look(progress))?;
        // Its log may start over while the next is copied.
        drop(snapshot);
        let mut entry = Entry::of(&copied)?;
        manifest.store = manifest.store.or(contents.store.mark().map(|mark| mark.id));
        entry.database = Some(Database::of(source.service, contents));
        manifest.files.push(entry);
    }
    let keys = keys.filter(|file| file.exists());
    if let Some(keys) = keys {
        let copied = staged.path().join(KEYS);
        folder::copy(keys, &copied)?;
        manifest.files.push(Entry::of(&copied)?);
    }
    manifest.write(staged.path())?;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    staged.publish()?;
    watch.bar.finish_and_clear();
    Ok(format!(
        "{} has the store as of {}: {} in {:.1} s; the write-ahead logs grew to {} at most\n{}",
        name.display(),
        taken_at.to_rfc3339_millis(),
        mib(bytes),
        started.elapsed().as_secs_f64(),
        mib(watch.longest_log),
        match keys {
            Some(_) => "keep it as private as the server: it has password hashes, addresses, and the keys of tokens",
            None => "it has no keys: with others, all sessions end and mailed links are void",
        }
    ))
}

fn require_room(sources: &[Source], folder: &Path) -> Result<(), Failure> {
    let needed: u64 = sources.iter().filter_map(|source| source.file.metadata().ok()).map(|file| file.len()).sum();
    let free = files::free_space(folder)?;
    if free < needed.saturating_add(RESERVE) {
        let (needed, reserve) = (mib(needed), mib(RESERVE));
        return Err(format!(
            "a backup there needs {needed} and leaves {reserve} free, and {} are free on its disk: name a folder on another",
            mib(free)
        )
        .into());
    }
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Shows how far it is, and stops it before it is a burden.
struct Watch {
    sources: Vec<PathBuf>,
    target: PathBuf,
    max_log: u64,
    bar: ProgressBar,
    longest_log: u64,
    looked: Option<Instant>,
}

impl Watch {
    fn new(sources: Vec<PathBuf>, target: PathBuf, max_log: u64) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left").ok();
        let bar = style.into_iter().fold(ProgressBar::no_length(), ProgressBar::with_style);
        Self { sources, target, max_log, bar, longest_log: 0, looked: None }
    }

    fn begin(&mut self, copy: &Path) {
        self.bar.reset();
        self.bar.set_message(copy.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
    }

    fn look(&mut self, progress: Progress) -> Result<(), Failure> {
        self.bar.set_length(progress.all);
        self.bar.set_position(progress.copied);
        // As long as the snapshot of a file is held, its log cannot start over.
        let logs = self.sources.iter().filter_map(|file| backup::log_of(file).metadata().ok()).map(|log| log.len());
        self.longest_log = logs.fold(self.longest_log, u64::max);
        if self.longest_log > self.max_log {
            return Err(format!(
                "given up: others write so much that the log of the database grew to {}. Try again when they write less; nothing \
                 was left behind",
                mib(self.longest_log)
            )
            .into());
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        for place in self.sources.iter().chain([&self.target]) {
            let free = files::free_space(place)?;
            if free < RESERVE {
                let place = place.display();
                return Err(format!(
                    "given up: only {} are free on the disk of {place}; nothing was left behind",
                    mib(free)
                )
                .into());
            }
        }
        Ok(())
    }
}

/// What backs up a store on PostgreSQL.
fn on_postgresql(config: &Config) -> String {
    let keys = config.key_file();
    let mut dumps: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for place in stores::places(config) {
        dumps.entry(place.setting).or_default().push(place.service);
    }
    let is_one = dumps.len() == 1;
    let dump = |(setting, services): (String, Vec<&str>)| {
        let schemas: Vec<String> = services.iter().map(|service| format!("--schema={service}")).collect();
        let variable = format!("PRIMETRADE_{}", setting.replace('.', "__").to_uppercase());
        let (file, variable) = match setting.strip_suffix(".database.url") {
            Some(service) => (service, variable),
            None => ("primetrade", format!("{{PRIMETRADE_DATABASE__MIGRATE_URL:-${variable}}}")),
        };
        format!("  pg_dump --format=custom {} --file={file}.dump \"${variable}\"\n", schemas.join(" "))
    };
    let dumps: String = dumps.into_iter().map(dump).collect();
    let moment = if is_one {
        "It is of one moment, and servers may go on."
    } else {
        "Servers may go on; they are not of one moment, so stop them if that matters."
    };
    format!(
        "this store is on PostgreSQL, whose own tools back it up. With the URLs of the settings, by an account that owns the schemas:\n{dumps}  cp {} /where/dumps/are\n{moment} See \
         docs/operation.md, \"Backups\", also for base backups.",
        keys.display()
    )
}

#[cfg(test)]
mod tests {
    use storage::{Database, DatabaseUrl, Limits};

    use super::*;

    #[tokio::test]
    async fn one_whose_log_grows_too_long_is_given_up_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("data"));
        let limits = Limits { pool_size: 1, shared_connections: 1, ..Limits::DEFAULT };
        let mut sources = Vec::new();
        let mut open = Vec::new();
        for (service, migrations) in [("auth", &auth::MIGRATIONS), ("products", &products::MIGRATIONS)] {
            let database = Database::open(&url, service, limits).await.unwrap();
            database.migrate(migrations).await.unwrap();
            open.push(database);
            sources.push(Source { service, file: folder.path().join(format!("data/{service}.db")) });
        }
        let backups = folder.path().join("backups");
        let error = copy(&sources, None, &backups.join("first"), 0).unwrap_err().to_string();
        assert!(error.contains("given up") && error.contains("nothing was left behind"), "{error}");
        assert_eq!(std::fs::read_dir(&backups).unwrap().count(), 0);
        copy(&sources, None, &backups.join("second"), MAX_LOG).unwrap();
        assert_eq!(std::fs::read_dir(&backups).unwrap().count(), 1);
    }
}
