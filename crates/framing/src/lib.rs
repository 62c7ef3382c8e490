//! Where a request begins and ends, read strictly. A message that two readers could take apart differently is how a request is
//! smuggled past the first of them; what a lenient parser would settle in silence is therefore refused before it gets there.
//!
//! The scanner goes along with the bytes as they arrive, however they are cut, and remembers no more than one short coding.

mod words;

use self::words::{Coding, Length, Name};

/// Bytes of extensions and trailers that one chunked body may have.
const EXTRAS: u16 = 8 * 1024;
/// Digits of a chunk's size: more than any body has, and few enough for 64 bits.
const SIZE_DIGITS: u8 = 15;

/// What replaces the first objectionable byte and all behind it. The parser stumbles over it wherever it is: in a head over
/// the NUL, for which the empty line makes it look at once; in the lines of a chunked body over the NUL behind the CR.
pub const POISON: &[u8] = b"\0\r\0\n\n";

/// Follows one connection's requests.
#[derive(Debug)]
pub struct Framing {
    at: At,
    /// The name of a header line as far as it arrived.
    name: Name,
    /// What this head said so far.
    head: Head,
    /// Bytes of extensions and trailers that the body may still have.
    extras: u16,
}

#[derive(Debug, Default)]
struct Head {
    /// The last byte of the request line, which tells HTTP/1.0 from HTTP/1.1.
    version: u8,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

/// What the next byte is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between requests, where empty lines are let pass.
    Start,
    StartLf,
    RequestLine,
    RequestLineLf,
    Line(In),
    Name(In),
    /// The value of a header that says nothing about framing.
    Value(In),
    Length(Length),
    Coding(Coding),
    ValueLf(In),
    HeadLf,
    /// So many bytes of a body.
    Body(u64),
    Size {
        digits: u8,
        size: u64,
    },
    /// Blanks behind a size, where only an extension may follow.
    SizeBlank(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    EndLf,
    Refused,
}

/// Header lines stand before a body, and behind a chunked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Head,
    Trailer,
}

const SIZE: At = At::Size { digits: 0, size: 0 };

/// The bytes do not frame a message without doubt.
struct FramingError;

impl Default for Framing {
    /// Before the first byte of a connection.
    fn default() -> Self {
        Self { at: At::Start, name: Name::default(), head: Head::default(), extras: EXTRAS }
    }
}

impl Framing {
    /// Whether no byte of an unfinished request has arrived.
    pub fn is_between(&self) -> bool {
        matches!(self.at, At::Start | At::StartLf)
    }

    /// Whether a request's head has begun, and is not over.
    pub fn is_in_head(&self) -> bool {
        match self.at {
            At::RequestLine | At::RequestLineLf | At::HeadLf | At::Length(_) | At::Coding(_) => true,
            At::Line(part) | At::Name(part) | At::Value(part) | At::ValueLf(part) => part == In::Head,
            _ => false,
        }
    }

