//! Key files: whether they are there, whole, private, and how old.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use kernel::Timestamp;
use node::config::Config;
use node::place::Place;
use node::roles::Roles;
use platform::keys::{FromSeed, KeyError, KeyRing, Seed};
use platform::{Context, files};

use super::{Check, Finding};
use crate::commands::absolute;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// Days after which a key that signs tokens should have been replaced.
const OLD: i64 = 400;

pub fn checks(config: &Config, roles: Roles, context: &Context) -> Vec<Check> {
    let mut checks = Vec::new();
    let is_alone = roles.are_alone(config);
    if roles.has("auth") {
        let (file, now) = (config.key_file(), context.now());
        let of_whom = if is_alone { "every process of the shop" } else { "every process with the role auth" };
        let place = Place::of(config, "auth", &node::roles::auth::KEEPS);
        let look = async move {
            if !file.exists() && place.has_sessions().await {
                vec![lost(&file)]
            } else {
                vec![look::<auth::KeyRing>("auth.key_file", file, now, of_whom)]
            }
        };
        checks.push(Check::new("auth.key_file", look));
    }
    if !is_alone {
        let (file, now) = (config.internal.key_file.clone(), context.now());
        let of_whom = "every process of the deployment";
        let look = async move { vec![look::<KeyRing<Seed>>("internal.key_file", file, now, of_whom)] };
        checks.push(Check::new("internal.key_file", look));
    }
    checks
}

/// What is asked of a ring, whatever its keys are for.
trait Ring: Sized {
    fn load(file: &std::path::Path) -> Result<Self, KeyError>;
    /// How many there are, and of the newest, its name and age.
    fn tell(&self) -> (usize, Option<(&str, Timestamp)>);
}

impl<K: FromSeed> Ring for KeyRing<K> {
    fn load(file: &std::path::Path) -> Result<Self, KeyError> {
        KeyRing::load(file)
    }

    fn tell(&self) -> (usize, Option<(&str, Timestamp)>) {
        (self.keys().len(), self.newest().map(|key| (key.kid.as_str(), key.created_at)))
    }
}

fn look<R: Ring>(setting: &'static str, file: PathBuf, now: Timestamp, of_whom: &str) -> Finding {
    let ring = match R::load(&file) {
        Ok(ring) => ring,
        Err(KeyError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
            return missing(setting, &file, of_whom);
        }
        Err(KeyError::Exposed { path, mode }) => {
            let found = format!("{} can be read or written by others (mode {mode:03o})", absolute(&path));
            let renew =
                if setting == "auth.key_file" { "run `primetrade keys rotate`" } else { "replace it everywhere" };
            let advice = format!("Run `chmod 600 {}`; if others may have read it, {renew}.", path.display());
            return Finding::failed(setting, found, advice);
        }
        Err(error) => {
            return Finding::failed(setting, error.to_string(), format!("Bring back the file that {of_whom} has."));
        }
    };
    let (count, Some((kid, created_at))) = ring.tell() else {
        return Finding::failed(setting, "has no keys", "Bring back the file.");
    };
    let age = now.0.saturating_sub(created_at.0) / DAY;
    let others = if count == 1 { String::new() } else { format!(", {} older ones verify", count - 1) };
    let made = match age {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    };
    let found = format!("{}, only this user can read it; key {kid} signs, made {made}{others}", absolute(&file));
    if created_at > now.after(Duration::from_secs(60)) {
        let advice = "Set the clock of this machine.";
        return Finding::warning(setting, format!("{}, made in the future", absolute(&file)), advice);
    }
    if age > OLD && setting == "auth.key_file" {
        Finding::warning(setting, found, "Run `primetrade keys rotate`.")
    } else {
        Finding::ok(setting, format!("{found}; {of_whom} needs the same file"))
    }
}

/// Not the ring of a new shop.
fn lost(file: &std::path::Path) -> Finding {
    Finding::failed(
        "auth.key_file",
        format!("{} is not there, though people are logged in", absolute(file)),
        "Bring it back: `primetrade serve` makes a new one, by which all sessions end and mailed links are void.",
    )
}

fn missing(setting: &'static str, file: &std::path::Path, of_whom: &str) -> Finding {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(std::path::Path::new("."));
    match files::may_make_in(folder) {
        Ok(()) => Finding::warning(
            setting,
            format!("{} is not there yet: `primetrade serve` makes it", absolute(file)),
            format!("If others run already, copy theirs: {of_whom} needs the same file."),
        ),
        Err(error) => Finding::failed(
            setting,
            format!("{} is not there, and cannot be made: {error}", absolute(file)),
            format!("Correct {setting}, or the rights of the folder."),
        ),
    }
}
