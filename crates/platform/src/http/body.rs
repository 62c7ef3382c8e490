//! Request bodies, read whole and bounded before anything looks at them.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Set by the edge: how many bytes a body may have.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// Why a body was not read.
#[derive(Debug)]
pub enum BodyError {
    /// Larger than so many bytes.
    TooLarge(usize),
    /// The client stopped sending.
    Broken,
}

/// Reads a body of at most `limit` bytes; refuses by its announced length before reading.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge(limit)),
        Err(_) => Err(BodyError::Broken),
    }
}

/// Whether the media type is `wanted`, ignoring parameters and case; `None` when there is no Content-Type.
pub fn is_media_type(headers: &HeaderMap, wanted: &str) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let media_type = value.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    Some(media_type.eq_ignore_ascii_case(wanted))
}
