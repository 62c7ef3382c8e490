//! The words of a head that matter to framing, byte by byte and so across any cut.

/// The longest name that is looked for: `transfer-encoding`.
const LONGEST: usize = 17;

/// Which bytes a header's name is made of, RFC 9110, section 5.6.2.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

/// How many bytes of a name `rest` begins with.
#[inline]
pub fn token(rest: &[u8]) -> usize {
    rest.iter().position(|byte| !TOKEN[usize::from(*byte)]).unwrap_or(rest.len())
}

/// How many bytes come before the end of a line, or before what may stand nowhere in a head.
#[inline]
pub fn text(rest: &[u8]) -> usize {
    memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len())
}

/// A header's name, of which only the short ones are kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Name {
    bytes: [u8; LONGEST],
    /// One more than [`LONGEST`] for all that are longer.
    length: u8,
}

impl Name {
    #[inline]
    pub fn push(&mut self, part: &[u8]) {
        let kept = usize::from(self.length);
        match self.bytes.get_mut(kept..kept + part.len()) {
            Some(place) => {
                place.copy_from_slice(part);
                // At most `LONGEST`, since there was a place.
                self.length += part.len() as u8;
            }
            None => self.length = LONGEST as u8 + 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it is this one, which is written in small letters.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        self.bytes.get(..usize::from(self.length)).is_some_and(|kept| kept.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The value of `Content-Length`: digits, and blanks around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Before,
    Digits(u64),
    Behind(u64),
}

impl Length {
    /// With one byte more, unless that makes it no length.
    pub fn push(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Before, b' ' | b'\t') => Some(Self::Before),
            (Self::Before, b'0'..=b'9') => Some(Self::Digits(u64::from(byte - b'0'))),
            (Self::Digits(length), b'0'..=b'9') => {
                length.checked_mul(10)?.checked_add(u64::from(byte - b'0')).map(Self::Digits)
            }
            (Self::Digits(length) | Self::Behind(length), b' ' | b'\t') => Some(Self::Behind(length)),
            _ => None,
        }
    }

    /// The number, if there is one.
    pub fn end(self) -> Option<u64> {
        match self {
            Self::Before => None,
            Self::Digits(length) | Self::Behind(length) => Some(length),
        }
    }
}

/// The value of `Transfer-Encoding`: `chunked` alone, and blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Before,
    /// So many of its letters.
    Letters(usize),
    Behind,
}

impl Coding {
    const CHUNKED: &[u8] = b"chunked";

    /// With one byte more, unless that makes it another coding.
    pub fn push(self, byte: u8) -> Option<Self> {
        let blank = matches!(byte, b' ' | b'\t');
        match self {
            Self::Before if blank => Some(self),
            Self::Before => Self::Letters(0).push(byte),
            Self::Letters(_) | Self::Behind if blank => self.is_whole().then_some(Self::Behind),
            Self::Letters(letters) => {
                let next = Self::CHUNKED.get(letters)?;
                next.eq_ignore_ascii_case(&byte).then_some(Self::Letters(letters + 1))
            }
            Self::Behind => None,
        }
    }

    pub fn is_whole(self) -> bool {
        matches!(self, Self::Letters(letters) if letters == Self::CHUNKED.len()) || self == Self::Behind
    }
}
