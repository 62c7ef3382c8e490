//! Where a list ends.

use super::{Param, Sql};

/// What bounds a list beyond the rows before it: columns that have one value (with the parameter's number), and where what it is sorted
/// by ends.
pub struct Bounds {
    pub fixed: Vec<(&'static str, usize)>,
    pub end: Option<(&'static str, i64)>,
}

impl Bounds {
    pub fn are_none(&self) -> bool {
        self.fixed.is_empty() && self.end.is_none()
    }

    /// Writes what rows of the list have and those behind its end have not.
    pub fn write(&self, sql: &mut Sql<'_>) {
        for (n, (column, number)) in self.fixed.iter().enumerate() {
            sql.put(if n > 0 { " and " } else { "" }).put(column).put(" = ").number(*number);
        }
        if let Some((comparison, end)) = self.end {
            sql.put(if self.fixed.is_empty() { "" } else { " and " });
            sql.put("sort_key ").put(comparison).put(" ").bind(Param::Number(end));
        }
    }
}
