//! The command line, read into plain values.

mod definition;

use std::ffi::OsString;
use std::path::PathBuf;

use api::openapi::Version;
use clap::ArgMatches;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use effects::jobs::Filter;
use node::config::{self, Setting, settings};
use node::roles::{self, Roles};

use self::definition::{PORT, root};
use crate::commands::Import;
use crate::commands::jobs::Which;
use crate::serve::Flags;

/// What the process was asked to do.
#[derive(Debug)]
pub struct Cli {
    pub command: Command,
    /// `--config`: the settings file to read instead of the default one.
    pub config_file: Option<PathBuf>,
    /// The settings given as flags.
    pub settings: Vec<(&'static Setting, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the API, or some roles of a deployment.
    Serve {
        roles: Roles,
        flags: Flags,
    },
    /// Bring the databases to the current schema.
    Migrate,
    /// Add a signing key, which is used from now on: for tokens, or for what the processes of a deployment tell each other.
    KeysRotate {
        internal: bool,
    },
    /// Create an administrator, whose password is the first line of stdin.
    AdminCreate {
        username: String,
        email: String,
    },
    /// Make the account of this address an administrator, or no longer one.
    AdminGrant {
        email: String,
    },
    AdminRevoke {
        email: String,
    },
    /// Print the administrators.
    AdminList,
    /// Give the account of this address the password that is the first line of stdin.
    AdminResetPassword {
        email: String,
    },
    /// Read a product CSV into the shop of the account `owner`, given by its e-mail address.
    ImportCsv(Import),
    /// Say whether an owner may have a SKU twice, or tell of those who do.
    UniqueSku(Option<bool>),
    /// Check the stock of every variant against its ledger.
    StockVerify,
    /// Copy a store on SQLite into a new folder, with its keys or without.
    Backup {
        folder: PathBuf,
        with_keys: bool,
    },
    /// Check a backup.
    BackupVerify {
        folder: PathBuf,
    },
    /// Make a data folder of a backup: that of the settings, or another.
    Restore {
        folder: PathBuf,
        into: Option<PathBuf>,
    },
    /// Print the jobs that are not done.
    JobsList {
        filter: Filter,
        json: bool,
    },
    /// Have parked jobs tried again.
    JobsReplay(Which),
    /// Delete parked jobs, which are never done then.
    JobsDiscard(Which),
    /// Print what there is to set, or that of a section.
    HelpSettings {
        section: Option<String>,
    },
    /// Take the clock for right that leapt.
    ClockConfirm,
    /// Print the OpenAPI document of one API version.
    OpenApi(Version),
    /// Tell what a process with these roles would find.
    Doctor {
        roles: Roles,
        json: bool,
    },
    /// Check the settings and say nothing but errors.
    ConfigCheck,
    /// Print the settings in force.
    ConfigPrint,
}

/// Reads the arguments, of which the first is the program's name.
///
/// # Errors
/// A usage error (`exit_code()` 2), or a request for help or the version (0); `print()` writes each where it belongs. A
/// password in an argument that is refused is not repeated.
pub fn parse<I, T>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    config::declare(&roles::declared());
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if let Some([help, settings, section @ ..]) = arguments.get(1..)
        && help == "help"
        && settings == "settings"
        && section.len() < 2
    {
        let section = section.first().map(|section| section.to_string_lossy().into_owned());
        return Ok(Cli { command: Command::HelpSettings { section }, config_file: None, settings: Vec::new() });
    }
    let matches = root().try_get_matches_from(arguments).map_err(improve)?;
    let given = |setting: &'static Setting| Some((setting, matches.get_one::<String>(setting.key)?.clone()));
    let mut settings: Vec<_> = settings().iter().filter_map(given).collect();
    // It is the last word of the address, for those who think of no more than that.
    let listens = matches.subcommand().filter(|(name, _)| ["serve", "doctor"].contains(name));
    let port = listens.and_then(|(_, command)| command.get_one::<u16>(PORT));
    settings.extend(port.and_then(|port| Some((config::find("http.listen")?, port.to_string()))));
    Ok(Cli { command: command(&matches)?, config_file: matches.get_one("config").cloned(), settings })
}

