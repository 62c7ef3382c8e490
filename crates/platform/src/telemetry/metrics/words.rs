//! Labels whose words are known when the program is compiled. Their series are there, at zero, from the start.

use std::marker::PhantomData;

use prometheus::IntCounter;

/// The words that one label may have.
pub trait Word: Copy + 'static {
    const ALL: &'static [&'static str];
    /// Its place in [`Word::ALL`].
    fn place(self) -> usize;
}

/// A counter for each word.
pub struct Counts<W>(Vec<IntCounter>, PhantomData<W>);

impl<W: Word> Counts<W> {
    pub(super) fn new(counter: impl Fn(&'static str) -> IntCounter) -> Self {
        Self(W::ALL.iter().map(|word| counter(word)).collect(), PhantomData)
    }

    pub fn count(&self, word: W) {
        self.add(word, 1);
    }

    pub fn add(&self, word: W, count: u64) {
        self.0[word.place()].inc_by(count);
    }
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$why:meta])* $word:ident = $text:literal),+ $(,)? })+) => { $(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$why])* $word),+ }

        impl Word for $name {
            const ALL: &'static [&'static str] = &[$($text),+];
            fn place(self) -> usize { self as usize }
        }
    )+ };
}

words! {
    /// What became of a log-in.
    LogIn {
        Succeeded = "succeeded",
        WrongCredentials = "wrong_credentials",
        Deactivated = "deactivated",
        RateLimited = "rate_limited",
        /// It was not decided: overload, or the database does not answer.
        Failed = "failed",
    }

    /// What became of a reservation. Each is held once and ends once.
    Reservations {
        Held = "held",
        /// Too little was there.
        Refused = "refused",
        Extended = "extended",
        Committed = "committed",
        Released = "released",
        Expired = "expired",
    }

    /// What became of an exchange of a refresh token.
    Refresh {
        Succeeded = "succeeded",
        /// It came twice, and its session has ended for that.
        Reused = "reused",
        /// It is no token, or its session is over.
        Refused = "refused",
        Failed = "failed",
    }

    /// What became of a request with an `Idempotency-Key`.
    Idempotency {
        Stored = "stored",
        Replayed = "replayed",
        InFlight = "in_flight",
        KeyReused = "key_reused",
        /// Its answer is not final, and the key is free again.
        NotKept = "not_kept",
    }

    /// What became of an attempt at a job.
    Ran {
        Done = "done",
        Retried = "retried",
        Parked = "parked",
        /// Another had taken it over.
        Lost = "lost",
    }

    /// What a process tells of itself.
    Signal {
        Logs = "logs",
        Traces = "traces",
    }

    /// What a rate limit decided.
    Decision {
        Allowed = "allowed",
        Refused = "refused",
    }
}
