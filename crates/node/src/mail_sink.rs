//! Mails as files, for development: what would be sent can be read in a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use auth::{Auth, Mail};
use effects::jobs::{Done, Failed, Record, Work};
use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;
use platform::files;
use tokio::sync::Mutex;

/// Writes each mail as `<id>.eml`. One that was written before a crash is written again, as the same file.
pub struct MailSink {
    auth: Arc<Auth>,
    folder: PathBuf,
    /// The shop's name, and the address that it writes from.
    from: (String, String),
    /// One at a time: a folder that hangs takes one thread.
    turn: Arc<Mutex<()>>,
}

impl MailSink {
    pub fn new(auth: Arc<Auth>, folder: PathBuf, from: (String, String)) -> Self {
        Self { auth, folder, from, turn: Arc::default() }
    }
}

#[async_trait]
impl Work for MailSink {
    async fn run(&self, job: &Record) -> Result<Done, Failed> {
        if let Some(mail) = self.auth.mail_of(job).await? {
            let (folder, from) = (self.folder.clone(), self.from.clone());
            let turn = Arc::clone(&self.turn).lock_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                write(&folder, &from, &mail)
            })
            .await;
            written
                .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
                .map_err(|error| Failed::Retry(format!("{}: {error}", self.folder.display())))?;
        }
        Ok(Done::Outside)
    }
}

/// It holds an address and a token. Written to stay: the job is done after it, and nobody would write the mail again.
fn write(
    folder: &Path,
    (shop, from): &(String, String),
    Mail { id, to, subject, text, time }: &Mail,
) -> std::io::Result<()> {
    let beside = folder.join(format!("{id}.{}.tmp", std::process::id()));
    let domain = from.split_once('@').map_or("localhost", |(_, domain)| domain);
    let plain = ContentType::new("text/plain").attribute("charset", "utf-8");
    let mail = MessageBuilder::new()
        .from((shop.as_str(), from.as_str()))
        .to(to.as_str())
        .subject(subject.as_str())
        .date(time.as_secs())
        .message_id(format!("{id}@{domain}"))
        // As it is: people read it in the file.
        .body(MimePart::new(plain, text.replace('\n', "\r\n")).transfer_encoding("8bit"))
        .write_to_vec()?;
    let bring = |beside: &Path| std::fs::rename(beside, folder.join(format!("{id}.eml")));
    files::put_whole(&beside, &mail, bring)
}
