//! Which roles a process has.

use std::fmt;
use std::str::FromStr;

use storage::DatabaseUrl;

use crate::config::Config;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Gateway,
    Auth,
    Products,
    Users,
    Notifications,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Gateway, Role::Auth, Role::Products, Role::Users, Role::Notifications];
    pub const SERVICES: [Role; 4] = [Role::Auth, Role::Products, Role::Users, Role::Notifications];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Gateway => "gateway",
            Role::Auth => "auth",
            Role::Products => "products",
            Role::Users => "users",
            Role::Notifications => "notifications",
        }
    }

    /// The services that it asks.
    pub fn needs(self) -> &'static [Role] {
        match self {
            Role::Gateway => &[Role::Auth, Role::Products, Role::Users],
            Role::Products => &[Role::Auth],
            Role::Users => &[Role::Auth, Role::Products],
            Role::Auth | Role::Notifications => &[],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The roles of one process: one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles([bool; 5]);

impl Roles {
    pub const ALL: Roles = Roles([true; 5]);

    pub fn has(self, role: Role) -> bool {
        self.0[role as usize]
    }

    pub fn is_all(self) -> bool {
        self == Roles::ALL
    }

    /// Whether a process with these passes requests on, and does nothing else.
    pub fn is_gateway(self) -> bool {
        self.iter().eq([Role::Gateway])
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// The services that they ask in other processes.
    pub fn asked(self) -> impl Iterator<Item = Role> {
        let needed = move |role: &Role| self.iter().any(|asking| asking.needs().contains(role));
        Role::SERVICES.into_iter().filter(move |role| !self.has(*role) && needed(role))
    }

    /// Whether a process with these has nobody to speak with.
    pub fn are_alone(self, config: &Config) -> bool {
        self.is_all() && config.internal.listen.is_none()
    }

    /// What logs, metrics and traces call a process with these.
    pub fn service_name(self) -> String {
        match self.is_all() {
            true => "primetrade".into(),
            false => self.iter().fold("primetrade".into(), |name, role| format!("{name}-{role}")),
        }
    }

    /// What the settings lack for these roles: one line each.
    pub fn conflicts(self, config: &Config) -> Vec<String> {
        let mut found = Vec::new();
        for role in self.iter() {
            for needed in role.needs() {
                let line = format!(
                    "upstreams.{needed}: expected the addresses of {needed}, because this process has the role {role} and not {needed}"
                );
                if !self.has(*needed) && config.upstreams.of(*needed).is_empty() && !found.contains(&line) {
                    found.push(line);
                }
            }
        }
        let data = [
            (Role::Auth, "auth.database.url", config.auth_database()),
            (Role::Products, "products.database.url", config.products_database()),
        ];
        for (role, setting, url) in data {
            if self.has(role) && !self.is_all() && matches!(url, DatabaseUrl::Sqlite(_)) {
                found.push(format!(
                    "{setting}: expected PostgreSQL (here or in database.url), because SQLite's files are for one process with all roles"
                ));
            }
        }
        found
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Roles([false; 5]);
        for word in text.split(',').map(str::trim) {
            match Role::ALL.into_iter().find(|role| role.as_str() == word) {
                Some(role) => roles.0[role as usize] = true,
                None if word == "all" => roles = Roles::ALL,
                None => {
                    return Err(format!(
                        "expected all, or some of {}, joined by commas",
                        Role::ALL.map(Role::as_str).join(", ")
                    ));
                }
            }
        }
        Ok(roles)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read() {
        let read = |text: &str| text.parse::<Roles>().map(|roles| roles.to_string());
        assert_eq!(read("all"), Ok("gateway, auth, products, users, notifications".into()));
        assert_eq!(read("products,auth"), Ok("auth, products".into()));
        assert_eq!(read(" gateway , gateway"), Ok("gateway".into()));
        for wrong in ["", "auth,", "Auth", "auth;users", "everything"] {
            assert!(read(wrong).is_err_and(|error| error.contains("notifications")), "{wrong}");
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
