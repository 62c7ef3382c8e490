//! What names, addresses and passwords have to be.

use kernel::Violation;
use kernel::text::fold;

use crate::email::is_email;
use crate::opaque::{is_allowed, normalized};

/// A rule of one field, in the words that API v1 has always used for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub field: &'static str,
    /// A stable word for programs.
    pub code: &'static str,
    pub message: &'static str,
}

impl From<&Rule> for Violation {
    fn from(rule: &Rule) -> Self {
        Violation::new(rule.field, rule.code, rule.message)
    }
}

pub const USERNAME_LENGTH: Rule =
    Rule { field: "username", code: "length", message: "Username must be between 3 and 50 characters" };
pub const USERNAME_CHARACTERS: Rule = Rule {
    field: "username",
    code: "characters",
    message: "Username can only contain letters, numbers, and underscores",
};
pub const EMAIL: Rule = Rule { field: "email", code: "format", message: "Please provide a valid email address" };
pub const PASSWORD_LENGTH: Rule =
    Rule { field: "password", code: "length", message: "Password must be at least 6 characters long" };
pub const PASSWORD_CHARACTERS: Rule = Rule {
    field: "password",
    code: "characters",
    message: "Password must contain at least one uppercase letter, one lowercase letter, and one number",
};
/// The rule of API v2, and of operators.
pub const PASSWORD_BOUNDS: Rule =
    Rule { field: "password", code: "length", message: "Password must be between 8 and 128 characters" };
pub const PASSWORD_DISALLOWED: Rule = Rule {
    field: "password",
    code: "characters",
    message: "Password must not contain control characters, or others that cannot be seen or typed alike everywhere",
};
pub const PASSWORD_COMMON: Rule =
    Rule { field: "password", code: "common", message: "Password is one of those that everybody tries first" };
pub const PASSWORD_REQUIRED: Rule = Rule { field: "password", code: "required", message: "Password is required" };

/// The passwords of eight characters and more among the 20,000 commonest, folded, one a line. From the list that Royce Williams
/// made of breached accounts, as the Django project (BSD licence) ships it.
const COMMON_PASSWORDS: &str = include_str!("../common_passwords.txt");

/// The form by which an e-mail address is found and unique.
pub fn email_key(email: &str) -> String {
    fold(trim(email))
}

/// The form by which a username is unique: without case, and with one character for all that look alike, whichever of them its case
/// makes so. Databases compute it too, see `username_keys.sql`.
pub fn username_key(username: &str) -> String {
    let key = |byte: u8| match byte.to_ascii_lowercase() {
        b'i' | b'l' | b'1' => 'l',
        b'o' | b'0' => '0',
        other => char::from(other),
    };
    username.bytes().map(key).collect()
}

/// The rules of API v2: a length, and not what everybody tries first, this person's own names among it. Nothing about the mix of
/// characters (NIST SP 800-63B).
pub fn broken_v2_password(password: &str, names: [&str; 2]) -> Vec<&'static Rule> {
    let fits = fits_v2(password);
    let folded = fold(&normalized(password));
    let own = names.iter().any(|name| fold(trim(name)) == folded);
    // Some ten thousand short lines: read as they lie, in microseconds, beside a hash of milliseconds.
    let common = own || COMMON_PASSWORDS.lines().any(|line| line == folded);
    // What is too long is not looked through.
    let allowed = !fits || is_allowed(password);
    broken([(fits, &PASSWORD_BOUNDS), (allowed, &PASSWORD_DISALLOWED), (!common, &PASSWORD_COMMON)])
}

/// Characters are those of the password's one form.
pub(super) fn fits_v2(password: &str) -> bool {
    (8..=128).contains(&normalized(password).chars().count())
}

pub(super) fn broken_username(text: Option<&str>) -> Vec<&'static Rule> {
    let text = text.map(trim);
    let fits = text.is_some_and(|text| (3..=50).contains(&text.chars().count()));
    let clean = text
        .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    broken([(fits, &USERNAME_LENGTH), (clean, &USERNAME_CHARACTERS)])
}

pub(super) fn broken_email(text: Option<&str>) -> Vec<&'static Rule> {
    broken([(text.map(trim).is_some_and(is_email), &EMAIL)])
}

pub(super) fn broken_password(text: Option<&str>) -> Vec<&'static Rule> {
    let fits = text.is_some_and(|text| normalized(text).chars().count() >= 6);
    let mixed = text.is_some_and(|text| {
        let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
        has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
    });
    broken([(fits, &PASSWORD_LENGTH), (mixed, &PASSWORD_CHARACTERS)])
}

pub(super) fn broken<const N: usize>(checks: [(bool, &'static Rule); N]) -> Vec<&'static Rule> {
    let failed = checks.into_iter().filter(|(kept, _)| !kept);
    failed.map(|(_, rule)| rule).collect()
}

/// Trims what JavaScript's `\s` matches, as v1's clients expect.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}'))
}
