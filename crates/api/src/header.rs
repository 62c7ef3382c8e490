//! Request headers that are not of their form.

use kernel::Violation;

/// A header that cannot be read, so that what its request asks for is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedHeader(pub(crate) Violation);

impl MalformedHeader {
    /// `detail`: a sentence that says what the header has to be.
    pub fn new(name: &'static str, code: &'static str, detail: &'static str) -> Self {
        Self(Violation::new(name, code, detail))
    }
}
