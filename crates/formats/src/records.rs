//! CSV records (RFC 4180, leniently) in bounded memory, whatever the file holds.
//!
//! `csv_core` instead of `csv`: the latter grows a record without limit, so that one quotation mark that is never closed
//! would read the rest of a file of any size into memory, and a value that is too long could not be skipped.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use csv_core::ReadRecordResult;

/// Most bytes of one value.
pub const MAX_FIELD: usize = 1 << 20;
/// Most bytes of one row.
pub const MAX_RECORD: usize = 8 << 20;
/// Most columns of one row.
pub const MAX_COLUMNS: usize = 2_048;

/// Room beyond the limits into which the excess of a row is written and overwritten.
const SCRATCH: usize = 4_096;
const READ_BUFFER: usize = 64 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a row could not be read whole. Its values before `column` are still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A value of this column is longer than [`MAX_FIELD`], or the row than [`MAX_RECORD`].
    TooLong { column: usize },
    /// More than [`MAX_COLUMNS`] values.
    TooManyColumns,
    /// A quotation mark opened in this column and was not closed before the end of the file.
    Unclosed { column: usize },
}

/// One row; its buffers are reused for the next.
#[derive(Debug, Clone, Default)]
pub struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Values that are whole.
    len: usize,
    row: u64,
    defect: Option<Defect>,
}

impl Record {
    /// The row as a spreadsheet counts it: the header is 1, empty lines count, line breaks inside quotation marks do not.
    pub fn row(&self) -> u64 {
        self.row
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn defect(&self) -> Option<Defect> {
        self.defect
    }

    /// The value without surrounding white space; empty where the row is shorter.
    pub fn get(&self, column: usize) -> &[u8] {
        self.as_written(column).trim_ascii()
    }

    /// The value as it stands; empty where the row is shorter.
    pub fn as_written(&self, column: usize) -> &[u8] {
        if column >= self.len {
            return b"";
        }
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.text[start..self.ends[column]]
    }

    /// Copies into the buffers that `self` already has.
    pub fn copy_from(&mut self, other: &Record) {
        let length = if other.len == 0 { 0 } else { other.ends[other.len - 1] };
        self.text.clear();
        self.text.extend_from_slice(&other.text[..length]);
        self.ends.clear();
        self.ends.extend_from_slice(&other.ends[..other.len]);
        (self.len, self.row, self.defect) = (other.len, other.row, other.defect);
    }

    fn longest(&self) -> Option<usize> {
        if self.len == 0 || self.ends[self.len - 1] <= MAX_FIELD {
            return None;
        }
        let mut start = 0;
        for (column, &end) in self.ends[..self.len].iter().enumerate() {
            if end - start > MAX_FIELD {
                return Some(column);
            }
            start = end;
        }
        None
    }
}

/// Reads records one at a time.
pub struct Records<R> {
    input: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    core: csv_core::Reader,
    record: Record,
    end_of_input: bool,
    tail_fed: bool,
    /// Line breaks inside quotation marks so far.
    embedded: u64,
    row: u64,
}

/// What is being written of the current record.
#[derive(Default)]
struct Progress {
    written: usize,
    fields: usize,
    /// Once a limit is reached: values that stay, and where their text ends. All else is overwritten.
    frozen: Option<(usize, usize)>,
    defect: Option<Defect>,
    open_quote: bool,
    ends_with_line_feed: bool,
}

impl<R: Read> Records<R> {
    /// # Errors
    /// The first bytes cannot be read.
    pub fn new(mut reader: R) -> io::Result<Self> {
        // `csv_core` drops a byte order mark only if its three bytes arrive at once, which a pipe does not promise.
        let mut start = Vec::with_capacity(BOM.len());
        reader.by_ref().take(BOM.len() as u64).read_to_end(&mut start)?;
        if start == BOM {
            start.clear();
        }
        Ok(Records {
            input: BufReader::with_capacity(READ_BUFFER, Cursor::new(start).chain(reader)),
            core: csv_core::Reader::new(),
            record: Record { text: vec![0; SCRATCH], ends: vec![0; 64], ..Record::default() },
            end_of_input: false,
            tail_fed: false,
            embedded: 0,
            row: 0,
        })
    }