fn command(matches: &ArgMatches) -> Result<Command, clap::Error> {
    Ok(match path(matches).as_slice() {
        [("serve", serve)] => Command::Serve {
            roles: serve.get_one("role").copied().unwrap_or(Roles::ALL),
            flags: Flags {
                demo: serve.get_flag("demo"),
                allow_demo_accounts: serve.get_flag("allow-demo-accounts"),
                no_migrate: serve.get_flag("no-migrate"),
            },
        },
        [("migrate", _)] => Command::Migrate,
        [("keys", _), ("rotate", rotate)] => Command::KeysRotate { internal: rotate.get_flag("internal") },
        [("admin", _), ("create", create)] => {
            Command::AdminCreate { username: text(create, "username"), email: text(create, "email") }
        }
        [("admin", _), ("grant", grant)] => Command::AdminGrant { email: text(grant, "email") },
        [("admin", _), ("revoke", revoke)] => Command::AdminRevoke { email: text(revoke, "email") },
        [("admin", _), ("list", _)] => Command::AdminList,
        [("admin", _), ("reset-password", reset)] => Command::AdminResetPassword { email: text(reset, "email") },
        [("import", _), ("csv", csv)] => Command::ImportCsv(Import {
            file: file(csv, "file"),
            owner: text(csv, "owner"),
            dry_run: csv.get_flag("dry-run"),
            currency: csv.get_one("currency").copied(),
            stock: csv.get_one("stock").copied().unwrap_or_default(),
            quantity: csv.get_one("quantity").copied(),
            report: csv.get_one("report").cloned(),
            all: csv.get_flag("all"),
        }),
        [("products", _), ("unique-sku", unique)] => {
            Command::UniqueSku(unique.get_one::<String>("switch").map(|switch| switch == "on"))
        }
        [("stock", _), ("verify", _)] => Command::StockVerify,
        [("backup", backup)] => {
            Command::Backup { folder: file(backup, "folder"), with_keys: !backup.get_flag("without-keys") }
        }
        [("backup", _), ("verify", verify)] => Command::BackupVerify { folder: file(verify, "folder") },
        [("restore", restore)] => {
            Command::Restore { folder: file(restore, "folder"), into: restore.get_one("into").cloned() }
        }
        [("jobs", _), ("list", list)] => Command::JobsList {
            filter: Filter { queue: list.get_one("queue").cloned(), state: list.get_one("state").copied() },
            json: text(list, "format") == "json",
        },
        [("jobs", _), ("replay", replay)] => Command::JobsReplay(which(replay)),
        [("jobs", _), ("discard", discard)] => Command::JobsDiscard(which(discard)),
        [("clock", _), ("confirm", _)] => Command::ClockConfirm,
        [("openapi", openapi)] => Command::OpenApi(match text(openapi, "version").as_str() {
            "v1" => Version::V1,
            _ => Version::V2,
        }),
        [("doctor", doctor)] => Command::Doctor {
            roles: doctor.get_one("role").copied().unwrap_or(Roles::ALL),
            json: text(doctor, "format") == "json",
        },
        [("config", _), ("check", _)] => Command::ConfigCheck,
        [("config", _), ("print", _)] => Command::ConfigPrint,
        _ => return Err(root().error(ErrorKind::MissingSubcommand, "a command is missing")),
    })
}

/// The commands given, outermost first: `admin`, `create`.
fn path(matches: &ArgMatches) -> Vec<(&str, &ArgMatches)> {
    std::iter::successors(matches.subcommand(), |(_, inner)| inner.subcommand()).collect()
}

/// Parked jobs.
fn which(matches: &ArgMatches) -> Which {
    match matches.get_many("id") {
        Some(ids) => Which::Ids(ids.copied().collect()),
        None => Which::Parked { queue: matches.get_one("queue").cloned() },
    }
}

