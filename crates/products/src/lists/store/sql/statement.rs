//! Statements in the making, in the dialects of both databases.

use std::fmt::Write;

use kernel::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Its planner knows nothing of the data, and guesses: it is told the index.
    Sqlite,
    /// Its planner trusts statistics: where nearly all products are of one owner or category, it takes an index that does not
    /// have them in front, and so reads the whole table for a small one. So they are no conditions here, but part of the
    /// order, which only the right index has; and the rows behind the list's end, at most as many as were to be looked at, are
    /// cut off outside.
    Postgres,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Param<'q> {
    Id(Uuid),
    Number(i64),
    Text(&'q str),
    Flag(bool),
    Ids(&'q [Uuid]),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition<'q> {
    Equal(&'static str, Param<'q>),
    Between(&'static str, i64, i64),
    AtLeast(&'static str, i64),
    Tagged(&'q str),
    Among(Few<'q>),
}

/// Products of which there are few, however many there are in all. They are found by themselves, and then sorted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Few<'q> {
    Ids(&'q [Uuid]),
    /// Of this owner.
    Handle(&'q str, Uuid),
    Sku(&'q str),
    Barcode(&'q str),
}

/// A statement in the making.
#[derive(Debug)]
pub struct Sql<'q> {
    pub dialect: Dialect,
    pub text: String,
    pub params: Vec<Param<'q>>,
}

impl<'q> Sql<'q> {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new(), params: Vec::new() }
    }

    pub fn put(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Writes a new parameter.
    pub fn bind(&mut self, param: Param<'q>) -> &mut Self {
        self.params.push(param);
        let number = self.params.len();
        self.number(number)
    }

    /// Writes a parameter that was bound before.
    pub fn number(&mut self, number: usize) -> &mut Self {
        // Writing to a String does not fail.
        let _ = write!(self.text, "${number}");
        self
    }

    pub fn rows(&mut self, rows: usize) -> &mut Self {
        self.bind(Param::Number(i64::try_from(rows).unwrap_or(i64::MAX)))
    }

    /// Writes that the product is one of these. They are found once, before any product is looked at.
    pub fn among(&mut self, few: Few<'q>) -> &mut Self {
        let is_sqlite = self.dialect == Dialect::Sqlite;
        self.put(if is_sqlite { "id in (" } else { "id = any(array(" });
        match few {
            Few::Ids(ids) if is_sqlite => {
                self.put("select unhex(value) from json_each(").bind(Param::Ids(ids)).put(")")
            }
            Few::Ids(ids) => self.put("select unnest(").bind(Param::Ids(ids)).put("::uuid[])"),
            Few::Handle(handle, owner) => {
                self.put("select id from products where owner_id = ").bind(Param::Id(owner));
                self.put(" and handle = ").bind(Param::Text(handle))
            }
            Few::Sku(key) => {
                self.put("select product_id from variants where sku_key > '' and sku_key = ").bind(Param::Text(key))
            }
            Few::Barcode(code) => self.put("select product_id from variants where barcode = ").bind(Param::Text(code)),
        };
        self.put(if is_sqlite { ")" } else { "))" })
    }

    /// Writes conditions that are to hold as well.
    pub fn and_all(&mut self, conditions: Vec<Condition<'q>>) -> &mut Self {
        let and = if conditions.is_empty() { "" } else { " and " };
        self.put(and).all(conditions)
    }

    /// Writes the conditions, all of which are to hold.
    pub fn all(&mut self, conditions: Vec<Condition<'q>>) -> &mut Self {
        for (n, condition) in conditions.into_iter().enumerate() {
            self.put(if n > 0 { " and " } else { "" });
            match condition {
                Condition::Equal(column, value) => self.put(column).put(" = ").bind(value),
                Condition::Between(column, least, most) => {
                    self.put(column).put(" between ").bind(Param::Number(least)).put(" and ").bind(Param::Number(most))
                }
                Condition::AtLeast(column, least) => self.put(column).put(" >= ").bind(Param::Number(least)),
                Condition::Tagged(tag) => match self.dialect {
                    Dialect::Sqlite => {
                        self.put("exists (select 1 from json_each(tags) where value = ").bind(Param::Text(tag)).put(")")
                    }
                    Dialect::Postgres => self.put("tags::jsonb ? ").bind(Param::Text(tag)),
                },
                Condition::Among(few) => self.among(few),
            };
        }
        self
    }
}
