//! Which trace a piece of work belongs to, and how that is told from one process to the next: W3C Trace Context, level 1,
//! <https://www.w3.org/TR/trace-context-1/>.

use std::fmt;
use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::context::random_u64;

/// Which share of the traces that begin here is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleRatio {
    millionths: u64,
}

impl SampleRatio {
    /// From 0, none, to 1, all.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self { millionths: (share * 1e6).round() as u64 })
    }

    /// Whether `random` is among them.
    fn takes(self, random: u64) -> bool {
        random % 1_000_000 < self.millionths
    }
}

/// Of the traces that begin in this process; without it none is recorded.
static RATIO: OnceLock<SampleRatio> = OnceLock::new();

/// Has this share of the traces that begin here recorded. Only the first call counts.
pub fn sample(ratio: SampleRatio) {
    RATIO.get_or_init(|| ratio);
}

/// Whether we record a trace that nobody trusted has decided about. By chance and not by its id, which strangers can choose.
fn is_sampled() -> bool {
    RATIO.get().is_some_and(|ratio| ratio.takes(random_u64().unwrap_or(u64::MAX)))
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-<32 digits>-<16 digits>-<2 digits>`.
const LENGTH: usize = 55;
/// What the standard asks everyone to carry at least, and we at most.
const STATE_LENGTH: usize = 512;
const STATE_MEMBERS: usize = 32;
const SAMPLED: u8 = 1;

/// Common to everything that is done for one cause, in all processes. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// One piece of work of a trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex::<32>(self.0)).unwrap_or_default())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex::<16>(self.0.into())).unwrap_or_default())
    }
}

/// The last `N` hexadecimal digits of a number: several ids are written for every request.
fn hex<const N: usize>(number: u128) -> [u8; N] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (4 * (N - 1 - at)) & 0xf) as usize])
}

impl TraceId {
    fn new() -> Self {
        Self(u128::from(random()) << 64 | u128::from(random()))
    }
}

impl SpanId {
    fn new() -> Self {
        Self(random())
    }
}

/// Without randomness the process mints no ids either and answers 500; its log still needs some.
fn random() -> u64 {
    random_u64().unwrap_or(1).max(1)
}

/// Whose word on whether to record a trace counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A proxy of ours, or another of our processes: a trace is recorded by all of us or by none.
    Trusted,
    /// Anybody, who could have us record everything: the ids are taken over, and we decide.
    Stranger,
}

/// A piece of work and its place in its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// The work that this is a part of.
    pub parent_id: Option<SpanId>,
    /// Whether it is recorded.
    pub sampled: bool,
    /// What other systems say of the trace, passed on as it came.
    state: Option<Box<str>>,
}

impl TraceContext {
    /// Of a request: a part of the sender's trace if it names one, else the first of a new one.
    pub fn of(headers: &HeaderMap, sender: Sender) -> Self {
        let Some(parent) = only(headers, &TRACEPARENT).and_then(parse) else { return Self::root() };
        let sampled = match sender {
            Sender::Trusted => parent.sampled,
            Sender::Stranger => is_sampled(),
        };
        let span_id = SpanId::new();
        Self { trace_id: parent.trace_id, span_id, parent_id: Some(parent.span_id), sampled, state: state(headers) }
    }

    /// A part of what was written down by its name; as that decided, it is recorded or not.
    pub fn resume(traceparent: &str) -> Self {
        let Some(parent) = parse(traceparent.as_bytes()) else { return Self::root() };
        let Parent { trace_id, span_id, sampled } = parent;
        Self { trace_id, span_id: SpanId::new(), parent_id: Some(span_id), sampled, state: None }
    }

    /// The first of a new trace.
    pub fn root() -> Self {
        Self { trace_id: TraceId::new(), span_id: SpanId::new(), parent_id: None, sampled: is_sampled(), state: None }
    }

    /// A part of this.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: SpanId::new(), parent_id: Some(self.span_id), ..self.clone() }
    }

    /// Its name, as the header `traceparent` and the attribute of events have it.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, if self.sampled { SAMPLED } else { 0 })
    }

    /// Names it to another process as the one that asks.
    pub fn send(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        // Both are visible ASCII by construction.
        if let Ok(value) = HeaderValue::try_from(self.traceparent()) {
            headers.insert(TRACEPARENT, value);
        }
        if let Some(Ok(value)) = self.state.as_deref().map(HeaderValue::from_str) {
            headers.insert(TRACESTATE, value);
        }
    }
}

struct Parent {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
}

/// A header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// Versions to come may add something behind a dash; what stands before it they must keep.
fn parse(value: &[u8]) -> Option<Parent> {
    let (known, more) = value.split_at_checked(LENGTH)?;
    let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    let version = number(&known[..2])?;
    let fits = dashes && version != 0xff && (more.is_empty() || version > 0 && more[0] == b'-');
    let trace_id = number(&known[3..35]).filter(|id| *id != 0)?;
    let span_id = u64::try_from(number(&known[36..52])?).ok().filter(|id| *id != 0)?;
    let flags = number(&known[53..])?;
    let sampled = flags & u128::from(SAMPLED) != 0;
    fits.then_some(Parent { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled })
}

/// At most 32 hexadecimal digits, which the standard wants in lower case.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// What came in one or several headers, if all of it is well formed and no more than we carry.
fn state(headers: &HeaderMap) -> Option<Box<str>> {
    let mut state = String::new();
    for value in headers.get_all(TRACESTATE) {
        let value = value.to_str().ok().filter(|value| state.len() + value.len() < STATE_LENGTH)?;
        let comma = if state.is_empty() { "" } else { "," };
        state.extend([comma, value.trim()]);
    }
    let members = || state.split(',').map(str::trim).filter(|member| !member.is_empty());
    let carried = (1..=STATE_MEMBERS).contains(&members().count()) && members().all(is_member);
    carried.then(|| state.into_boxed_str())
}

/// `key=value`, or `tenant@key=value`.
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let in_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let in_value = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    (1..=256).contains(&key.len()) && key.bytes().all(in_key) && !value.is_empty() && value.bytes().all(in_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn of(headers: &[(&'static str, &str)], sender: Sender) -> TraceContext {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&map, sender)
    }

    fn is_continued(traceparent: &str) -> bool {
        let trace = of(&[("traceparent", traceparent)], Sender::Stranger);
        let continued = trace.trace_id.to_string() == TRACE;
        assert_eq!(trace.parent_id.map(|id| id.to_string()), continued.then(|| SPAN.to_owned()), "{traceparent}");
        assert_ne!(trace.span_id.to_string(), SPAN);
        continued
    }

    #[test]
    fn a_valid_parent_is_continued_and_anything_else_begins_a_trace() {
        for (version, end) in
            [("00", "01"), ("00", "00"), ("00", "ff"), ("01", "01"), ("cc", "01-what-comes"), ("fe", "01-")]
        {
            assert!(is_continued(&format!("{version}-{TRACE}-{SPAN}-{end}")), "{version} {end}");
        }
        let upper = TRACE.to_uppercase();
        for wrong in [
            String::new(),
            "00".into(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{upper}-{SPAN}-01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            assert!(!is_continued(&wrong), "{wrong}");
        }
        let twice = format!("00-{TRACE}-{SPAN}-01");
        let twice = of(&[("traceparent", &twice), ("traceparent", &twice)], Sender::Trusted);
        assert_eq!(twice.parent_id, None);
    }

    #[test]
    fn only_the_trusted_decide_what_is_recorded() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        assert!(of(&[("traceparent", &parent)], Sender::Trusted).sampled);
        // Nothing is exported in this test, so we would not.
        assert!(!of(&[("traceparent", &parent)], Sender::Stranger).sampled);
        assert!(!TraceContext::root().sampled);
    }

    #[test]
    fn state_is_passed_on_if_it_is_well_formed() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let sent = |states: &[&str]| {
            let states = states.iter().map(|state| ("tracestate", *state));
            let headers: Vec<_> = [("traceparent", parent.as_str())].into_iter().chain(states).collect();
            let mut sent = HeaderMap::new();
            sent.insert("tracestate", HeaderValue::from_static("before=1"));
            of(&headers, Sender::Trusted).child().send(&mut sent);
            assert!(sent["traceparent"].to_str().unwrap().starts_with(&format!("00-{TRACE}-")));
            sent.get("tracestate").map(|state| state.to_str().unwrap().to_owned())
        };
        assert_eq!(sent(&["congo=t61rcWkgMzE,1a@rojo=00f0"]), Some("congo=t61rcWkgMzE,1a@rojo=00f0".into()));
        assert_eq!(sent(&["a=1", "b=2"]), Some("a=1,b=2".into()));
        for wrong in ["", "a", "A=1", "a=1,b", "=1", "a=", &format!("a={}", "x".repeat(600)), &"a=1,".repeat(33)] {
            assert_eq!(sent(&[wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn a_part_names_what_it_is_part_of() {
        let whole = TraceContext::root();
        let part = whole.child();
        assert_eq!((part.trace_id, part.parent_id), (whole.trace_id, Some(whole.span_id)));
        assert_ne!(part.span_id, whole.span_id);
        assert_ne!(TraceContext::root().trace_id, whole.trace_id);
    }
}
