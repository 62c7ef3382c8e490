//! The header `Date`, by the clock of this machine as it is. Hyper's own goes on from the latest time that it has seen, also after the
//! clock was set back: others would take the clock for wrong that was corrected.

use std::cell::RefCell;

use axum::http::{HeaderMap, HeaderValue, header};
use kernel::{Clock, SystemClock};

thread_local! {
    /// The second that was written last, and how.
    static WRITTEN: RefCell<(i64, HeaderValue)> = const { RefCell::new((i64::MIN, HeaderValue::from_static(""))) };
}

/// Says when the answer is made, unless who made it has said so.
pub fn put(headers: &mut HeaderMap) {
    if headers.contains_key(header::DATE) {
        return;
    }
    let now = SystemClock.now();
    let date = WRITTEN.with_borrow_mut(|(second, date)| {
        if *second != now.as_secs()
            && let Some(written) = now.to_http().and_then(|text| HeaderValue::from_str(&text).ok())
        {
            (*second, *date) = (now.as_secs(), written);
        }
        date.clone()
    });
    headers.insert(header::DATE, date);
}
