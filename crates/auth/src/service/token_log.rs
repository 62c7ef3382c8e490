//! Refused tokens in the log. Anybody can have as many refused as they like, so that one line tells of all of a second.

use std::time::Duration;

use platform::telemetry::Recurring;

use crate::tokens::Refused;

const PAUSE: Duration = Duration::from_secs(1);

/// Counts refusals of each reason between two lines.
#[derive(Debug)]
pub struct RefusedTokens {
    invalid: Recurring,
    not_yet_valid: Recurring,
    expired: Recurring,
}

impl Default for RefusedTokens {
    fn default() -> Self {
        let [invalid, not_yet_valid, expired] = [const { Recurring::every(PAUSE) }; 3];
        Self { invalid, not_yet_valid, expired }
    }
}

impl RefusedTokens {
    /// Tells the log of a refusal, or counts it for the next line.
    pub fn note(&self, refused: Refused) {
        let of_reason = match refused {
            Refused::Invalid => &self.invalid,
            Refused::NotYetValid => &self.not_yet_valid,
            Refused::Expired => &self.expired,
        };
        let Some(count) = of_reason.failed() else { return };
        let reason = refused.as_str();
        if refused == Refused::NotYetValid {
            tracing::warn!(event = "auth.token.refused", reason, count, "tokens of the future: compare the clocks");
        } else {
            tracing::info!(event = "auth.token.refused", reason, count, "tokens were refused");
        }
    }
}
