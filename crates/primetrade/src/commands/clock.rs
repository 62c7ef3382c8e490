//! `primetrade clock confirm`: somebody has looked at the clock that leapt, and it is right.

use platform::db::DatabaseUrl;
use platform::db::sqlite::LeapNote;

use crate::config::Config;
use crate::{Failure, Outcome};

pub fn confirm(config: &Config) -> Result<Outcome, Failure> {
    let mut confirmed = false;
    for (service, url) in [("auth", config.auth_database()), ("products", config.products_database())] {
        if let DatabaseUrl::Sqlite(folder) = url {
            confirmed |= LeapNote::of(folder, service).confirm()?;
        }
    }
    match confirmed {
        true => say!("the clock is confirmed: what is over by it is deleted from now on"),
        false => say!("no clock leapt that would have to be confirmed"),
    }
    Ok(Outcome::Done)
}
