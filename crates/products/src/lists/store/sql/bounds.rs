//! Where a list begins and ends.

use api::v2::Position;
use api::v2::page::Key;
use kernel::Uuid;

use super::{By, ListQuery, Param, Sql};

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

impl ListQuery {
    /// The least and the greatest of what the list is sorted by, where that is a number.
    fn ends(&self) -> (Option<i64>, Option<i64>) {
        match self.sort.by {
            By::Price => self.price.map_or((None, None), |(least, most)| (Some(least), Some(most))),
            By::Updated => (self.updated_since.map(|since| since.0), None),
            By::Created | By::Name => (None, None),
        }
    }

    /// Behind which key and id the list goes on. None where it begins with the greatest text.
    pub(super) fn start(&self) -> Option<(Param<'_>, Uuid)> {
        let descending = self.sort.descending;
        if self.sort.by == By::Name {
            return match &self.after {
                Some(Position { key: Key::Text(name), id }) => Some((Param::Text(name), *id)),
                _ if descending => None,
                _ => Some((Param::Text(""), Uuid::nil())),
            };
        }
        let (least, most) = self.ends();
        let begin = if descending {
            (most.map_or(i64::MAX, |most| most.saturating_add(1)), Uuid::nil())
        } else {
            (least.map_or(i64::MIN, |least| least.saturating_sub(1)), Uuid::max())
        };
        let after = match &self.after {
            Some(Position { key: Key::Number(number), id }) => (*number, *id),
            _ => begin,
        };
        // A cursor that is none of ours must not lead before the first.
        let (number, id) = if descending { after.min(begin) } else { after.max(begin) };
        Some((Param::Number(number), id))
    }

    /// Where the list ends.
    pub(super) fn end(&self) -> Option<(&'static str, i64)> {
        let (least, most) = self.ends();
        let end = if self.sort.descending { least.map(|least| (">=", least)) } else { most.map(|most| ("<=", most)) };
        end.filter(|_| !self.is_few())
    }
}
