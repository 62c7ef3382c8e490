//! What services ask each other: typed questions, each with its answer.

use axum::extract::{FromRequest, Request, State};
use axum::routing::post;
use axum::{Extension, Router};
use kernel::{Error, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::peer::{Answer, path};
use crate::{Routine, body, of_service};

/// A question of one service to another. As JSON it is the body of a POST.
pub trait Question: Serialize + DeserializeOwned + Send + 'static {
    /// Behind `/internal/{service}/`.
    const PATH: &'static str;
    /// Whether it may be asked again when nobody knows whether it arrived: it changes nothing, or the same however often.
    const REPEATABLE: bool;
    /// Whether it is asked all the time, so that the log need not tell of its answers.
    const ROUTINE: bool;
    type Answer: Serialize + DeserializeOwned + Send;
}

/// Declares questions: `again` those that are repeatable, `once` the others, `routinely` those that are repeatable and asked all the time.
///
/// ```text
/// mesh::questions! {
///     again "accounts/get" => Get { id: Uuid } -> Option<Account>;
/// }
/// ```
#[macro_export]
macro_rules! questions {
    ($($often:ident $path:literal => $Question:ident { $($field:ident: $Type:ty),* $(,)? } -> $Answer:ty;)*) => {$(
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        struct $Question {
            $($field: $Type,)*
        }

        impl $crate::Question for $Question {
            const PATH: &'static str = $path;
            const REPEATABLE: bool = $crate::questions!(@repeatable $often);
            const ROUTINE: bool = $crate::questions!(@routine $often);
            type Answer = $Answer;
        }
    )*};
    (@repeatable once) => { false };
    (@repeatable $often:ident) => { true };
    (@routine routinely) => { true };
    (@routine $often:ident) => { false };
}

/// The questions that a service answers to other processes.
pub struct Questions<S> {
    service: &'static str,
    asked: S,
    router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Questions<S> {
    /// `asked` is who answers, cloned for each.
    pub fn of(service: &'static str, asked: S) -> Self {
        Self { service, asked, router: Router::new() }
    }

    #[must_use]
    pub fn on<Q, F, R>(self, answer: F) -> Self
    where
        Q: Question,
        F: Fn(S, Q) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Q::Answer, Error>> + Send,
    {
        let handler = async move |State(asked): State<S>, Arrived(question): Arrived<Q>| {
            let answer = answer(asked, question).await;
            let is_routine = Q::ROUTINE && answer.is_ok();
            (is_routine.then_some(Extension(Routine)), Answer(answer))
        };
        Self { router: self.router.route(&path(self.service, Q::PATH), post(handler)), ..self }
    }

    /// For the listener that only other processes of the deployment reach.
    pub fn routes(self) -> Router {
        self.router.with_state(self.asked)
    }
}

/// What another service of the deployment asks. Nobody else may ask it.
struct Arrived<Q>(Q);

impl<S: Sync, Q: DeserializeOwned> FromRequest<S> for Arrived<Q> {
    type Rejection = Answer<()>;

    async fn from_request(request: Request, _: &S) -> Result<Self, Answer<()>> {
        let (mut parts, body) = request.into_parts();
        of_service(&parts)?;
        let broken = |_| Answer(Err(Error::Internal("a question that did not arrive whole".into())));
        let body = body::of(&mut parts, body).await.map_err(broken)?;
        let strange = |error| Answer(Err(Error::Internal(format!("a question that is not understood: {error}"))));
        json::from_slice(&body).map(Arrived).map_err(strange)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::Speaker;

    crate::questions! {
        again "get" => Get { id: i64 } -> i64;
    }

    async fn asked(body: &'static str) -> Result<i64, Error> {
        let mut request = Request::new(Body::from(body));
        request.extensions_mut().insert(Speaker::Service("users".into()));
        match Arrived::<Get>::from_request(request, &()).await {
            Ok(Arrived(question)) => Ok(question.id),
            Err(Answer(refused)) => Err(refused.unwrap_err()),
        }
    }

    #[tokio::test]
    async fn a_question_is_an_object() {
        assert_eq!(asked(r#"{"id": 7}"#).await.unwrap(), 7);
        assert!(serde_json::from_str::<Get>("[7]").is_ok());
        for other in ["[7]", "7", "", r#"{"id": 7} {}"#] {
            assert!(matches!(asked(other).await, Err(Error::Internal(_))), "{other}");
        }
    }
}