    /// Goes on with what arrived.
    ///
    /// # Errors
    /// The index of the first byte that leaves a doubt. Nothing behind it may be taken for HTTP.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut index = 0;
        while let Some(&byte) = bytes.get(index) {
            let rest = bytes.get(index..).unwrap_or_default();
            match self.step(byte, rest) {
                Ok((at, taken)) => {
                    self.at = at;
                    index += taken;
                }
                Err(FramingError) => {
                    self.at = At::Refused;
                    // What was skipped in this step was harmless; the parser must still see a head in which it stumbles.
                    return Err(index);
                }
            }
        }
        Ok(())
    }

    /// What comes behind the first bytes of `rest`, which begins with `byte`, and how many those are.
    #[inline]
    fn step(&mut self, byte: u8, rest: &[u8]) -> Result<(At, usize), FramingError> {
        match self.at {
            At::Start | At::StartLf | At::RequestLine | At::RequestLineLf => self.request_line(byte, rest),
            At::Line(part) => self.line(byte, part).map(|at| (at, usize::from(!matches!(at, At::Name(_))))),
            At::Name(part) => self.name(rest, part),
            At::Value(part) => self.value(rest, part),
            At::Length(length) => self.length(byte, length).map(|at| (at, 1)),
            At::Coding(coding) => self.coding(byte, coding).map(|at| (at, 1)),
            At::ValueLf(part) => after_lf(byte, At::Line(part)),
            At::HeadLf => after_lf(byte, self.behind_head()),
            _ => self.body(byte, rest),
        }
    }

    fn request_line(&mut self, byte: u8, rest: &[u8]) -> Result<(At, usize), FramingError> {
        match self.at {
            At::Start => match byte {
                b'\r' => Ok((At::StartLf, 1)),
                b'\n' | 0 => Err(FramingError),
                _ => Ok((At::RequestLine, 0)),
            },
            At::StartLf => after_lf(byte, At::Start),
            At::RequestLineLf => after_lf(byte, At::Line(In::Head)),
            _ => {
                let end = words::text(rest);
                if let Some(&last) = end.checked_sub(1).and_then(|last| rest.get(last)) {
                    self.head.version = last;
                }
                ended(rest, end, At::RequestLine, At::RequestLineLf)
            }
        }
    }

    /// The first byte of a line behind the request line or a chunked body.
    fn line(&mut self, byte: u8, part: In) -> Result<At, FramingError> {
        match (byte, part) {
            (b'\r', In::Head) => Ok(At::HeadLf),
            (b'\r', In::Trailer) => Ok(At::EndLf),
            _ => {
                self.name = Name::default();
                // Also where a line begins with a blank, which continued the last one in times past: no name has that.
                Ok(At::Name(part))
            }
        }
    }

    fn name(&mut self, rest: &[u8], part: In) -> Result<(At, usize), FramingError> {
        let end = words::token(rest);
        self.name.push(rest.get(..end).unwrap_or_default());
        match rest.get(end) {
            None => Ok((At::Name(part), self.extra(part, end)?)),
            Some(b':') if !self.name.is_empty() => Ok((self.named(part)?, self.extra(part, end + 1)?)),
            Some(_) => Err(FramingError),
        }
    }

    /// What the value of the header that was just named may be.
    fn named(&mut self, part: In) -> Result<At, FramingError> {
        let framing = self.name.is("host") || self.name.is("content-length") || self.name.is("transfer-encoding");
        if !framing {
            return Ok(At::Value(part));
        }
        // Behind a body it is too late for them.
        if part == In::Trailer {
            return Err(FramingError);
        }
        if self.name.is("host") {
            return if std::mem::replace(&mut self.head.host, true) { Err(FramingError) } else { Ok(At::Value(part)) };
        }
        if self.head.chunked || self.head.length.is_some() {
            return Err(FramingError);
        }
        if self.name.is("content-length") {
            self.head.length = Some(0);
            return Ok(At::Length(Length::Before));
        }
        self.head.chunked = true;
        if self.head.version == b'0' { Err(FramingError) } else { Ok(At::Coding(Coding::Before)) }
    }

    fn value(&mut self, rest: &[u8], part: In) -> Result<(At, usize), FramingError> {
        let end = words::text(rest);
        self.extra(part, end)?;
        ended(rest, end, At::Value(part), At::ValueLf(part))
    }

    fn length(&mut self, byte: u8, length: Length) -> Result<At, FramingError> {
        if byte == b'\r' {
            self.head.length = Some(length.end().ok_or(FramingError)?);
            return Ok(At::ValueLf(In::Head));
        }
        length.push(byte).map(At::Length).ok_or(FramingError)
    }

    fn coding(&mut self, byte: u8, coding: Coding) -> Result<At, FramingError> {
        if byte == b'\r' {
            return if coding.is_whole() { Ok(At::ValueLf(In::Head)) } else { Err(FramingError) };
        }
        coding.push(byte).map(At::Coding).ok_or(FramingError)
    }

    /// The head is over.
    fn behind_head(&mut self) -> At {
        let head = std::mem::take(&mut self.head);
        self.extras = EXTRAS;
        match head.length {
            _ if head.chunked => SIZE,
            Some(length @ 1..) => At::Body(length),
            _ => At::Start,
        }
    }

    fn body(&mut self, byte: u8, rest: &[u8]) -> Result<(At, usize), FramingError> {
        match self.at {
            At::Body(left) => Ok(skip(left, rest, At::Body, At::Start)),
            At::Data(left) => Ok(skip(left, rest, At::Data, At::DataCr)),
            At::DataCr if byte == b'\r' => Ok((At::DataLf, 1)),
            At::DataLf => after_lf(byte, SIZE),
            At::EndLf => after_lf(byte, At::Start),
            At::Size { digits, size } => sized(byte, digits, size).map(|at| (at, 1)),
            At::SizeBlank(size) => match byte {
                b' ' | b'\t' => Ok((At::SizeBlank(size), self.extra(In::Trailer, 1)?)),
                b';' => Ok((At::Extension(size), 1)),
                _ => Err(FramingError),
            },
            At::Extension(size) => {
                let end = words::text(rest);
                self.extra(In::Trailer, end)?;
                ended(rest, end, At::Extension(size), At::SizeLf(size))
            }
            At::SizeLf(0) => after_lf(byte, At::Line(In::Trailer)),
            At::SizeLf(size) => after_lf(byte, At::Data(size)),
            _ => Err(FramingError),
        }
    }

    /// Takes bytes beside the data of a chunked body from what it may have, and hands them back. Heads have a bound elsewhere.
    fn extra(&mut self, part: In, bytes: usize) -> Result<usize, FramingError> {
        if part == In::Trailer {
            let left = u16::try_from(bytes).ok().and_then(|bytes| self.extras.checked_sub(bytes));
            self.extras = left.ok_or(FramingError)?;
        }
        Ok(bytes)
    }
}

/// Text up to `end` of `rest`, behind which only the end of the line may follow.
fn ended(rest: &[u8], end: usize, same: At, line_end: At) -> Result<(At, usize), FramingError> {
    match rest.get(end) {
        None => Ok((same, end)),
        Some(b'\r') => Ok((line_end, end + 1)),
        Some(_) => Err(FramingError),
    }
}

fn after_lf(byte: u8, next: At) -> Result<(At, usize), FramingError> {
    if byte == b'\n' { Ok((next, 1)) } else { Err(FramingError) }
}

/// Passes over `left` bytes, as far as they are there.
fn skip(left: u64, rest: &[u8], same: impl Fn(u64) -> At, next: At) -> (At, usize) {
    match usize::try_from(left) {
        Ok(all) if all <= rest.len() => (next, all),
        _ => (same(left - rest.len() as u64), rest.len()),
    }
}

fn sized(byte: u8, digits: u8, size: u64) -> Result<At, FramingError> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        let more = At::Size { digits: digits + 1, size: size * 16 + u64::from(digit) };
        return if digits < SIZE_DIGITS { Ok(more) } else { Err(FramingError) };
    }
    match byte {
        _ if digits == 0 => Err(FramingError),
        b'\r' => Ok(At::SizeLf(size)),
        b';' => Ok(At::Extension(size)),
        b' ' | b'\t' => Ok(At::SizeBlank(size)),
        _ => Err(FramingError),
    }
}

#[cfg(any(test, feature = "made-up"))]
pub mod made_up;
#[cfg(test)]
mod tests;
