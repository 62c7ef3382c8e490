//! What of a JSON body does not fit its type: everything, where serde stops at the first.
//!
//! What is wrong is mended, and the body read again: a field that is missing is put in, one that is unknown taken out, one of
//! another type replaced. Which value fits is found by trying. That is done for refused bodies only, and bounded.

use std::collections::HashMap;

use kernel::Violation;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body::{read, violation};

/// More errors tell nobody more.
const MOST: usize = 20;
/// Bytes that are read again in all, for one body.
const MOST_READ: usize = 1 << 20;
/// How an enum says that it has no such value.
const UNKNOWN: &str = "unknown value";

/// All that is wrong with a body that cannot be read as `T`; `first` is what serde says of it.
pub fn all_of<T: DeserializeOwned>(text: &str, first: Violation) -> Vec<Violation> {
    // It is JSON.
    let Ok(body) = kernel::json::from_slice(text.as_bytes()) else { return vec![first] };
    let mut mended = Mended { body, made_up: HashMap::new() };
    let mut found = Vec::new();
    let (mut error, mut tries) = (first, MOST_READ / text.len().max(64));
    while found.len() < MOST {
        let is_new = mended.is_new(&error);
        let is_mended = mended.mend(&error);
        if is_new {
            found.push(error);
        }
        tries = tries.saturating_sub(1);
        if !is_mended || tries == 0 {
            break;
        }
        match read::<T>(&mended.body.to_string()) {
            Ok(_) => break,
            Err(refused) => error = violation(refused.path(), refused.inner()),
        }
    }
    found
}

struct Mended {
    body: Value,
    /// Values that we made up, by where they are, and those that are still to be tried there.
    made_up: HashMap<String, Vec<Value>>,
}

impl Mended {
    /// Whether an error is one of what was sent, and not of what was made up.
    fn is_new(&self, error: &Violation) -> bool {
        let field = &*error.field;
        let within = |made_up: &String| {
            field.strip_prefix(made_up.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !self.made_up.keys().any(within)
    }

    /// Mends what is wrong; false, if there is no way.
    fn mend(&mut self, error: &Violation) -> bool {
        let field = error.field.clone().into_owned();
        match &*error.code {
            // The text had it, which is over: the value has the last one.
            "duplicate-field" => true,
            "unknown-field" => self.put(&field, None),
            _ => {
                let left = self.made_up.entry(field.clone()).or_insert_with(|| candidates(error));
                // An enum says what it takes, once it is asked.
                if error.code != "required" && !left.is_empty() && error.detail.starts_with(UNKNOWN) {
                    *left = candidates(error);
                }
                let next = left.pop();
                next.is_some_and(|value| self.put(&field, Some(value)))
            }
        }
    }

    fn put(&mut self, field: &str, value: Option<Value>) -> bool {
        let (parent, name) = match field.rsplit_once('/') {
            Some((parent, name)) => (format!("/{parent}"), name),
            None => (String::new(), field),
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        match (self.body.pointer_mut(&parent), value) {
            // The whole body is of another type: there are no fields to speak of.
            _ if field.is_empty() => false,
            (Some(Value::Object(fields)), Some(value)) => {
                fields.insert(name, value);
                true
            }
            (Some(Value::Object(fields)), None) => fields.shift_remove(&name).is_some(),
            (Some(Value::Array(items)), Some(value)) => match name.parse().ok().and_then(|at: usize| items.get_mut(at))
            {
                Some(item) => {
                    *item = value;
                    true
                }
                None => false,
            },
            _ => false,
        }
    }
}

/// Values that may fit, the likeliest last.
fn candidates(error: &Violation) -> Vec<Value> {
    let words = error.detail.split_once("expected").filter(|_| error.detail.starts_with(UNKNOWN));
    if let Some(word) = words.and_then(|(_, words)| words.split('`').nth(1)) {
        return vec![word.into()];
    }
    vec![
        Value::Bool(false),
        Value::Array(Vec::new()),
        "USD".into(),
        "00000000-0000-0000-0000-000000000000".into(),
        "1970-01-01T00:00:00Z".into(),
        Value::Object(Map::new()),
        1.into(),
        "".into(),
        Value::Null,
    ]
}

#[cfg(test)]
mod tests {
    use kernel::{Money, Uuid};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code)]
        name: String,
        #[expect(dead_code)]
        id: Uuid,
        #[expect(dead_code)]
        price: Money,
        #[expect(dead_code)]
        mode: Mode,
        #[expect(dead_code)]
        note: Option<String>,
        #[expect(dead_code)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        All,
        Each,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code)]
        number: i64,
        #[expect(dead_code)]
        flag: bool,
    }

    fn wrong(text: &str) -> Vec<(String, String)> {
        let refused = read::<Outer>(text).expect_err("it does not fit");
        let all = all_of::<Outer>(text, violation(refused.path(), refused.inner()));
        all.into_iter().map(|violation| (violation.field.into_owned(), violation.code.into_owned())).collect()
    }

    fn named(errors: &[(&str, &str)]) -> Vec<(String, String)> {
        errors.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect()
    }

    #[test]
    fn all_missing_fields_are_named() {
        let all = ["name", "id", "price", "mode", "inner"].map(|field| (field, "required"));
        assert_eq!(wrong("{}"), named(&all));
        let nested = r#"{"inner": [{}, {"number": 1}], "price": {"amount": 1}, "mode": "each"}"#;
        let expected = [
            ("inner/0/number", "required"),
            ("inner/0/flag", "required"),
            ("inner/1/flag", "required"),
            ("price/currency", "required"),
            ("name", "required"),
            ("id", "required"),
        ];
        assert_eq!(wrong(nested), named(&expected));
    }

    #[test]
    fn so_is_what_is_wrong_otherwise() {
        let text = r#"{"nmae": "x", "id": "y", "mode": "some", "inner": [1, {"number": "1", "flag": 0, "a/~b": 1}], "note": 1}"#;
        let expected = [
            ("nmae", "unknown-field"),
            ("id", "value"),
            ("mode", "value"),
            ("inner/0", "type"),
            ("inner/1/number", "type"),
            ("inner/1/flag", "type"),
            ("inner/1/a~1~0b", "unknown-field"),
            ("note", "type"),
            ("name", "required"),
            ("price", "required"),
        ];
        assert_eq!(wrong(text), named(&expected));
        for (text, error) in [("[]", ("", "type")), (r#"{"name": "a", "name": "b"}"#, ("name", "duplicate-field"))] {
            assert_eq!(wrong(text)[0], (error.0.to_owned(), error.1.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_search_is_bounded() {
        let many: Vec<&str> = vec!["{}"; 5_000];
        let found = wrong(&format!(r#"{{"inner": [{}]}}"#, many.join(","))).len();
        assert!((5..MOST).contains(&found), "{found}");
        let few: Vec<&str> = vec!["{}"; 50];
        assert_eq!(wrong(&format!(r#"{{"inner": [{}]}}"#, few.join(","))).len(), MOST);
    }
}
