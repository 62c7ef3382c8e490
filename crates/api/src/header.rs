//! Request headers that are not of their form.

use kernel::Violation;

use super::v1::Failure;
use super::v2::Refusal;

/// A header that cannot be read, so that what its request asks for is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedHeader(pub(crate) Violation);

impl MalformedHeader {
    /// `detail`: a sentence that says what the header has to be.
    pub fn new(name: &'static str, code: &'static str, detail: &'static str) -> Self {
        Self(Violation::new(name, code, detail))
    }
}

impl From<MalformedHeader> for Refusal {
    fn from(malformed: MalformedHeader) -> Self {
        Refusal::MalformedHeader(malformed)
    }
}

impl From<MalformedHeader> for Failure {
    fn from(MalformedHeader(violation): MalformedHeader) -> Self {
        Failure::new(axum::http::StatusCode::BAD_REQUEST, violation.detail)
    }
}
