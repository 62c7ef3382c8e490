//! Mails as files, for development: what would be sent can be read in a folder.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use auth::{Auth, Mail};
use platform::jobs::{Done, Failed, Record, Work};
use tokio::sync::Mutex;

/// Writes each mail as `<id>.eml`. One that was written before a crash is written again, as the same file.
pub struct MailSink {
    auth: Arc<Auth>,
    folder: PathBuf,
    /// One at a time: a folder that hangs takes one thread.
    turn: Arc<Mutex<()>>,
}

impl MailSink {
    pub fn new(auth: Arc<Auth>, folder: PathBuf) -> Self {
        Self { auth, folder, turn: Arc::default() }
    }
}

#[async_trait]
impl Work for MailSink {
    async fn run(&self, job: &Record) -> Result<Done, Failed> {
        if let Some(mail) = self.auth.mail_of(job).await? {
            let (folder, turn) = (self.folder.clone(), Arc::clone(&self.turn).lock_owned().await);
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                write(&folder, &mail)
            })
            .await;
            written
                .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
                .map_err(|error| Failed::ForNow(format!("{}: {error}", self.folder.display())))?;
        }
        Ok(Done::Outside)
    }
}

/// Whole or not at all: a reader never sees half a mail. It holds an address and a token, so only this user may read it.
fn write(folder: &Path, Mail { id, to, subject, text }: &Mail) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let (path, beside) = (folder.join(format!("{id}.eml")), folder.join(format!("{id}.{}.tmp", std::process::id())));
    let options = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
    let mut file = options?;
    write!(file, "To: {to}\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}")?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}
