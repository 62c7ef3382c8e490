//! `primetrade admin`: who administers the shop, as whoever runs the server says.

use std::io::{BufRead, IsTerminal, Read};

use auth::{Account, AccountFilter, Accounts, Administration, Auth, Cause};
use console::Term;
use kernel::{Error, Expected, Role};
use node::Failure;
use node::config::Config;

use crate::Outcome;

/// Longer first lines are no password.
const MAX_LINE: u64 = 4_096;
/// Accounts that are read at a time.
const PAGE: usize = 100;

pub async fn create(config: &Config, username: String, email: String) -> Result<Outcome, Failure> {
    let password = read_password()?;
    let app = super::open(config).await?;
    let (auth, _) = app.stores()?;
    let account = auth.create_admin(&username, &email, &password).await.map_err(|error| match error {
        Error::Conflict(taken) if taken.field == "email" => {
            format!("{} Make that account an administrator: primetrade admin grant {email}", taken.detail).into()
        }
        Error::Conflict(taken) => format!("{} Name another.", taken.detail).into(),
        other => Failure::from(other),
    })?;
    say!("administrator {} <{}> created in {:?}", account.username, account.email, config.database_of("auth"));
    Ok(Outcome::Done)
}

/// Makes the account of this address an administrator, or a user again.
pub async fn set_role(config: &Config, email: &str, role: Role) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let (auth, _) = app.stores()?;
    let account = found(&auth, email).await?;
    let administration = Administration { role: Some(role), active: None };
    let changed = auth.administer(account.id, &Expected::Any, administration, &Cause::SYSTEM).await;
    let changed = changed.map_err(|error| match error {
        Error::Conflict(last) => format!("{} Make another one first: primetrade admin grant EMAIL", last.detail).into(),
        other => Failure::from(other),
    })?;
    let what = if role == Role::Admin { "an administrator" } else { "a user" };
    let was = if account.role == role { " already" } else { "" };
    say!("{} <{}> is {what}{was}", changed.username, changed.email);
    Ok(Outcome::Done)
}

/// Prints the administrators, newest first.
pub async fn list(config: &Config) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let (auth, _) = app.stores()?;
    let filter = AccountFilter { role: Some(Role::Admin), ..AccountFilter::default() };
    let (mut after, mut listed) = (None, 0_u64);
    loop {
        let (accounts, next) = auth.list(&filter, after, PAGE).await?;
        for account in accounts {
            listed += 1;
            let inactive = if account.active { "" } else { ", deactivated" };
            say!(
                "{} {} <{}>, account made {}{inactive}",
                account.id,
                account.username,
                account.email,
                account.created_at.to_rfc3339_millis()
            );
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if listed == 0 {
        say!("there is no administrator yet: primetrade admin create makes one");
    }
    Ok(Outcome::Done)
}

/// Gives an account another password.
pub async fn reset_password(config: &Config, email: &str) -> Result<Outcome, Failure> {
    let app = super::open_existing(config).await?;
    let (auth, _) = app.stores()?;
    let account = found(&auth, email).await?;
    let password = read_password()?;
    auth.reset_by_operator(&account, &password).await?;
    say!("{} <{}> has another password, and no session any more", account.username, account.email);
    Ok(Outcome::Done)
}

async fn found(auth: &Auth, email: &str) -> Result<Account, Failure> {
    let account = auth.by_email(email).await?;
    account.ok_or_else(|| format!("no account has the address {email}").into())
}

/// The first line of standard input, without its end; on a terminal it is asked for, twice, and not shown.
fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return type_password();
    }
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_LINE).read_line(&mut line)?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        Err("standard input held no password; pipe one line into the command".into())
    } else {
        Ok(password.to_owned())
    }
}

fn type_password() -> Result<String, Failure> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(
            "standard error is no terminal, so nobody could be asked for a password; pipe a line into the command"
                .into(),
        );
    }
    let ask = |words: &str| {
        terminal.write_str(words)?;
        terminal.read_secure_line()
    };
    let password = ask("Password: ")?;
    if password.is_empty() {
        return Err("no password was typed".into());
    }
    if ask("The same again: ")? == password {
        Ok(password)
    } else {
        Err("that was another password; nothing was changed".into())
    }
}
