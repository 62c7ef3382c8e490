//! Accounts and the rules that their fields obey. Nothing here does I/O.

mod rules;

use std::net::IpAddr;

use kernel::text::fold;
use kernel::{Role, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::opaque::is_allowed;
use crate::tokens::Audience;

pub use self::rules::{EMAIL, PASSWORD_BOUNDS, Rule, broken_v2_password, email_key, username_key};
use self::rules::{
    PASSWORD_DISALLOWED, PASSWORD_REQUIRED, broken, broken_email, broken_password, broken_username, fits_v2, trim,
};

/// Someone who may log in. The password hash is not part of it, so it cannot leak with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: Uuid,
    pub username: String,
    /// As the person wrote it, trimmed.
    pub email: String,
    pub role: Role,
    pub active: bool,
    /// When the address proved to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// The address that takes its place once it is confirmed from its mailbox. Another account may have it.
    #[serde(default)]
    pub pending_email: Option<String>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Which accounts a list holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountFilter {
    pub role: Option<Role>,
    pub active: Option<bool>,
    /// What the username or the address contains, whatever its case.
    pub text: Option<String>,
}

/// Accounts that are found by an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    All,
    Role(Role),
    Active(bool),
}

impl AccountFilter {
    /// The smallest range that holds all that fit: administrators are few, and so are those who are not active.
    pub fn kind(&self) -> AccountKind {
        match (self.role, self.active) {
            (Some(Role::Admin), _) => AccountKind::Role(Role::Admin),
            (_, Some(active)) => AccountKind::Active(active),
            (Some(role), None) => AccountKind::Role(role),
            (None, None) => AccountKind::All,
        }
    }

    pub fn fits(&self, account: &Account) -> bool {
        let contained = |text: &String| {
            let text = fold(text);
            fold(&account.username).contains(&text) || email_key(&account.email).contains(&text)
        };
        self.role.is_none_or(|role| role == account.role)
            && self.active.is_none_or(|active| active == account.active)
            && self.text.as_ref().is_none_or(contained)
    }
}

/// One log-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: Uuid,
    pub account_id: Uuid,
    pub api: Audience,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Counts the refreshes of a session of API v2: only the refresh token of this generation is good.
    pub generation: i64,
    pub refreshed_at: Option<Timestamp>,
    pub used_by: UsedBy,
}

/// What is known of who uses a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedBy {
    /// How the device names itself (`User-Agent`).
    pub device: Option<String>,
    pub address: Option<IpAddr>,
}

/// A permission that is mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeToken {
    pub id: Uuid,
    /// `None`: a decoy, for an address that no account has.
    pub account_id: Option<Uuid>,
    pub purpose: Purpose,
    pub email_key: String,
    pub expires_at: Timestamp,
}

/// What a mailed permission is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::VerifyEmail => "verify-email",
            Purpose::ResetPassword => "reset-password",
        }
    }
}

impl Account {
    /// The account without anything personal. Its row stays: products, events and the log name its id.
    pub fn erased(&self, now: Timestamp) -> Account {
        Account {
            username: format!("erased-{}", self.id),
            // No address, so nobody can register with it.
            email: format!("erased:{}", self.id),
            active: false,
            role: Role::User,
            email_verified_at: None,
            pending_email: None,
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// The form by which its address is found.
    pub fn email_key(&self) -> String {
        email_key(&self.email)
    }

    /// The account under its pending address, which somebody confirmed who reads its mails.
    pub fn under_pending_email(&self) -> Option<Account> {
        let email = self.pending_email.clone()?;
        Some(Account { email, pending_email: None, ..self.clone() })
    }

    pub fn is_erased(&self) -> bool {
        !self.email.contains('@')
    }
}

impl Session {
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// What a person registers with; only valid values exist.
#[derive(Clone)]
pub struct Registration {
    username: String,
    email: String,
    password: String,
}

impl Registration {
    /// Checks all fields. `None` is a value that is not text, which breaks every rule of its field.
    ///
    /// # Errors
    /// The broken rules, in the order in which API v1 reports them.
    pub fn new(
        username: Option<&str>,
        email: Option<&str>,
        password: Option<&str>,
    ) -> Result<Self, Vec<&'static Rule>> {
        Self::checked(username, email, password, broken_password(password))
    }

    /// As [`Registration::new`], for an account that an operator makes by command: long passwords need no mix of characters.
    ///
    /// # Errors
    /// The broken rules.
    pub fn by_operator(username: &str, email: &str, password: &str) -> Result<Self, Vec<&'static Rule>> {
        let fits = fits_v2(password) || broken_password(Some(password)).is_empty();
        let broken_password = broken([(fits, &PASSWORD_BOUNDS), (!fits || is_allowed(password), &PASSWORD_DISALLOWED)]);
        Self::checked(Some(username), Some(email), Some(password), broken_password)
    }

    /// As [`Registration::new`], by the rules of API v2.
    ///
    /// # Errors
    /// The broken rules.
    pub fn v2(username: &str, email: &str, password: &str) -> Result<Self, Vec<&'static Rule>> {
        let broken_password = broken_v2_password(password, [username, email]);
        Self::checked(Some(username), Some(email), Some(password), broken_password)
    }

