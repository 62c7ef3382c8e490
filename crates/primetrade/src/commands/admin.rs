//! `primetrade admin create`: the first administrator, and every further one made on the server's own machine.

use std::io::{BufRead, Read};

use kernel::Error;

use crate::config::Config;
use crate::{Failure, Outcome};

/// Longer first lines are no password.
const MAX_LINE: u64 = 4_096;

pub async fn admin_create(config: &Config, username: String, email: String) -> Result<Outcome, Failure> {
    let password = read_password()?;
    let app = super::open(config).await?;
    let (auth, _) = app.stores()?;
    let account = auth.create_admin(&username, &email, &password).await.map_err(|error| match error {
        Error::Conflict(_) => {
            format!("{error}. This makes new accounts only: name another, or have an administrator change the role (PATCH /api/v2/users/ID)")
                .into()
        }
        other => Failure::from(other),
    })?;
    say!("administrator {} <{}> created in {:?}", account.username, account.email, config.auth_database());
    Ok(Outcome::Done)
}

/// The first line of standard input, without its end.
fn read_password() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_LINE).read_line(&mut line)?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.is_empty() {
        true => Err("standard input held no password; pipe one line into the command".into()),
        false => Ok(password.to_owned()),
    }
}
