//! Refused tokens in the log. Anybody can have as many refused as they like, so that one line tells of all of a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::tokens::Refused;

const PAUSE: Duration = Duration::from_secs(1);
const REASONS: [Refused; 3] = [Refused::Invalid, Refused::NotYetValid, Refused::Expired];

/// Counts refusals of each reason between two lines.
#[derive(Debug, Default)]
pub struct RefusedTokens([Mutex<Untold>; REASONS.len()]);

#[derive(Debug, Default)]
struct Untold {
    told: Option<Instant>,
    count: u64,
}

impl RefusedTokens {
    /// Tells the log of a refusal, or counts it for the next line.
    pub fn note(&self, refused: Refused) {
        let Some(count) = self.count(refused, Instant::now()) else { return };
        let reason = refused.as_str();
        if refused == Refused::NotYetValid {
            tracing::warn!(event = "auth.token.refused", reason, count, "tokens of the future: compare the clocks");
        } else {
            tracing::info!(event = "auth.token.refused", reason, count, "tokens were refused");
        }
    }

    /// How many refusals a line has to tell of, if it is time for one.
    fn count(&self, refused: Refused, now: Instant) -> Option<u64> {
        let of_reason = self.0.iter().zip(REASONS).find(|(_, reason)| *reason == refused)?.0;
        // A counter is whole between any two statements under this lock.
        let mut untold = of_reason.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        untold.count += 1;
        if untold.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            return None;
        }
        untold.told = Some(now);
        Some(std::mem::take(&mut untold.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_all_since_the_one_before() {
        let (tokens, now) = (RefusedTokens::default(), Instant::now());
        assert_eq!(tokens.count(Refused::Expired, now), Some(1));
        assert!((0..5).all(|_| tokens.count(Refused::Expired, now).is_none()));
        assert_eq!(tokens.count(Refused::Invalid, now), Some(1), "each reason has its own");
        assert_eq!(tokens.count(Refused::Expired, now + PAUSE), Some(6));
    }
}
