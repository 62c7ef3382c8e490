//! `primetrade`: the one binary. Reads its configuration, joins the parts, runs a command.

/// Prints a line of results.
macro_rules! say {
    ($($line:tt)*) => { $crate::print(std::io::stdout(), format_args!($($line)*)) };
}
/// The same for complaints, on stderr.
macro_rules! complain {
    ($($line:tt)*) => { $crate::print(std::io::stderr(), format_args!($($line)*)) };
}

#[cfg(test)]
mod architecture;
mod cli;
mod commands;
mod serve;

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use cli::Command;
use kernel::Role;
use node::Failure;
use node::config::{self, Loaded, Sources};
use node::roles::Roles;
use platform::telemetry::Colours;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command reports by its exit code.
pub enum Outcome {
    /// Done, or drained.
    Done,
    /// It ran, and found something wrong: a refused row, a difference.
    Finding,
}

/// Writes a line, or several if it is text of ours. Names, values and errors from outside are in it: none of them may command the terminal.
fn print(mut to: impl Write, text: fmt::Arguments<'_>) {
    let (text, mut lines) = (text.to_string(), String::new());
    if text.is_empty() {
        lines.push('\n');
    }
    for line in text.lines() {
        lines.push_str(&kernel::text::visible(line));
        lines.push('\n');
    }
    // A reader that has gone (`| head -1`) is no reason to fail. In one write: what others print is not in between.
    let _ = to.write_all(lines.as_bytes());
}

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        // It quotes the arguments.
        Err(error) if error.use_stderr() => {
            complain!("{}", error.render());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(help) => {
            // Nothing can be done about a closed terminal.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    if let Command::HelpSettings { section } = &cli.command {
        let Some(page) = config::help(section.as_deref()) else {
            complain!("there is no such section of settings; there are {}", config::sections().join(", "));
            return ExitCode::from(2);
        };
        page.lines().for_each(|line| say!("{line}"));
        return ExitCode::SUCCESS;
    }
    let loaded = match config::load(&Sources::of_process(cli.config_file, cli.settings)) {
        Ok(loaded) => loaded,
        Err(errors) => return misconfigured(&cli.command, &errors.to_string()),
    };
    let roles = match cli.command {
        Command::Serve { roles, .. } | Command::Doctor { roles, .. } => roles,
        _ => Roles::ALL,
    };
    let conflicts = roles.conflicts(&loaded.config);
    if !conflicts.is_empty() {
        return misconfigured(&cli.command, &conflicts.join("\n"));
    }
    let log = &loaded.config.log;
    let _flush = platform::telemetry::init(
        &roles.service_name(),
        log.format.is_pretty(std::io::stderr().is_terminal()).then(colours),
        // What the doctor finds, it says itself.
        if matches!(cli.command, Command::Doctor { .. }) { tracing::Level::ERROR } else { log.level },
    );
    match run(cli.command, &loaded) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::FAILURE,
        Err(failure) => {
            complain!("primetrade: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the log is in colours: on a terminal, unless it has none or its user wants none (<https://no-color.org>).
fn colours() -> Colours {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let plain = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    if std::io::stderr().is_terminal() && !unwanted && !plain { Colours::Shown } else { Colours::None }
}

/// Says what is wrong with the settings, one line each.
fn misconfigured(command: &Command, errors: &str) -> ExitCode {
    match command {
        Command::Doctor { json, .. } => commands::doctor::tell_settings(errors, *json),
        _ => complain!("{errors}"),
    }
    ExitCode::from(2)
}

fn run(command: Command, loaded: &Loaded) -> Result<Outcome, Failure> {
    let config = &loaded.config;
    match command {
        Command::ConfigCheck => {
            say!("the configuration is valid");
            return Ok(Outcome::Done);
        }
        Command::ConfigPrint => {
            loaded.to_toml().lines().for_each(|line| say!("{line}"));
            return Ok(Outcome::Done);
        }
        Command::OpenApi(version) => {
            commands::openapi(version).lines().for_each(|line| say!("{line}"));
            return Ok(Outcome::Done);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve { roles, flags } => serve::run(config, roles, flags).await,
            Command::Migrate => commands::migrate(config).await,
            Command::KeysRotate { internal } => commands::keys_rotate(config, internal),
            Command::AdminCreate { username, email } => commands::admin::create(config, username, email).await,
            Command::AdminGrant { email } => commands::admin::set_role(config, &email, Role::Admin).await,
            Command::AdminRevoke { email } => commands::admin::set_role(config, &email, Role::User).await,
            Command::AdminList => commands::admin::list(config).await,
            Command::AdminResetPassword { email } => commands::admin::reset_password(config, &email).await,
            Command::ImportCsv(import) => commands::import_csv(config, import).await,
            Command::UniqueSku(switch) => commands::skus::unique(config, switch).await,
            Command::StockVerify => commands::stock::verify(config).await,
            Command::Backup { folder, with_keys } => commands::backup::take(config, &folder, with_keys).await,
            Command::BackupVerify { folder } => commands::backup::verify(&folder).await,
            Command::Restore { folder, into } => commands::backup::restore(config, &folder, into).await,
            Command::JobsList { filter, json } => commands::jobs::list(config, &filter, json).await,
            Command::JobsReplay(which) => commands::jobs::replay(config, which).await,
            Command::JobsDiscard(which) => commands::jobs::discard(config, which).await,
            Command::ClockConfirm => commands::clock::confirm(config),
            Command::Doctor { roles, json } => Ok(commands::doctor::run(config, roles, json).await),
            Command::OpenApi(_) | Command::ConfigCheck | Command::ConfigPrint | Command::HelpSettings { .. } => {
                Ok(Outcome::Done)
            }
        }
    });
    // A thread that hangs in the file system must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo hands the variables of a build script to what it runs: `cargo run -- serve`, and this test.
    #[test]
    fn what_the_build_says_is_not_taken_for_a_setting() {
        config::declare(&node::roles::declared());
        let of_build = [env!("BUILD_REVISION"), env!("BUILD_DATE")];
        let environment: Vec<_> =
            std::env::vars_os().filter(|(_, value)| of_build.iter().any(|of_build| value == of_build)).collect();
        assert!(environment.len() >= of_build.len());
        assert!(config::load(&Sources { environment, ..Sources::default() }).is_ok());
    }
}
