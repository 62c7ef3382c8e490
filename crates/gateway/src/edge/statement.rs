//! Between our own processes: each request carries a statement of who calls, and for whom. The gateway has answered for what is
//! outside, so the word of a statement counts as what the public edge would have found out.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use kernel::Error;
use kernel::error::Needed;
use mesh::{BodyDigest, Speaker, StatementError, StatementKeys};
use platform::client::{ClientAddress, Https};
use platform::trace_context::Sender;

use super::{Listener, Step, refuse};

/// What was made of a request's statement, if it has one.
#[derive(Clone)]
struct Vouched(Option<Result<(Speaker, BodyDigest), StatementError>>);

/// Looks at the statement of a request before it is observed: a process of ours decides about its trace.
pub fn verify(statement_keys: &StatementKeys, request: &mut Request) -> Sender {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let statement = request.headers().get(mesh::STATEMENT);
    let word = statement.map(|statement| statement_keys.verify(statement, request.method(), target));
    let is_ours = matches!(word, Some(Ok(_)));
    request.extensions_mut().insert(Vouched(word));
    if is_ours { Sender::Trusted } else { Sender::Stranger }
}

/// Whether one of our services asks for itself. They bound what they ask, and some of it decides whether the public is served at all.
pub fn is_ours(request: &Request) -> bool {
    matches!(request.extensions().get(), Some(Speaker::Service(_)))
}

/// Has the log say so, too.
pub fn disbelieve(doubt: StatementError) -> Response {
    tracing::warn!(event = "internal.refused", reason = doubt.as_str(), "a statement is not believed");
    doubt.into_response()
}

pub struct Statement {
    /// None where the public comes in.
    statement_keys: Option<Arc<StatementKeys>>,
}

impl Statement {
    pub fn new(listener: &Listener) -> Self {
        Self { statement_keys: listener.statement_keys() }
    }
}

impl Step for Statement {
    type Held<'s> = ();

    /// Turns away who brings no statement of our own processes, and takes their word on whom they ask for.
    fn enter(&self, request: &mut Request) -> Result<(), Response> {
        if self.statement_keys.is_none() {
            return Ok(());
        }
        let (speaker, body) = match request.extensions_mut().remove::<Vouched>() {
            Some(Vouched(Some(Ok(vouched)))) => vouched,
            // Tells one of our processes, if it is one, that this is no refusal of what it asked for. Nobody else learns anything by it.
            Some(Vouched(Some(Err(doubt)))) => return Err(disbelieve(doubt)),
            _ => {
                tracing::warn!(event = "internal.refused", reason = "none", "somebody came without a statement");
                return Err(refuse(Error::Forbidden(Needed::Process)));
            }
        };
        let extensions = request.extensions_mut();
        extensions.remove::<ClientAddress>();
        if let Speaker::Gateway(outside) = &speaker {
            outside.address.map(|address| extensions.insert(ClientAddress(address)));
            outside.https.then(|| extensions.insert(Https));
            outside.arrived().map(|arrived| extensions.insert(arrived));
            outside.caller.clone().map(|caller| extensions.insert(caller));
        }
        extensions.insert(body);
        extensions.insert(speaker);
        Ok(())
    }
}
