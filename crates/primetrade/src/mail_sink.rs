//! Mails as files, for development: what would be sent can be read in a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use auth::{Auth, Mail};

/// The file that remembers how far the event log was read.
const POSITION: &str = ".position";
const BATCH: i64 = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// Writes each mail of the event log as `<id>.eml`. One that was written before a crash is written again, as the same file.
pub async fn run(auth: Arc<Auth>, folder: PathBuf) {
    let mut position = start(&folder);
    loop {
        match auth.mails_after(position, BATCH).await {
            Ok((mails, next)) if next > position => {
                if let Err(error) = write_all(&folder, &mails, next) {
                    tracing::warn!(event = "mail.sink.failed", folder = %folder.display(), %error, "mails are not written");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                position = next;
            }
            Ok(_) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(event = "mail.sink.failed", %error, "mails cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn start(folder: &Path) -> i64 {
    let known = std::fs::read_to_string(folder.join(POSITION)).ok();
    known.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn write_all(folder: &Path, mails: &[Mail], position: i64) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for mail in mails {
        let Mail { id, to, subject, text } = mail;
        let content =
            format!("To: {to}\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}");
        replace(&folder.join(format!("{id}.eml")), &content)?;
    }
    replace(&folder.join(POSITION), &position.to_string())
}

/// Whole or not at all: a reader never sees half a mail.
fn replace(path: &Path, content: &str) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    std::fs::File::create(&beside)?.write_all(content.as_bytes())?;
    std::fs::rename(beside, path)
}
