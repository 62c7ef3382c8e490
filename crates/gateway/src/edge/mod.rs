//! The edge: what every request passes before a service sees it, and every answer on its way out. It is a list of steps, one file
//! each; what is around them is here: the log line, the deadline, and the rescue of a panic.

mod forwarded;
mod observed;
pub mod sender;
mod step;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use api::answers::Answers;
use api::v2::Refusal;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kernel::Error;
use mesh::StatementKeys;
use platform::trace_context::Sender;
use platform::{Context, REQUEST_ID, scope};
use tokio::time::Instant;
use tower::{Layer, Service};

use self::intake::part;
use self::observed::Observed;
use self::step::{Step, Then, WaitingStep};
use crate::EdgeSettings;
use crate::callers::Callers;

/// Declares the modules of the steps, and the chains that they make: each is within the one of the line before.
macro_rules! chains {
    ($($Chain:ident, $chain:ident { $($(#[$why:meta])* $module:ident::$Step:ident,)* })*) => {
        $($(mod $module;)*)*
        $(
            type $Chain = chains!(@type $($module::$Step,)*);

            fn $chain(listener: &Listener) -> $Chain {
                chains!(@made listener $($module::$Step,)*)
            }
        )*
    };
    (@type) => { () };
    (@type $module:ident::$Step:ident, $($rest:tt)*) => { Then<$module::$Step, chains!(@type $($rest)*)> };
    (@made $listener:ident) => { () };
    (@made $listener:ident $module:ident::$Step:ident, $($rest:tt)*) => {
        Then($module::$Step::new($listener), chains!(@made $listener $($rest)*))
    };
}

chains! {
    // Around the log line's answer: what these do is seen in it, and a panic within has become an answer.
    Outside, outside {
        protections::Protections,
        // Before the client has the answer, who remembers something of what it changed has forgotten that.
        changes::Changes,
        // Outside of the words, which make a new answer of a refusal: a page must be able to read why it is refused.
        origins::Origins,
        words::Words,
    }
    // Within the deadline.
    Inside, inside {
        head::Head,
        // Lets nobody in who has no business here, before anything is read of them.
        statement::Statement,
        // Before a request has a place, and its caller is looked at: one whose body is held back keeps nobody out.
        intake::Intake,
        unwritten::Unwritten,
        // A list waits for others before it has a place, which the others need meanwhile.
        admission::Admission,
        places::Places,
        token::Token,
    }
}

/// A tower layer, so that what stands behind it may be a router of this process or a client of another.
#[derive(Clone)]
pub struct Edge(Arc<Parts>);

struct Parts {
    listener: Listener,
    outside: Outside,
    inside: Inside,
}

/// What steps are made from.
pub struct Listener {
    context: Context,
    pub door: Door,
    pub settings: EdgeSettings,
    /// Of all answers together.
    pub answers: Arc<Answers>,
}

/// Whom a listener is for.
pub enum Door {
    /// Everyone; tokens tell who they are.
    Public(Callers),
    /// Our own processes; they vouch for whom they ask.
    Internal(Arc<StatementKeys>),
}

impl Edge {
    pub fn new(context: Context, door: Door, settings: &EdgeSettings) -> Self {
        let listener = Listener { context, door, settings: settings.clone(), answers: Arc::default() };
        Edge(Arc::new(Parts { outside: outside(&listener), inside: inside(&listener), listener }))
    }
}

impl Listener {
    /// Signs and believes statements, where our own processes come in.
    pub fn statement_keys(&self) -> Option<Arc<StatementKeys>> {
        match &self.door {
            Door::Public(_) => None,
            Door::Internal(statement_keys) => Some(Arc::clone(statement_keys)),
        }
    }

    /// Who sends: a proxy that is trusted, one of our own processes, or anybody.
    fn sender(&self, request: &mut Request) -> Sender {
        match &self.door {
            Door::Public(_) => sender::locate(request, &self.settings.trusted_proxies),
            Door::Internal(statement_keys) => statement::verify(statement_keys, request),
        }
    }

    /// When the request has to be answered: after our own time, or that of one of our processes which asks.
    fn deadline(&self, request: &Request) -> Instant {
        let left = match &self.door {
            Door::Public(_) => None,
            Door::Internal(_) => request.headers().get(mesh::TIMEOUT),
        };
        let left = left.and_then(|left| left.to_str().ok()?.parse().ok()).map(Duration::from_millis);
        let most = self.settings.request_timeout;
        Instant::now() + left.map_or(most, |left| left.min(most))
    }
}

impl<S> Layer<S> for Edge {
    type Service = Behind<S>;

    fn layer(&self, inner: S) -> Behind<S> {
        Behind { edge: self.clone(), inner }
    }
}

/// A service behind the edge.
#[derive(Clone)]
pub struct Behind<S> {
    edge: Edge,
    inner: S,
}

impl<S> Service<Request> for Behind<S>
where
    S: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Behind { edge: Edge(edge), inner } = self.clone();
        let deadline = edge.listener.deadline(&request);
        let sender = edge.listener.sender(&mut request);
        let observed = Observed::begin(&edge.listener.context, sender, deadline, &mut request);
        // One future, in one box, and as small as can be: every request in progress has one. It holds the request once, what only
        // some of them wait for has a box of its own, and all that does not wait is a plain function.
        Box::pin(async move {
            let mut answer = match edge.outside.enter(&mut request).await {
                Ok(held) => {
                    let answer = edge.answer(inner, &mut request, deadline);
                    // Inside the log, so that a panic is logged as the 500 that the client gets. The panic hook has logged and
                    // counted it.
                    let answer =
                        scope::within(Arc::clone(&observed.scope), AssertUnwindSafe(answer).catch_unwind()).await;
                    let mut answer = answer.unwrap_or_else(|_| refuse(Error::Internal("a request panicked".into())));
                    // Within the request, whose names every line of it has.
                    scope::speak(&observed.scope, || edge.outside.leave(held, &mut answer));
                    answer
                }
                Err(refusal) => refusal,
            };
            scope::speak(&observed.scope, || observed.tell(&answer));
            answer.headers_mut().insert(REQUEST_ID, observed.id.into_header());
            Ok(answer)
        })
    }
}

impl Parts {
    /// Asks the service behind, if the request may come in and there is room for it; in time, or says that there is no answer.
    async fn answer<S>(&self, inner: S, request: &mut Request, deadline: Instant) -> Response
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse>,
    {
        let has_body = !request.body().is_end_stream();
        let mut refusal = match tokio::time::timeout_at(deadline, self.serve(inner, request)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(refusal)) => refusal,
            Err(_) => refuse(Error::Unavailable("the request ran out of time".into())),
        };
        // Perhaps not all of it was read.
        if has_body {
            part(&mut refusal);
        }
        refusal
    }

    async fn serve<S>(&self, mut inner: S, request: &mut Request) -> Result<Response, Response>
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse>,
    {
        let held = self.inside.enter(request).await?;
        let mut answer = match inner.call(std::mem::take(request)).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        };
        self.inside.leave(held, &mut answer);
        Ok(answer)
    }
}

pub fn refuse(error: Error) -> Response {
    Refusal::from(error).into_response()
}

#[cfg(test)]
mod tests;
