//! The commands and their flags, as clap reads them.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command as Clap, value_parser};
use effects::jobs::State;
use kernel::{Currency, Uuid};
use node::config::{Setting, settings};
use node::roles::Roles;
use stock::model::{ImportedStock, MAX_STOCK};

/// The flag for the port of `http.listen`.
pub const PORT: &str = "port";

const SETTINGS_HELP: &str = "Settings: primetrade help settings";

pub fn root() -> Clap {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("Settings file to read [default: primetrade.toml, if it exists]")
        .value_parser(value_parser!(PathBuf))
        .global(true);
    group("primetrade", "A marketplace backend that needs no other server.")
        // Of the commit that it was built of.
        .version(concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_REVISION"), ", ", env!("BUILD_DATE"), ")"))
        .after_help(SETTINGS_HELP)
        .arg(config)
        .args(setting_flags())
        .subcommand(serve())
        .subcommand(Clap::new("migrate").about("Bring the databases to the current schema"))
        .subcommand(
            group("admin", "Manage administrators")
                .subcommand(admin_create())
                .subcommand(Clap::new("grant").about("Make an account an administrator").arg(account()))
                .subcommand(
                    Clap::new("revoke").about("Make an administrator a user again; never the last one").arg(account()),
                )
                .subcommand(Clap::new("list").about("Print the administrators"))
                .subcommand(admin_reset_password()),
        )
        .subcommand(group("keys", "Manage the keys that sign").subcommand(keys_rotate()))
        .subcommand(group("import", "Bring products in").subcommand(import_csv()))
        .subcommand(group("products", "Look after products").subcommand(unique_sku()))
        .subcommand(group("stock", "Look after stock").subcommand(stock_verify()))
        .subcommand(
            group("jobs", "Look after work that is done later, such as mails")
                .subcommand(jobs_list())
                .subcommand(jobs_replay())
                .subcommand(jobs_discard()),
        )
        .subcommand(backup())
        .subcommand(restore())
        .subcommand(group("clock", "Look after the clock that things expire by").subcommand(
            Clap::new("confirm").about("Take the clock for right that leapt: what is over by it is deleted again"),
        ))
        .subcommand(openapi())
        .subcommand(doctor())
        .subcommand(
            group("config", "Look at the settings")
                .subcommand(Clap::new("check").about("Check the settings; exits with 2 when one is wrong"))
                .subcommand(Clap::new("print").about("Print the settings in force as TOML, without secrets")),
        )
}

/// A command that only holds others.
fn group(name: &'static str, about: &'static str) -> Clap {
    Clap::new(name).about(about).subcommand_required(true).arg_required_else_help(true)
}

fn serve() -> Clap {
    Clap::new("serve")
        .about("Serve the API until told to stop")
        .arg(role())
        .arg(port())
        .after_help(SETTINGS_HELP)
        .arg(switch("demo", "Fill an example shop first and print how to log in; safe to repeat"))
        .arg(switch(
            "allow-demo-accounts",
            "Serve a store of the demo's, although everybody knows its administrator's password",
        ))
        .arg(switch("no-migrate", "Leave the database schema as it is"))
}

fn port() -> Arg {
    option(PORT, "PORT", "Port to serve on, for this machine only; other addresses by the setting http.listen")
        .value_parser(value_parser!(u16))
        .conflicts_with("http.listen")
}

fn role() -> Arg {
    option("role", "ROLES", format!("all, or some of {}, joined by commas", Roles::ALL))
        .default_value("all")
        .value_parser(|roles: &str| roles.parse::<Roles>())
}

/// How results are printed.
fn format() -> Arg {
    option("format", "FORMAT", "text, or json: one object a line").value_parser(["text", "json"]).default_value("text")
}

fn doctor() -> Clap {
    Clap::new("doctor")
        .about("Tell what a server with these settings finds, what is wrong, and what to do; changes nothing")
        .arg(role())
        .arg(port())
        .arg(format())
}

fn admin_create() -> Clap {
    Clap::new("create")
        .about("Create an administrator")
        .arg(option("username", "U", "Name to show").required(true))
        .arg(option("email", "E", "Address to log in with").required(true))
        .arg(password_stdin())
}

fn account() -> Arg {
    Arg::new("email").value_name("EMAIL").help("Address of the account").required(true)
}

fn admin_reset_password() -> Clap {
    Clap::new("reset-password")
        .about("Give an account, administrator or not, another password, and end its sessions")
        .arg(account())
        .arg(password_stdin())
}

/// It is required, so that a password is never expected as an argument, where other users could see it.
fn password_stdin() -> Arg {
    switch("password-stdin", "Read the password from the first line of stdin; on a terminal it is asked for, unseen")
        .required(true)
}

fn keys_rotate() -> Clap {
    Clap::new("rotate")
        .about("Sign tokens with a new key; older ones verify until their tokens are over")
        .arg(switch("internal", "The key of calls between processes instead, in internal.key_file"))
}

