//! The refused products of an import, as a file to mend and import again: their rows as they stood, and beside each what is wrong.

use std::io::{self, Write};

use super::{RefusedProduct, SourceRow};

/// What the report adds to the columns of the file. An import passes over them.
pub const COLUMNS: [&str; 2] = ["PrimeTrade row", "PrimeTrade problem"];

/// Writes a report, row by row.
pub struct ReportWriter<W> {
    to: W,
}

impl<W: Write> ReportWriter<W> {
    /// Begins with the header of the file.
    ///
    /// # Errors
    /// As the writer.
    pub fn new(mut to: W, names: &[String]) -> io::Result<Self> {
        let kept = names.iter().map(String::as_str).filter(|name| !COLUMNS.contains(name));
        write_row(&mut to, kept.chain(COLUMNS).map(str::as_bytes))?;
        Ok(Self { to })
    }

    /// Adds the rows of a product.
    ///
    /// # Errors
    /// As the writer.
    pub fn add(&mut self, refused: &RefusedProduct) -> io::Result<()> {
        for (index, SourceRow { row, text }) in refused.source.iter().enumerate() {
            // What is of no row that is kept stands at the first.
            let is_here = |at: u64| at == *row || index == 0 && refused.source.iter().all(|other| other.row != at);
            let errors = refused.errors.iter().filter(|error| is_here(error.row));
            let problems: Vec<String> = errors
                .map(|error| match &error.column {
                    Some(column) => format!("{column}: {}", error.detail),
                    None => error.detail.clone(),
                })
                .collect();
            self.to.write_all(text)?;
            self.to.write_all(b",")?;
            write_row(&mut self.to, [row.to_string().as_bytes(), problems.join("; ").as_bytes()].into_iter())?;
        }
        Ok(())
    }

    /// Returns the writer, which has taken everything.
    ///
    /// # Errors
    /// As the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

fn write_row<'v>(to: &mut impl Write, values: impl Iterator<Item = &'v [u8]>) -> io::Result<()> {
    let mut row = Vec::new();
    join(&mut row, values);
    row.push(b'\n');
    to.write_all(&row)
}

/// Adds values as CSV has them.
pub(super) fn join<'v>(row: &mut Vec<u8>, values: impl Iterator<Item = &'v [u8]>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            row.push(b',');
        }
        if !value.iter().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')) {
            row.extend_from_slice(value);
            continue;
        }
        row.push(b'"');
        for &byte in value {
            row.extend(std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
        }
        row.push(b'"');
    }
}
