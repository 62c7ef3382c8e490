//! What a step of the edge is, and how steps follow each other.

use axum::extract::Request;
use axum::response::Response;

/// A step that does not wait. It sees each request on its way in, unless a step before refused it, and each answer to what it let
/// in, on its way out.
pub trait Step: Send + Sync {
    /// What it keeps of a request until the answer.
    type Held<'s>: Send
    where
        Self: 's;

    /// # Errors
    /// The answer to a request that goes no further. It goes out through the steps before this one.
    #[expect(
        clippy::result_large_err,
        reason = "an answer is passed on as it is, and a refusal must cost as little as can be"
    )]
    fn enter<'s>(&'s self, request: &mut Request) -> Result<Self::Held<'s>, Response>;

    /// Changes the answer on its way out. Left out by steps that only hold something.
    fn leave(&self, held: Self::Held<'_>, _answer: &mut Response) {
        drop(held);
    }
}

/// As [`Step`], of one that may have to wait. What only some requests wait for belongs into a box of its own: every request in progress
/// has room for what all may wait for.
pub trait WaitingStep: Send + Sync {
    /// As [`Step::Held`].
    type Held<'s>: Send
    where
        Self: 's;

    /// # Errors
    /// As [`Step::enter`].
    fn enter<'s>(&'s self, request: &mut Request) -> impl Future<Output = Result<Self::Held<'s>, Response>> + Send;

    /// As [`Step::leave`].
    fn leave(&self, held: Self::Held<'_>, _answer: &mut Response) {
        drop(held);
    }
}

impl<S: Step> WaitingStep for S {
    type Held<'s>
        = S::Held<'s>
    where
        Self: 's;

    async fn enter<'s>(&'s self, request: &mut Request) -> Result<Self::Held<'s>, Response> {
        Step::enter(self, request)
    }

    fn leave(&self, held: Self::Held<'_>, answer: &mut Response) {
        Step::leave(self, held, answer);
    }
}

/// The end of a chain.
impl Step for () {
    type Held<'s> = ();

    fn enter(&self, _: &mut Request) -> Result<(), Response> {
        Ok(())
    }
}

/// A step, and those within it.
pub struct Then<S, Rest>(pub S, pub Rest);

impl<S: WaitingStep, Rest: WaitingStep> WaitingStep for Then<S, Rest> {
    type Held<'s>
        = (S::Held<'s>, Rest::Held<'s>)
    where
        Self: 's;

    async fn enter<'s>(&'s self, request: &mut Request) -> Result<Self::Held<'s>, Response> {
        let held = self.0.enter(request).await?;
        match self.1.enter(request).await {
            Ok(rest) => Ok((held, rest)),
            Err(mut refusal) => {
                self.0.leave(held, &mut refusal);
                Err(refusal)
            }
        }
    }

    fn leave(&self, (held, rest): Self::Held<'_>, answer: &mut Response) {
        self.1.leave(rest, answer);
        self.0.leave(held, answer);
    }
}
