use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;

/// That of the binary.
pub fn table() -> Vec<Setting> {
    settings::with_services(&crate::roles::declared())
}

/// Sources in an empty folder, to be filled by a test.
struct Scene {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { directory: folder.path().to_owned(), ..Sources::default() };
        Self { folder, sources }
    }

    fn file(self, toml: &str) -> Self {
        std::fs::write(self.folder.path().join("primetrade.toml"), toml).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push((settings::find(key).unwrap(), value.into()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.sources)
    }

    fn config(&self) -> Config {
        self.load().unwrap().config
    }

    /// The lines of the errors.
    fn errors(&self) -> Vec<String> {
        self.load().expect_err("errors").to_string().lines().map(str::to_owned).collect()
    }

    fn error(&self) -> String {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        errors[0].clone()
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn every_default_is_valid_and_nothing_else_is_needed() {
    for setting in settings() {
        assert_eq!((setting.apply)(&mut Config::unset(), setting.default), Ok(()), "{}", setting.key);
    }
    let config = Scene::new().config();
    assert_eq!(config, Config::default());
    assert_eq!(config.http.listen, address("127.0.0.1:8080"));
    assert_eq!(config.http.body_limit, 1_048_576);
    assert_eq!(config.auth.v1_token_lifetime, Duration::from_secs(604_800));
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("./primetrade-data".into()));
    assert!(config.limits.enabled && config.http.cors_origins.is_empty());
}

#[test]
fn names_are_unique_and_sections_stand_together() {
    let distinct =
        |names: Vec<String>| names.iter().collect::<std::collections::HashSet<_>>().len() == settings().len();
    assert!(distinct(settings().iter().map(|s| s.key.to_owned()).collect()));
    assert!(distinct(settings().iter().map(Setting::variable).collect()));
    assert!(distinct(settings().iter().map(Setting::flag).collect()));
    let mut sections: Vec<_> = settings().iter().map(|s| s.section_and_name().0).collect();
    sections.dedup();
    let runs = sections.len();
    sections.sort_unstable();
    sections.dedup();
    assert_eq!(runs, sections.len(), "a section that is opened twice is not valid TOML");
}

#[test]
fn a_later_source_replaces_an_earlier_one() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\nmax_connections = 1\nbody_limit = 2048\n";
    let scene = Scene::new()
        .file(file)
        .variable("PRIMETRADE_HTTP__LISTEN", "127.0.0.1:2")
        .variable("PRIMETRADE_HTTP__MAX_CONNECTIONS", "2")
        .flag("http.listen", "127.0.0.1:3");
    let config = scene.config();
    assert_eq!(config.http.listen, address("127.0.0.1:3"), "flag over environment");
    assert_eq!(config.http.max_connections, 2, "environment over file");
    assert_eq!(config.http.body_limit, 2048, "file over default");
    assert_eq!(config.http.request_timeout, Duration::from_secs(30), "default");
}

#[test]
fn a_named_file_is_read_instead_and_must_exist() {
    let mut scene = Scene::new().file("limits.enabled = false");
    let other = scene.folder.path().join("other.toml");
    scene.sources.file = Some(other.clone());
    let error = scene.error();
    assert!(error.starts_with("cannot read the file ") && error.contains("other.toml"), "{error}");

    std::fs::write(&other, "log.level = \"debug\"").unwrap();
    let config = scene.config();
    assert_eq!(config.log.level, tracing::Level::DEBUG);
    assert!(config.limits.enabled, "the file of the working directory is not read too");
}

