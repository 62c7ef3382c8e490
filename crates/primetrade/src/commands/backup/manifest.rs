//! What a backup says of itself: its files with their sums, and what is in them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use kernel::{Timestamp, Uuid, json};
use node::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::sqlite::backup::Contents;

use super::folder;

const NAME: &str = "manifest.json";
/// The sum of the manifest, as `sha256sum` prints and checks it.
const SUM: &str = "manifest.json.sha256";
/// The ring of the keys that sign tokens.
pub const KEYS: &str = "keys.json";
/// The form of a backup that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;
/// A manifest is one or two kilobytes.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The store's; none of one that was only served by releases without ids.
    pub store: Option<Uuid>,
    /// Of the release that made it.
    pub release: String,
    pub revision: String,
    /// The moment of which it is.
    pub taken_at: String,
    pub files: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
}

/// What is in the database of a service.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub service: String,
    /// The last numbered migration, and those that have no number.
    pub schema: i64,
    pub additions: BTreeSet<String>,
    /// The position of the last event.
    pub events: i64,
}

impl Database {
    pub fn of(service: &str, contents: Contents) -> Self {
        let Contents { schema, additions, events, .. } = contents;
        Self { service: service.to_owned(), schema, additions, events }
    }
}

impl Entry {
    /// # Errors
    /// With the file, when it cannot be read.
    pub fn of(file: &Path) -> Result<Self, Failure> {
        let named = |error: io::Error| format!("{}: {error}", file.display());
        let mut open = File::open(file).map_err(named)?;
        let (mut sum, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            match open.read(&mut buffer).map_err(named)? {
                0 => break,
                read => {
                    sum.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, bytes, sha256: hex(&sum.finalize()), database: None })
    }
}

impl Manifest {
    pub fn new(taken_at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            store: None,
            release: env!("CARGO_PKG_VERSION").into(),
            revision: env!("BUILD_REVISION").into(),
            taken_at: taken_at.to_rfc3339_millis(),
            files: Vec::new(),
        }
    }

    /// Writes it into the folder, with its sum.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        for (name, bytes) in [(NAME, text.as_slice()), (SUM, sum_of(&text).as_bytes())] {
            let mut file = folder::create(&folder.join(name))?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// Reads that of a folder.
    ///
    /// # Errors
    /// When there is none, or it is not as it was written.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let read = |name: &str| {
            let mut bytes = Vec::new();
            let read = File::open(folder.join(name)).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
            let no_backup = |error| format!("{} is no whole backup: {name}: {error}", folder.display());
            read.map(|_| bytes).map_err(no_backup)
        };
        let (text, sum) = (read(NAME)?, read(SUM)?);
        if sum != sum_of(&text).as_bytes() {
            return Err(format!("{NAME} is not as it was written, or {SUM} is not: their sums differ").into());
        }
        let manifest: Self = json::from_slice(&text)?;
        if manifest.format != FORMAT {
            return Err(format!("{NAME} has the format {}, and this release reads {FORMAT}", manifest.format).into());
        }
        let is_name = |name: &str| Path::new(name).file_name().is_some_and(|file| file == name);
        match manifest.files.iter().find(|file| !is_name(&file.name)) {
            Some(file) => Err(format!("{NAME} has {:?}, which is no name of a file", file.name).into()),
            None => Ok(manifest),
        }
    }

    /// The names of all files of a backup.
    pub fn names(&self) -> BTreeSet<&str> {
        self.files.iter().map(|file| file.name.as_str()).chain([NAME, SUM]).collect()
    }
}

fn sum_of(text: &[u8]) -> String {
    format!("{}  {NAME}\n", hex(&Sha256::digest(text)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