    fn checked(
        username: Option<&str>,
        email: Option<&str>,
        password: Option<&str>,
        broken_password: Vec<&'static Rule>,
    ) -> Result<Self, Vec<&'static Rule>> {
        let broken = [broken_username(username), broken_email(email), broken_password].concat();
        match (username, email, password) {
            (Some(username), Some(email), Some(password)) if broken.is_empty() => Ok(Self {
                username: trim(username).to_owned(),
                email: trim(email).to_owned(),
                password: password.to_owned(),
            }),
            _ => Err(broken),
        }
    }

    pub fn username(&self) -> &str {
        &self.username
    }

    pub fn email(&self) -> &str {
        &self.email
    }

    pub fn password(&self) -> &str {
        &self.password
    }
}

/// What a person logs in with; only values that could be an account's exist.
#[derive(Clone)]
pub struct Credentials {
    email: String,
    password: String,
}

impl Credentials {
    /// # Errors
    /// The broken rules, in the order in which API v1 reports them.
    pub fn new(email: Option<&str>, password: Option<&str>) -> Result<Self, Vec<&'static Rule>> {
        let mut broken = broken_email(email);
        let password = password.filter(|password| !password.is_empty());
        broken.extend(password.is_none().then_some(&PASSWORD_REQUIRED));
        match (email, password) {
            (Some(email), Some(password)) if broken.is_empty() => {
                Ok(Self { email: trim(email).to_owned(), password: password.to_owned() })
            }
            _ => Err(broken),
        }
    }

    pub fn email_key(&self) -> String {
        email_key(&self.email)
    }

    pub fn password(&self) -> &str {
        &self.password
    }
}

/// New names of an account; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    username: Option<String>,
    email: Option<String>,
}

