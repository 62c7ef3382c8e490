//! Which roles a process has.

use std::fmt;
use std::str::FromStr;

use storage::DatabaseUrl;

use super::ROLES;
use crate::config::Config;
use crate::role::Role;

/// The role that passes requests on.
pub const GATEWAY: &str = "gateway";

/// The roles of one process: one at least. A bit each: the lowest is the gateway's, those of services follow in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(u64);

/// Every name, in the order in which they are shown.
fn names() -> impl Iterator<Item = &'static str> {
    [GATEWAY].into_iter().chain(ROLES.into_iter().map(|role| role.name))
}

impl Roles {
    pub const ALL: Roles = Roles((1 << (ROLES.len() + 1)) - 1);

    pub fn has(self, role: &str) -> bool {
        self.iter().any(|name| name == role)
    }

    pub fn is_all(self) -> bool {
        self == Roles::ALL
    }

    /// Whether a process with these passes requests on, and does nothing else.
    pub fn is_gateway(self) -> bool {
        self.iter().eq([GATEWAY])
    }

    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        names().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }

    /// The services among them.
    pub fn services(self) -> impl Iterator<Item = &'static Role> {
        ROLES.into_iter().filter(move |role| self.has(role.name))
    }

    /// The services that they ask in other processes.
    pub fn asked(self) -> impl Iterator<Item = &'static str> {
        let needed = move |name: &str| self.iter().any(|asking| needs(asking).any(|needed| needed == name));
        ROLES.into_iter().map(|role| role.name).filter(move |name| !self.has(name) && needed(name))
    }

    /// Whether a process with these has nobody to speak with.
    pub fn are_alone(self, config: &Config) -> bool {
        self.is_all() && config.internal.listen.is_none()
    }

    /// What logs, metrics and traces call a process with these.
    pub fn service_name(self) -> String {
        if self.is_all() {
            "primetrade".into()
        } else {
            self.iter().fold("primetrade".into(), |name, role| format!("{name}-{role}"))
        }
    }

    /// What the settings lack for these roles: one line each.
    pub fn conflicts(self, config: &Config) -> Vec<String> {
        let mut found = Vec::new();
        for role in self.iter() {
            for needed in needs(role) {
                let line = format!(
                    "upstreams.{needed}: expected the addresses of {needed}, because this process has the role {role} and not {needed}"
                );
                if !self.has(needed) && config.services.of(needed).upstreams.is_empty() && !found.contains(&line) {
                    found.push(line);
                }
            }
        }
        let keeping = self.services().filter(|role| role.keeps.is_some());
        for role in keeping {
            if !self.is_all() && matches!(config.database_of(role.name), DatabaseUrl::Sqlite(_)) {
                found.push(format!(
                    "{}.database.url: expected PostgreSQL (here or in database.url), because SQLite's files are for one process with all roles",
                    role.name
                ));
            }
        }
        found
    }
}

/// The services that a role asks: a gateway all that have endpoints.
fn needs(role: &str) -> impl Iterator<Item = &'static str> {
    let passed = ROLES.into_iter().filter(|role| role.described.is_some()).map(|role| role.name);
    let asking = ROLES.into_iter().find(|known| known.name == role);
    let asked = asking.map_or(&[][..], |asking| asking.needs).iter().copied();
    passed.filter(move |_| asking.is_none()).chain(asked)
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Roles(0);
        for word in text.split(',').map(str::trim) {
            match names().position(|name| name == word) {
                Some(bit) => roles.0 |= 1 << bit,
                None if word == "all" => roles = Roles::ALL,
                None => {
                    let names: Vec<&str> = names().collect();
                    return Err(format!("expected all, or some of {}, joined by commas", names.join(", ")));
                }
            }
        }
        Ok(roles)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read() {
        let read = |text: &str| text.parse::<Roles>().map(|roles| roles.to_string());
        assert_eq!(read("all").map(|all| all.split(", ").count()), Ok(ROLES.len() + 1));
        assert_eq!(read("products,auth"), Ok("auth, products".into()));
        assert_eq!(read(" gateway , gateway"), Ok("gateway".into()));
        for wrong in ["", "auth,", "Auth", "auth;users", "everything"] {
            assert!(read(wrong).is_err_and(|error| error.contains(GATEWAY)), "{wrong}");
        }
    }

    #[test]
    fn what_the_settings_lack_is_told_by_its_name() {
        let lacking = |roles: &str| roles.parse::<Roles>().unwrap().conflicts(&Config::default()).join("\n");
        assert_eq!(lacking("all"), "");
        assert_eq!(lacking("notifications"), "");
        let gateway = lacking("gateway");
        for setting in ["upstreams.auth", "upstreams.products", "upstreams.users"] {
            assert!(gateway.contains(setting), "{gateway}");
        }
        assert!(
            lacking("users,products").contains("upstreams.auth")
                && !lacking("users,products").contains("upstreams.products")
        );
        assert!(lacking("auth").contains("PostgreSQL"), "SQLite is for one process");
    }
}