/// A required argument, which clap has made sure of.
fn text(matches: &ArgMatches, id: &str) -> String {
    matches.get_one::<String>(id).cloned().unwrap_or_default()
}

/// A required path.
fn file(matches: &ArgMatches, id: &str) -> PathBuf {
    matches.get_one(id).cloned().unwrap_or_default()
}

/// Commands by what they are called elsewhere.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("serve", &["start", "run", "server", "up", "dev", "listen"]),
    ("admin create", &["createsuperuser", "create-admin", "user", "users", "account", "accounts", "adduser"]),
    ("admin reset-password", &["password", "passwd", "reset-password"]),
    ("migrate", &["init", "setup", "install", "upgrade", "db"]),
    ("config print", &["settings", "env", "configuration"]),
    ("doctor", &["check", "status", "health", "diagnose", "info"]),
    ("import csv", &["load", "seed", "upload"]),
    ("openapi", &["swagger", "docs", "schema", "api"]),
    ("stock verify", &["verify", "audit"]),
    ("jobs list", &["queue", "queues", "mails", "mail"]),
];

/// Takes out of an error what nobody should see, and adds the nearest setting where clap finds nothing similar.
fn improve(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg).cloned() else {
        if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
            && let Some((meant, _)) = ELSEWHERE.iter().find(|(_, words)| words.contains(&word.as_str()))
        {
            let tip = StyledStr::from(format!("that is done by primetrade {meant}"));
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        return hide(error, ContextKind::InvalidSubcommand);
    };
    let unknown = error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::SuggestedArg).is_none();
    if let Some(flag) = argument.strip_prefix("--").filter(|_| unknown) {
        let tip = StyledStr::from(match config::nearest(&flag.replace('-', ".")) {
            Some(near) => format!("the nearest setting is --{}", near.flag()),
            None => "primetrade help settings lists the settings".to_owned(),
        });
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    hide(hide(error, ContextKind::InvalidArg), ContextKind::InvalidValue)
}

/// Hides passwords in one part of an error: those of URLs, and what was typed where a password should not be.
fn hide(mut error: clap::Error, part: ContextKind) -> clap::Error {
    let Some(ContextValue::String(text)) = error.get(part).cloned() else {
        return error;
    };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    // `--password-stdin hunter2` and `--password-stdin=hunter2`, by those who overlook "stdin".
    let password = usage.contains("--password-stdin") && !text.starts_with('-');
    let shown = if password { "***".into() } else { config::redact(&text) };
    error.insert(part, ContextValue::String(shown));
    error
}

#[cfg(test)]
mod tests {
    use effects::jobs::State;
    use kernel::{Currency, Uuid};
    use stock::model::ImportedStock;

    use super::*;

