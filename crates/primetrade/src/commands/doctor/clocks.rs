//! Clocks that are apart.

use std::path::Path;
use std::time::Duration;

use storage::clock::{self, AGREEMENT, TOLERANCE};
use storage::sqlite::LeapNote;

use super::Finding;

/// The clock of this machine, which is so many microseconds ahead of a database's.
pub fn beside_database(check: &str, ahead: i64) -> Option<Finding> {
    let found = format!("the clock of this machine is {} the database's", clock::words(ahead));
    apart(check, found, ahead)
}

/// A leap that was noted beside the file of a service.
pub fn leapt(check: &str, folder: &Path, service: &str) -> Option<Finding> {
    let note = LeapNote::of(folder, service).read()?;
    let found = format!("the clock leapt: it is {note}; until somebody confirms it, nothing is deleted for its age");
    Some(Finding::warning(check, found, "Correct the clock; when it is right, run `primetrade clock confirm`."))
}

/// The clock of a running server beside PostgreSQL's, as its metrics tell of it.
pub fn of_server(check: &str, metrics: &str) -> Vec<Finding> {
    let clocks = metrics.lines().filter_map(|line| line.strip_prefix(r#"primetrade_clock_ahead_seconds{database=""#));
    let clocks = clocks.filter_map(|rest| rest.split_once(r#""} "#)).filter_map(|(database, seconds)| {
        let ahead = (seconds.parse::<f64>().ok()? * 1e6) as i64;
        apart(check, format!("the server's clock is {} the database {database}'s", clock::words(ahead)), ahead)
    });
    clocks.collect()
}

fn apart(check: &str, found: String, ahead: i64) -> Option<Finding> {
    let differs = |most: Duration| u128::from(ahead.unsigned_abs()) > most.as_micros();
    match (differs(AGREEMENT), differs(TOLERANCE)) {
        (false, _) => None,
        (true, false) => {
            let advice =
                "Have both keep time by NTP: meanwhile a server here deletes nothing for its age, and takes no jobs.";
            Some(Finding::warning(check, found, advice))
        }
        (true, true) => Some(Finding::failed(
            check,
            found,
            "Have both keep time by NTP: meanwhile a server here takes no requests.",
        )),
    }
}
