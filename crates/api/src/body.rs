//! Request bodies, read whole and bounded before anything looks at them, the caller's token among it: what a caller may do must
//! not be decided while the rest of the request is still held back.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};

/// Bytes of a body at most, where no edge has read it.
const LIMIT: usize = 1 << 20;

/// Left by the edge: the body as it arrived. The endpoint decides what a broken one means, after it looked at the caller.
#[derive(Debug, Clone)]
pub struct Arrived(pub Result<Bytes, BodyError>);

/// The body of a request.
///
/// # Errors
/// See [`BodyError`].
pub async fn of(parts: &mut Parts, body: Body) -> Result<Bytes, BodyError> {
    match parts.extensions.remove() {
        Some(Arrived(body)) => body,
        None => read(body, LIMIT).await,
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyError {
    /// Larger than so many bytes.
    TooLarge(usize),
    /// The client stopped sending, or its chunks are not what chunks are. An edge refuses that by itself.
    Broken,
}

/// A refused body is read on, and thrown away, up to this size and time: a client that is still sending when the connection
/// closes would see a broken connection instead of the answer.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        discard(body, announced).await;
        return Err(BodyError::TooLarge(limit));
    }
    let mut chunks = BytesMut::with_capacity(announced.min(64 * 1024));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if chunks.len() + data.len() > limit {
            discard(body, chunks.len()).await;
            return Err(BodyError::TooLarge(limit));
        }
        chunks.extend_from_slice(&data);
    }
    Ok(chunks.freeze())
}

/// Throws the rest of a body away, unless it is too much to be worth it.
async fn discard(mut body: Body, announced: usize) {
    if announced > DISCARD_BYTES {
        return;
    }
    let rest = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Too slow is the client's loss.
    let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
}

/// Whether the media type is `wanted`, ignoring parameters and case; `None` when there is no Content-Type.
pub fn is_media_type(headers: &HeaderMap, wanted: &str) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let media_type = value.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    Some(media_type.eq_ignore_ascii_case(wanted))
}