    fn cli(line: &str) -> Cli {
        parse(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Exit code and text of a refused line.
    fn refused(line: &str) -> (i32, String) {
        let error = parse(line.split(' ')).expect_err(line);
        (error.exit_code(), error.render().to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        root().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(cli("primetrade serve").command, Command::Serve { roles: Roles::ALL, flags: Flags::default() });
        assert_eq!(
            cli("primetrade serve --role auth,users --demo --no-migrate").command,
            Command::Serve {
                roles: "users,auth".parse().unwrap(),
                flags: Flags { demo: true, no_migrate: true, ..Flags::default() }
            }
        );
        assert_eq!(cli("primetrade migrate").command, Command::Migrate);
        assert_eq!(cli("primetrade keys rotate").command, Command::KeysRotate { internal: false });
        assert_eq!(cli("primetrade keys rotate --internal").command, Command::KeysRotate { internal: true });
        assert_eq!(
            cli("primetrade admin create --username ada --email ada@shop.example --password-stdin").command,
            Command::AdminCreate { username: "ada".into(), email: "ada@shop.example".into() }
        );
        assert_eq!(
            cli("primetrade import csv a.csv --owner ada@shop.example --dry-run --currency EUR").command,
            Command::ImportCsv(Import {
                file: "a.csv".into(),
                owner: "ada@shop.example".into(),
                dry_run: true,
                currency: Currency::parse("EUR"),
                stock: ImportedStock::Changes,
                quantity: None,
                report: None,
                all: false,
            })
        );
        let only = |queue: &str, state| Filter { queue: Some(queue.into()), state };
        assert_eq!(cli("primetrade jobs list").command, Command::JobsList { filter: Filter::default(), json: false });
        assert_eq!(
            cli("primetrade jobs list --queue mails --state parked --format json").command,
            Command::JobsList { filter: only("mails", Some(State::Parked)), json: true }
        );
        let id = Uuid::nil();
        assert_eq!(
            cli(&format!("primetrade jobs replay {id} {id}")).command,
            Command::JobsReplay(Which::Ids(vec![id, id]))
        );
        assert_eq!(
            cli("primetrade jobs replay --parked --queue mails").command,
            Command::JobsReplay(Which::Parked { queue: Some("mails".into()) })
        );
        assert_eq!(
            cli("primetrade jobs discard --parked").command,
            Command::JobsDiscard(Which::Parked { queue: None })
        );
        let email = || "ada@shop.example".to_owned();
        assert_eq!(cli("primetrade admin grant ada@shop.example").command, Command::AdminGrant { email: email() });
        assert_eq!(cli("primetrade admin revoke ada@shop.example").command, Command::AdminRevoke { email: email() });
        assert_eq!(cli("primetrade admin list").command, Command::AdminList);
        assert_eq!(
            cli("primetrade admin reset-password ada@shop.example --password-stdin").command,
            Command::AdminResetPassword { email: email() }
        );
        assert_eq!(cli("primetrade help settings").command, Command::HelpSettings { section: None });
        assert_eq!(
            cli("primetrade help settings http").command,
            Command::HelpSettings { section: Some("http".into()) }
        );
        for line in ["primetrade serve --port 9000", "primetrade doctor --port 9000"] {
            let settings = cli(line).settings;
            let given: Vec<_> = settings.iter().map(|(setting, value)| (setting.key, value.as_str())).collect();
            assert_eq!(given, [("http.listen", "9000")], "{line}");
        }
        assert_eq!(
            cli("primetrade backup to --without-keys").command,
            Command::Backup { folder: "to".into(), with_keys: false }
        );
        assert_eq!(cli("primetrade backup verify to").command, Command::BackupVerify { folder: "to".into() });
        assert_eq!(
            cli("primetrade restore from --into data").command,
            Command::Restore { folder: "from".into(), into: Some("data".into()) }
        );
        assert_eq!(cli("primetrade openapi").command, Command::OpenApi(Version::V2));
        assert_eq!(cli("primetrade openapi v1").command, Command::OpenApi(Version::V1));
        assert_eq!(cli("primetrade doctor").command, Command::Doctor { roles: Roles::ALL, json: false });
        assert_eq!(
            cli("primetrade doctor --role users --format json").command,
            Command::Doctor { roles: "users".parse().unwrap(), json: true }
        );
        assert_eq!(cli("primetrade config check").command, Command::ConfigCheck);
        assert_eq!(cli("primetrade config print").command, Command::ConfigPrint);
    }

    #[test]
    fn every_setting_is_a_flag_before_and_after_every_command() {
        config::declare(&roles::declared());
        for setting in settings() {
            for line in ["primetrade --FLAG=v migrate", "primetrade config --FLAG v print", "primetrade serve --FLAG v"]
            {
                let cli = cli(&line.replace("FLAG", &setting.flag()));
                let [(given, value)] = cli.settings.as_slice() else { panic!("{line}: {:?}", cli.settings) };
                assert_eq!((given.key, value.as_str()), (setting.key, "v"), "{line}");
            }
        }
        assert_eq!(cli("primetrade serve --config a.toml").config_file, Some("a.toml".into()));
        assert_eq!(cli("primetrade --config a.toml serve").config_file, Some("a.toml".into()));
        assert_eq!(cli("primetrade serve").config_file, None);
    }

    #[test]
    fn misuse_exits_with_2() {
        for line in [
            "primetrade",
            "primetrade sever",
            "primetrade admin",
            "primetrade serve --htp-listen 127.0.0.1:1",
            "primetrade serve --http-listen",
            "primetrade serve --log-level info --log-level warn",
            "primetrade jobs list --state done",
            "primetrade jobs replay",
            "primetrade jobs discard",
            "primetrade admin reset-password ada@shop.example",
            "primetrade serve --port eighty",
            "primetrade serve --port 80 --http-listen 127.0.0.1:80",
            "primetrade jobs replay --queue mails",
            "primetrade jobs replay seven",
            "primetrade jobs replay --parked 00000000-0000-0000-0000-000000000000",
            "primetrade admin create --username ada --email ada@shop.example",
            "primetrade admin create --username ada --email ada@shop.example --password-stdin=secret",
            "primetrade import csv --owner ada@shop.example",
            "primetrade serve --role everything",
            "primetrade backup",
            "primetrade backup verify",
            "primetrade restore",
            "primetrade doctor --role everything",
            "primetrade import csv a.csv --owner ada@shop.example --currency euro",
        ] {
            assert_eq!(refused(line).0, 2, "{line}");
        }
        assert_eq!(refused("primetrade --help").0, 0);
        let (code, version) = refused("primetrade --version");
        assert!(code == 0 && version.starts_with(concat!("primetrade ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
    }

    #[test]
    fn unknown_flags_are_refused_with_the_nearest() {
        for (flag, near) in [
            ("--htp-listen", "--http-listen"),
            ("--http-lisen=x", "--http-listen"),
            ("--databse-url", "--database-url"),
            ("--redis-url", "url"),
            ("--zzz", "primetrade help settings"),
            ("--host=0.0.0.0", "--http-listen"),
            ("--db", "--database-url"),
            ("--verbose", "--log-level"),
            ("--cors", "--http-cors-origins"),
            ("--dmo", "--demo"),
        ] {
            let (_, text) = refused(&format!("primetrade serve {flag}"));
            assert!(text.contains(near) && text.contains("unexpected argument"), "{text}");
        }
    }

    #[test]
    fn refused_arguments_do_not_repeat_passwords() {
        for line in [
            "primetrade serve --databse-url postgres://bob:hunter2@db/shop",
            "primetrade serve --databse-url=postgres://bob:hunter2@db/shop",
            "primetrade serve postgres://bob:hunter2@db/shop",
            "primetrade postgres://bob:hunter2@db/shop",
            "primetrade serve --database-url postgres://bob:hunter2@db --database-url postgres://bob:hunter2@db",
            "primetrade import csv a.csv postgres://bob:hunter2@db --owner a@b",
            "primetrade serve --demo=postgres://bob:hunter2@db",
            "primetrade admin create --username ada --email a@b --password-stdin hunter2",
            "primetrade admin create --username ada --email a@b --password-stdin=hunter2",
            "primetrade admin create --username ada --email a@b --password hunter2",
            "primetrade admin create --username ada --email a@b --password=hunter2",
        ] {
            let (_, text) = refused(line);
            assert!(!text.contains("hunter2"), "{line}: {text}");
        }
    }

    #[test]
    fn the_help_of_a_command_shows_its_own_flags() {
        config::declare(&roles::declared());
        for help in ["primetrade serve -h", "primetrade serve --help", "primetrade help serve"] {
            let (_, shown) = refused(help);
            for setting in settings() {
                assert!(!shown.contains(&format!("--{} ", setting.flag())), "{help}: {shown}");
            }
            assert!(shown.contains("--demo") && shown.contains("primetrade help settings"), "{shown}");
        }
    }

    #[test]
    fn commands_are_hinted_at_by_what_is_meant() {
        for (word, meant) in
            [("start", "primetrade serve"), ("createsuperuser", "primetrade admin create"), ("sever", "serve")]
        {
            let (_, text) = refused(&format!("primetrade {word}"));
            assert!(text.contains(meant), "{text}");
        }
    }
}
