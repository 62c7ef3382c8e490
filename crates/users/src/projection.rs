//! What a projection of users is, before any process reads for it.

use effects::log::reader::Projection;
use storage::migrate::Addition;

/// Tables of users' database that are made of the log of another service, and can be made anew from it.
pub struct DeclaredProjection {
    /// The service whose log it is.
    pub of: &'static str,
    pub tables: Addition,
    pub projection: &'static dyn Projection,
}
