//! What became of it, in the words of the metrics.

use kernel::Error;
use kernel::error::Unauthenticated;
use platform::telemetry::metrics::{Decision, LogIn, Refresh};

pub fn log_in<T>(proved: &Result<T, Error>) -> LogIn {
    match proved {
        Ok(_) => LogIn::Succeeded,
        Err(Error::Unauthenticated(Unauthenticated::Deactivated)) => LogIn::Deactivated,
        Err(Error::Unauthenticated(_)) => LogIn::WrongCredentials,
        Err(Error::RateLimited { .. }) => LogIn::RateLimited,
        Err(_) => LogIn::Failed,
    }
}

pub fn refresh<T>(exchanged: &Result<Option<T>, Error>) -> Refresh {
    match exchanged {
        Ok(Some(_)) => Refresh::Succeeded,
        Ok(None) => Refresh::Reused,
        Err(Error::Unauthenticated(_)) => Refresh::Refused,
        Err(_) => Refresh::Failed,
    }
}

pub fn decision<T>(attempt: &Result<T, Error>) -> Decision {
    match attempt {
        Ok(_) => Decision::Allowed,
        Err(_) => Decision::Refused,
    }
}
