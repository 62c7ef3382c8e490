//! `primetrade clock confirm`: somebody has looked at the clock that leapt, and it is right.

use node::Failure;
use node::config::Config;
use node::stores;
use storage::DatabaseUrl;
use storage::sqlite::LeapNote;

use crate::Outcome;

pub fn confirm(config: &Config) -> Result<Outcome, Failure> {
    super::require_shop(config)?;
    let (mut confirmed, mut has_files) = (false, false);
    for place in stores::places(config) {
        if let DatabaseUrl::Sqlite(folder) = &place.url {
            has_files = true;
            confirmed |= LeapNote::of(folder, place.service).confirm()?;
        }
    }
    match (has_files, confirmed) {
        (false, _) => say!("nothing to confirm: PostgreSQL's own clock counts"),
        (true, false) => say!("nothing to confirm: no clock leapt"),
        (true, true) => say!("the clock is confirmed: what is over by it is deleted from now on"),
    }
    Ok(Outcome::Done)
}