#[test]
fn files_take_toml_types() {
    let file = "
        limits.enabled = false
        [http]
        cors_origins = [\"https://a.example\", \"https://b.example\"]
        body_limit = 0x1_000
        [auth.database]
        url = 'sqlite:/srv/auth'
    ";
    let config = Scene::new().file(file).config();
    assert!(!config.limits.enabled);
    assert_eq!(config.http.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.http.body_limit, 4096);
    assert_eq!(config.database_of("auth"), &DatabaseUrl::Sqlite("/srv/auth".into()));
    assert_eq!(config.database_of("products"), &config.database.url);
}

#[test]
fn unknown_names_in_the_file_are_refused_with_the_nearest() {
    for (file, line, unknown, near) in [
        ("[http]\n\nlisten_ = \"x\"", 3, "http.listen_", "http.listen"),
        ("[htp]\nlisten = \"x\"", 2, "htp.listen", "http.listen"),
        ("currency = \"EUR\"", 1, "currency", "products.currency"),
        ("[auth]\ndatabase_url = \"x\"", 2, "auth.database_url", "auth.database.url"),
        ("\"log.level\" = \"info\"", 1, "\"log.level\"", "log.level"),
        ("[limit]", 1, "limit", "limits.enabled"),
        ("[redis]\nurl = \"redis://x\"", 2, "redis.url", "database.url"),
    ] {
        let error = Scene::new().file(file).error();
        assert!(error.starts_with(&format!("unknown setting {unknown} (file ")), "{error}");
        assert!(error.contains(&format!("primetrade.toml line {line})")), "{error}");
        assert!(error.ends_with(&format!("the nearest known name is {near}")), "{error}");
    }
}

#[test]
fn unknown_variables_are_refused_with_the_nearest() {
    for (name, near) in [
        ("PRIMETRADE_HTTP__LISTN", "PRIMETRADE_HTTP__LISTEN"),
        ("PRIMETRADE_HTTP_LISTEN", "PRIMETRADE_HTTP__LISTEN"),
        ("PRIMETRADE_http__listen", "PRIMETRADE_HTTP__LISTEN"),
        ("PRIMETRADE_DATABASE_URL", "PRIMETRADE_DATABASE__URL"),
    ] {
        let error = Scene::new().variable(name, "127.0.0.1:1").error();
        assert_eq!(error, format!("unknown setting {name} (environment); the nearest known name is {near}"));
    }
    let scene = Scene::new().variable("PATH", "/bin").variable("MY_PRIMETRADE_HTTP__LISTEN", "x");
    assert_eq!(scene.config(), Config::default(), "other variables are not ours");
}

#[test]
fn bad_values_are_named_with_their_source_all_at_once() {
    let scene = Scene::new()
        .file("[http]\nrequest_timeout = 30\nlisten = \"nowhere\"\ndrain_delay = 1979-05-27")
        .variable("PRIMETRADE_PRODUCTS__CURRENCY", "usd")
        .variable("PRIMETRADE_HTP__LISTEN", "x")
        .flag("http.listen", "127.0.0.1:1")
        .flag("database.pool_size", "0");
    let errors = scene.errors().join("\n");
    let path = scene.folder.path().join("primetrade.toml").display().to_string();
    for expected in [
        format!(
            "http.request_timeout: expected a time with its unit (ms, s, min, h, d) \
             from 100 ms to 1 h, such as 30 s; add a unit to the number, \
             found \"30\" (file {path} line 2)"
        ),
        format!(
            "http.listen: expected an IP address and a port, such as 127.0.0.1:8080, localhost:8080, 0.0.0.0:8080 (all networks) or [::1]:8080, or a port, \
             found \"nowhere\" (file {path} line 3)"
        ),
        format!(
            "http.drain_delay: expected a string, number, boolean or array of strings, \
             found datetime (file {path} line 4)"
        ),
        "products.currency: expected an ISO 4217 currency code in capitals, such as USD, \
             found \"usd\" (environment PRIMETRADE_PRODUCTS__CURRENCY)"
            .into(),
        "database.pool_size: expected a whole number from 1 to 100, found \"0\" (flag --database-pool-size)".into(),
        "unknown setting PRIMETRADE_HTP__LISTEN (environment); the nearest known name is PRIMETRADE_HTTP__LISTEN"
            .into(),
    ] {
        assert!(errors.lines().any(|line| line == expected), "no {expected}\nin {errors}");
    }
    assert_eq!(errors.lines().count(), 6, "{errors}");
}

#[test]
fn sections_and_settings_are_not_confused() {
    let error = Scene::new().file("http = 3").error();
    assert!(error.starts_with("http: expected a section, found integer (file "), "{error}");
    let error = Scene::new().file("[http.listen]").error();
    assert!(
        error.starts_with("http.listen: expected a string, number, boolean or array of strings, found table"),
        "{error}"
    );
    assert_eq!(Scene::new().file("[http]\n[auth]").config(), Config::default());
}

#[test]
fn errors_keep_to_their_line_and_to_a_sane_length() {
    let long = "x".repeat(10_000);
    let error = Scene::new().variable("PRIMETRADE_LOG__LEVEL", &format!("a\nb{long}")).error();
    assert!(error.contains("found \"a\\nbxxx") && error.len() < 300, "{error}");
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let mut scene = Scene::new();
    let value = OsString::from_vec(vec![0xff, b'x']);
    scene.sources.environment.push(("PRIMETRADE_AUTH__KEY_FILE".into(), value));
    assert_eq!(scene.error(), "auth.key_file: expected UTF-8 text (environment PRIMETRADE_AUTH__KEY_FILE)");
}

#[test]
fn listeners_that_collide_are_refused() {
    for (public, admin) in [("127.0.0.1:9090", "127.0.0.1:9090"), ("0.0.0.0:9090", "127.0.0.1:9090")] {
        let error = Scene::new().flag("http.listen", public).flag("admin.listen", admin).error();
        assert!(error.starts_with("admin.listen: ") && error.ends_with("(flag --admin-listen)"), "{error}");
    }
    Scene::new().flag("http.listen", "127.0.0.1:0").flag("admin.listen", "127.0.0.1:0").config();
    Scene::new().flag("http.listen", "127.0.0.2:9090").config();
}

#[test]
fn migrations_have_an_account_of_their_own_only_on_postgresql() {
    let account = "postgres://owner:hunter2@db/shop";
    let error = Scene::new().flag("database.migrate_url", account).error();
    assert!(error.starts_with("database.migrate_url: expected to be empty") && !error.contains("hunter2"), "{error}");
    let config = Scene::new().flag("database.migrate_url", account).flag("database.url", "postgres://db/shop").config();
    assert_eq!(config.database.migrate_url, Some(DatabaseUrl::Postgres(account.into())));
}

#[test]
fn the_key_file_lies_beside_the_accounts() {
    let file = |scene: Scene| scene.config().key_file().display().to_string();
    assert_eq!(file(Scene::new()), "./primetrade-data/keys.json");
    assert_eq!(file(Scene::new().flag("database.url", "sqlite:/srv/shop")), "/srv/shop/keys.json");
    assert_eq!(file(Scene::new().flag("auth.database.url", "sqlite:/srv/auth")), "/srv/auth/keys.json");
    assert_eq!(file(Scene::new().flag("database.url", "postgres://db/shop")), "./primetrade-keys.json");
    assert_eq!(file(Scene::new().flag("auth.key_file", "/etc/keys.json")), "/etc/keys.json");
}

#[test]
fn the_log_format_follows_the_terminal_unless_told() {
    let format = |text| Scene::new().flag("log.format", text).config().log.format;
    assert!(format("auto").is_pretty(true) && !format("auto").is_pretty(false));
    assert!(!format("json").is_pretty(true) && format("pretty").is_pretty(false));
}

#[test]
fn printing_shows_values_with_their_sources() {
    let scene = Scene::new()
        .file("[http]\nbody_limit = \"2 MiB\"")
        .variable("PRIMETRADE_LOG__LEVEL", "warn")
        .flag("http.listen", "127.0.0.1:3");
    let printed = scene.load().unwrap().to_toml();
    let path = scene.folder.path().join("primetrade.toml").display().to_string();
    for line in [
        format!("body_limit = \"2 MiB\" # file {path} line 2"),
        "level = \"warn\" # environment PRIMETRADE_LOG__LEVEL".into(),
        "listen = \"127.0.0.1:3\" # flag --http-listen".into(),
        "max_connections = 16384 # default".into(),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no {line}\nin {printed}");
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_configuration() {
    let scene = Scene::new()
        .file("[auth]\nkey_file = 'odd \"name\" \\ # ü.json'\nv1_token_lifetime = '90m'")
        .variable("PRIMETRADE_HTTP__CORS_ORIGINS", "https://a.example,https://b.example:8443")
        .variable("PRIMETRADE_LIMITS__ENABLED", "false")
        .flag("database.url", "sqlite:/srv/p@th:with@signs")
        .flag("products.currency", "EUR");
    let first = scene.load().unwrap();
    assert_ne!(first.config, Config::default());
    let second = Scene::new().file(&first.to_toml()).load().unwrap();
    assert_eq!(second.config, first.config);
}

#[test]
fn secrets_are_never_printed() {
    let secret = "postgres://bob:hunter2@db.internal/shop";
    let scene = Scene::new()
        .file("[auth.database]\nurl = \"postgres://bob@db.internal/auth?password=hunter2\"")
        .variable("PRIMETRADE_DATABASE__URL", secret)
        .variable("PRIMETRADE_PRODUCTS__DATABASE__URL", secret)
        .flag("database.migrate_url", secret);
    let loaded = scene.load().unwrap();
    let printed = loaded.to_toml();
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(
        printed.contains("url = \"postgres://bob:***@db.internal/shop\" # environment PRIMETRADE_DATABASE__URL"),
        "{printed}"
    );
    assert!(printed.contains("migrate_url = \"***\" # flag --database-migrate-url"), "{printed}");
    assert!(printed.parse::<toml::Table>().is_ok(), "{printed}");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn errors_never_hold_secrets() {
    let broken = "postgers://bob:hunter2@db/shop";
    for setting in settings() {
        let scene = Scene::new().variable(&setting.variable(), broken);
        if let Err(errors) = scene.load() {
            let text = errors.to_string();
            assert!(text.starts_with(setting.key) && !text.contains("hunter2"), "{text}");
            assert!(!format!("{errors:?}").contains("hunter2"));
            assert_eq!(setting.secret, !text.contains("found"), "{text}");
        }
    }
    for file in [
        "[database]\nurl = postgres://bob:hunter2@db/shop",
        "[database]\nurl = \"postgres://bob:hunter2@db/shop",
        "[database]\nurl = \"postgres://bob:hun\\qter2@db\" hunter2",
        "postgres://bob:hunter2@db/shop",
        "[database]\nurl = \"x\"\nurl = \"hunter2\"",
        "[database]\nurl = { password = \"hunter2\" }",
        "[database]\nurls = \"postgres://bob:hunter2@db/shop\"",
    ] {
        let errors = Scene::new().file(file).errors().join("\n");
        assert!(!errors.contains("hunter2") && errors.contains("primetrade.toml line "), "{errors}");
    }
}

#[test]
fn broken_files_do_not_hide_other_errors() {
    let errors = Scene::new().file("[http\nlisten = 1").flag("log.level", "loud").errors();
    assert!(errors.iter().any(|line| line.starts_with("not valid TOML: ")), "{errors:?}");
    assert!(errors.iter().any(|line| line.starts_with("log.level: expected error, warn, info or debug")), "{errors:?}");
}
