//! Integers as JSON Schema knows them: `1000.0` and `1e3` are one, since their fraction is zero. serde reads them as floats.

use kernel::parse_whole;

/// The text with each number that is whole, and is not written as an integer, written as one. `None` when it has none of them.
/// The text is JSON. Costs one pass, whatever exponents there are.
pub fn with_plain_integers(json: &str) -> Option<String> {
    let mut plain = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at = string_end(json, at),
            b'-' | b'0'..=b'9' => {
                let end = number_end(json, at);
                if let Some(whole) = whole(&json[at..end]) {
                    plain.push_str(&json[copied..at]);
                    plain.push_str(&whole);
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    (copied > 0).then(|| plain + &json[copied..])
}

/// Where the string that begins here is over.
fn string_end(json: &str, start: usize) -> usize {
    let mut bytes = json.bytes().enumerate().skip(start + 1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            // What follows is no quote that ends it.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    json.len()
}

fn number_end(json: &str, start: usize) -> usize {
    let rest = json.bytes().enumerate().skip(start + 1);
    let mut others = rest.filter(|(_, byte)| !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    others.next().map_or(json.len(), |(at, _)| at)
}

/// The integer that a number is, if it is written in another way.
fn whole(number: &str) -> Option<String> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    // serde reads `-0` as a float too.
    if !digits.contains(['.', 'e', 'E']) && number != "-0" {
        return None;
    }
    match parse_whole(digits).ok()? {
        0 => Some("0".into()),
        whole => Some(format!("{sign}{whole}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn whole_numbers_become_plain_and_nothing_else() {
        for (text, plain) in [
            ("1000.0", "1000"),
            (" 5.0 ", " 5 "),
            ("1e3", "1000"),
            ("[5.0e0,-1E+2,2.50e1]", "[5,-100,25]"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e999999999", "0"),
            (r#"{"1.0": "2.0", "a": 3.0}"#, r#"{"1.0": "2.0", "a": 3}"#),
            (r#"["\"1.0", 1.0, "\\", 2.0, "é3.0"]"#, r#"["\"1.0", 1, "\\", 2, "é3.0"]"#),
            ("[1.5, 2.0]", "[1.5, 2]"),
        ] {
            assert_eq!(with_plain_integers(text).as_deref(), Some(plain), "{text}");
        }
        for text in
            ["", "5", "-5", "[1, 2]", "1.5", "1e-1", "1e19", "1e999999999", "-1e-999999999", r#""1.0""#, "\"1.0"]
        {
            assert_eq!(with_plain_integers(text), None, "{text}");
        }
    }

    #[test]
    fn large_exponents_and_long_texts_cost_one_pass() {
        let started = Instant::now();
        let many = format!("[{}1]", "1e999999999,1e-999999999,".repeat(40_000));
        assert_eq!(with_plain_integers(&many), None);
        let long = format!("[0.{}, 1.{}]", "1".repeat(500_000), "0".repeat(500_000));
        assert!(with_plain_integers(&long).is_some_and(|plain| plain.ends_with(", 1]")));
        let strings = format!("[{}1.0]", "\"\\\\\\\"\",".repeat(100_000));
        assert!(with_plain_integers(&strings).is_some());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