    /// The number of the last row read, 0 before the first.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// The next row, or `None` at the end of the file.
    ///
    /// # Errors
    /// Reading fails; the row is then lost and the file cannot be read on.
    pub fn next(&mut self) -> io::Result<Option<&Record>> {
        let mut progress = Progress::default();
        loop {
            match self.step(&mut progress)? {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.grow_text(&mut progress),
                ReadRecordResult::OutputEndsFull => self.grow_ends(&mut progress),
                ReadRecordResult::Record => {
                    self.finish(progress);
                    return Ok(Some(&self.record));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn step(&mut self, progress: &mut Progress) -> io::Result<ReadRecordResult> {
        if !self.end_of_input {
            self.end_of_input = fill(&mut self.input)?;
        }
        // The file ends with one more line end. Outside quotation marks it is harmless; a record that goes on after it
        // has an open one.
        let tail: &[u8] = if self.tail_fed { b"" } else { b"\n" };
        let input = if self.end_of_input { tail } else { self.input.buffer() };
        let (result, read, wrote, ends) = self.core.read_record(
            input,
            &mut self.record.text[progress.written..],
            &mut self.record.ends[progress.fields..],
        );
        progress.ends_with_line_feed = read > 0 && input[read - 1] == b'\n';
        if self.end_of_input {
            let fed_now = read > 0;
            self.tail_fed |= fed_now;
            progress.open_quote |= fed_now && result == ReadRecordResult::InputEmpty;
        } else {
            self.input.consume(read);
        }
        progress.written += wrote;
        progress.fields += ends;
        Ok(result)
    }

    fn grow_text(&mut self, progress: &mut Progress) {
        if self.record.text.len() < MAX_RECORD {
            let length = self.record.text.len() * 2;
            self.record.text.resize(length, 0);
            return;
        }
        let column = progress.fields;
        self.freeze(progress, Defect::TooLong { column });
    }

    fn grow_ends(&mut self, progress: &mut Progress) {
        if self.record.ends.len() < MAX_COLUMNS {
            let length = self.record.ends.len() * 2;
            self.record.ends.resize(length, 0);
            return;
        }
        self.freeze(progress, Defect::TooManyColumns);
    }

    /// Keeps the values that are whole and writes over all that follows.
    fn freeze(&mut self, progress: &mut Progress, defect: Defect) {
        if progress.frozen.is_none() {
            let kept = progress.fields;
            let text = if kept == 0 { 0 } else { self.record.ends[kept - 1] };
            progress.frozen = Some((kept, text));
            progress.defect = Some(defect);
            self.record.text.resize(MAX_RECORD + SCRATCH, 0);
            self.record.ends.resize(MAX_COLUMNS + SCRATCH, 0);
        }
        let (kept, text) = progress.frozen.unwrap_or_default();
        self.embedded += line_feeds(&self.record.text[text..progress.written]);
        progress.written = text;
        progress.fields = kept;
    }

    fn finish(&mut self, progress: Progress) {
        let record = &mut self.record;
        self.embedded += line_feeds(&record.text[..progress.written]);
        (record.len, record.defect) = match progress.frozen {
            Some((kept, _)) => (kept, progress.defect),
            None => (progress.fields, None),
        };
        if record.defect.is_none() {
            record.defect = record.longest().map(|column| Defect::TooLong { column });
        }
        if progress.open_quote {
            // The column that swallowed the rest of the file is not whole.
            record.len = record.len.min(progress.fields.saturating_sub(1));
            record.defect = Some(Defect::Unclosed { column: record.len });
        }
        let line = self.core.line() - u64::from(progress.ends_with_line_feed);
        // Lone carriage returns end rows too, but are not counted as lines: such rows count up by one.
        self.row = line.saturating_sub(self.embedded).max(self.row + 1);
        record.row = self.row;
    }
}

/// Makes the buffer non-empty; true at the end of the input.
fn fill(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match input.fill_buf() {
            Ok(bytes) => return Ok(bytes.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn line_feeds(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}