impl Profile {
    /// # Errors
    /// The broken rules.
    pub fn new(username: Option<&str>, email: Option<&str>) -> Result<Self, Vec<&'static Rule>> {
        let broken_username = username.map(|username| broken_username(Some(username)));
        let broken_email = email.map(|email| broken_email(Some(email)));
        let broken = [broken_username.unwrap_or_default(), broken_email.unwrap_or_default()].concat();
        let trimmed = |text: Option<&str>| text.map(|text| trim(text).to_owned());
        if broken.is_empty() { Ok(Self { username: trimmed(username), email: trimmed(email) }) } else { Err(broken) }
    }

    /// Whether it names this address, written so.
    pub fn asks_for(&self, email: &str) -> bool {
        self.email.as_deref() == Some(email)
    }

    /// The account under its new names. Another address is pending; the present one, however it is written, ends what is pending.
    pub fn apply(self, before: &Account) -> Account {
        let mut after = before.clone();
        after.username = self.username.unwrap_or(after.username);
        match self.email {
            Some(email) if email_key(&email) == email_key(&before.email) => {
                after.email = email;
                after.pending_email = None;
            }
            Some(email) => after.pending_email = Some(email),
            None => {}
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(broken: Vec<&Rule>) -> Vec<(&'static str, &'static str)> {
        broken.iter().map(|rule| (rule.field, rule.code)).collect()
    }

    #[test]
    fn a_registration_is_trimmed_except_for_its_password() {
        let registration =
            Registration::new(Some(" ada_1 "), Some("\u{feff}Ada@Example.com\n"), Some(" Secret1 ")).ok();
        let registration = registration.unwrap();
        assert_eq!(registration.username(), "ada_1");
        assert_eq!(registration.email(), "Ada@Example.com");
        assert_eq!(registration.password(), " Secret1 ");
        assert_eq!(email_key(" Ada@Example.com"), "ada@example.com");
    }

    #[test]
    fn every_broken_rule_is_told_in_order() {
        let all = [
            ("username", "length"),
            ("username", "characters"),
            ("email", "format"),
            ("password", "length"),
            ("password", "characters"),
        ];
        assert_eq!(codes(Registration::new(None, None, None).err().unwrap()), all);
        assert_eq!(codes(Registration::new(Some(""), Some(""), Some("")).err().unwrap()), all);
        let one = |username: &str, password: &str| {
            codes(Registration::new(Some(username), Some("a@b.co"), Some(password)).err().unwrap())
        };
        assert_eq!(one("ab", "Secret1"), [("username", "length")]);
        assert_eq!(one("ab-c", "Secret1"), [("username", "characters")]);
        assert_eq!(one(&"a".repeat(51), "Secret1"), [("username", "length")]);
        assert_eq!(one("abc", "Sec1"), [("password", "length")]);
        for weak in ["secret1", "SECRET1", "Secrets"] {
            assert_eq!(one("abc", weak), [("password", "characters")]);
        }
    }

    #[test]
    fn an_operator_may_choose_a_long_password_or_a_mixed_one() {
        let by_operator = |password| Registration::by_operator("root", "root@example.com", password);
        let (longest, longer) = ("x".repeat(128), "x".repeat(129));
        for good in ["correct horse battery", "Secret1", &longest] {
            assert!(by_operator(good).is_ok(), "{good}");
        }
        for bad in ["secret1", "", &longer] {
            assert_eq!(codes(by_operator(bad).err().unwrap()), [("password", "length")], "{bad}");
        }
        for unseen in ["Secret1\r", "correct horse battery\0"] {
            assert_eq!(codes(by_operator(unseen).err().unwrap()), [("password", "characters")], "{unseen:?}");
        }
    }

    #[test]
    fn characters_of_a_password_are_those_of_its_one_form() {
        let v2 = |password: &str| codes(broken_v2_password(password, ["ada", "ada@example.com"]));
        let (seven, eight) = ("e\u{301}".repeat(7), "e\u{301}".repeat(8));
        assert_eq!(v2(&seven), [("password", "length")]);
        assert_eq!(v2(&eight), []);
        assert_eq!(v2(&"e\u{301}".repeat(128)), []);
        assert_eq!(v2(&"e\u{301}".repeat(129)), [("password", "length")]);
        for unseen in ["with a\ttab", "with a nul\0", "with a hidden\u{200b}space", "c1 controls\u{85}"] {
            assert_eq!(v2(unseen), [("password", "characters")], "{unseen:?}");
        }
        let own = |password: &str| codes(broken_v2_password(password, ["ada", "ren\u{e9}e@example.com"]));
        assert_eq!(own("Rene\u{301}e@example.com"), [("password", "common")], "one's own address, decomposed");
        let v1 = |password: &str| Registration::new(Some("ada"), Some("a@b.co"), Some(password)).map(drop);
        assert!(v1("Ab1\u{e9}\u{e9}e\u{301}").is_ok());
        assert!(v1("Ab1e\u{301}e\u{301}").is_err());
        assert!(v1("Secret1\t\0").is_ok(), "v1 takes what it always took");
    }

    #[test]
    fn a_log_in_needs_an_address_and_any_password() {
        assert!(Credentials::new(Some("a@b.co"), Some("x")).is_ok());
        let broken = Credentials::new(Some("nope"), Some("")).err().unwrap();
        assert_eq!(codes(broken), [("email", "format"), ("password", "required")]);
    }
}