fn import_csv() -> Clap {
    Clap::new("csv")
        .about("Import products from a CSV file in Shopify's format")
        .arg(required_path("file", "FILE", "File to read"))
        .arg(option("owner", "EMAIL", "Address of the account that will own the products").required(true))
        .arg(switch("dry-run", "Check and report everything, write nothing"))
        .arg(
            option("currency", "C", "Currency of the file's prices [default: products.currency]")
                .value_parser(currency),
        )
        .arg(
            option(
                "stock",
                "HOW",
                "What quantities mean for stock that is there: changes adds what changed since the last file, \
                keep leaves it, set makes it what the file says",
            )
            .default_value("changes")
            .value_parser(imported_stock),
        )
        .arg(
            option(
                "quantity",
                "N",
                "Units of new variants for which the file has no quantity; without it they are not counted",
            )
            .value_parser(value_parser!(i64).range(0..=MAX_STOCK)),
        )
        .arg(
            option("report", "FILE", "Write the refused products into this new file, to mend and import again")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(switch("all", "Print every refusal and note, not only the first ones"))
}

fn imported_stock(word: &str) -> Result<ImportedStock, &'static str> {
    match word {
        "changes" => Ok(ImportedStock::Changes),
        "keep" => Ok(ImportedStock::Keep),
        "set" => Ok(ImportedStock::Set),
        _ => Err("expected changes, keep or set"),
    }
}

fn unique_sku() -> Clap {
    let switch = Arg::new("switch").help("Whether each seller has a SKU once at most").value_parser(["on", "off"]);
    Clap::new("unique-sku")
        .about("Tell whether a seller may have a SKU more than once, and which do; or say so")
        .arg(switch)
}

fn stock_verify() -> Clap {
    Clap::new("verify").about(
        "Check the stock of every variant against its ledger and reservations, and name what differs; changes nothing",
    )
}

fn backup() -> Clap {
    Clap::new("backup")
        .about("Copy a store on SQLite, as of one moment, while a server works on it")
        .arg(required_path("folder", "DIR", "Folder to make"))
        .arg(switch("without-keys", "Leave the keys of tokens out"))
        .subcommand(Clap::new("verify").about("Check that a backup is whole").arg(required_path(
            "folder",
            "DIR",
            "Folder of the backup",
        )))
        .subcommand_negates_reqs(true)
}

fn restore() -> Clap {
    let into = option("into", "FOLDER", "Folder to make [default: that of database.url]");
    Clap::new("restore")
        .about("Make a data folder of a backup; never overwrites one")
        .arg(required_path("folder", "DIR", "Folder of the backup"))
        .arg(into.value_parser(value_parser!(PathBuf)))
}

fn jobs_list() -> Clap {
    let state = |text: &str| {
        let known = State::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| format!("expected one of {}", State::ALL.map(State::as_str).join(", ")))
    };
    Clap::new("list")
        .about("Print the jobs that are not done, newest first")
        .arg(option("queue", "QUEUE", "Only those of this queue"))
        .arg(option("state", "STATE", "Only those that are waiting, running, or parked").value_parser(state))
        .arg(format())
}

fn jobs_replay() -> Clap {
    parked(
        Clap::new("replay")
            .about("Have parked jobs tried again, as if they were new")
            .override_usage("primetrade jobs replay <ID>...\n       primetrade jobs replay --parked [--queue <QUEUE>]"),
    )
}

fn jobs_discard() -> Clap {
    parked(
        Clap::new("discard").about("Delete parked jobs, which are never done then").override_usage(
            "primetrade jobs discard <ID>...\n       primetrade jobs discard --parked [--queue <QUEUE>]",
        ),
    )
}

/// A command on parked jobs.
fn parked(command: Clap) -> Clap {
    let ids = Arg::new("id").value_name("ID").help("Parked jobs").num_args(1..).value_parser(|text: &str| {
        Uuid::try_parse(text).map_err(|_| "expected the id of a job, as jobs list prints it")
    });
    command
        .arg(ids)
        .arg(switch("parked", "All that are parked").required_unless_present("id").conflicts_with("id"))
        .arg(option("queue", "QUEUE", "Only those of this queue").requires("parked"))
}

fn openapi() -> Clap {
    let version = Arg::new("version").help("Version of the API").value_parser(["v1", "v2"]).default_value("v2");
    Clap::new("openapi").about("Print the OpenAPI document of an API version").arg(version)
}

fn currency(code: &str) -> Result<Currency, &'static str> {
    Currency::parse(code).ok_or("expected an ISO 4217 currency code in capitals, such as USD")
}

fn required_path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).help(help).required(true).value_parser(value_parser!(PathBuf))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn option(name: &'static str, value: &'static str, help: impl Into<StyledStr>) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// One flag for each setting, allowed before and after every command.
fn setting_flags() -> impl Iterator<Item = Arg> {
    /// clap keeps names that live as long as the program.
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| settings().iter().map(Setting::flag).collect());
    settings().iter().zip(NAMES.iter()).map(|(setting, name)| {
        let default = if setting.default.is_empty() { "empty" } else { setting.default };
        Arg::new(setting.key)
            .long(name.as_str())
            .value_name("VALUE")
            .help(format!("{} [default: {default}]", setting.doc))
            // They have a page of their own.
            .hide(true)
            .global(true)
    })
}
