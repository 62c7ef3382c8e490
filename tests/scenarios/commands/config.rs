//! Configuration: refused when wrong, printed without secrets.

use testkit::{Deployment, Topology};

/// The commands that need no store behave alike everywhere.
fn deployment() -> Deployment {
    Deployment::new(Topology::Sqlite)
}

const SECRET_URL: &str = "postgres://shop:hunter2@db.internal/primetrade";

#[test]
fn a_wrong_value_ends_the_server_with_2_and_names_the_setting() {
    let deployment = deployment();
    for (variable, value, key) in [
        ("PRIMETRADE_HTTP__LISTEN", "nonsense", "http.listen"),
        ("PRIMETRADE_HTTP__BODY_LIMIT", "-1", "http.body_limit"),
        ("PRIMETRADE_DATABASE__URL", "mysql://shop:hunter2@db/shop", "database.url"),
        ("PRIMETRADE_AUTH__V1_TOKEN_LIFETIME", "soon", "auth.v1_token_lifetime"),
        ("PRIMETRADE_LOG__FORMAT", "xml", "log.format"),
        ("PRIMETRADE_LIMITS__ENABLED", "perhaps", "limits.enabled"),
        ("PRIMETRADE_PRODUCTS__CURRENCY", "dollars", "products.currency"),
    ] {
        let outcome = deployment.run_with(&["serve"], &[(variable, value)], "").expect_code(2);
        let said = outcome.stderr.to_lowercase().replace("__", ".");
        assert!(said.contains(key), "{key}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
    }
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    let deployment = deployment();
    for (unknown, nearest) in [
        ("PRIMETRADE_HTTP__LISTN", "PRIMETRADE_HTTP__LISTEN"),
        ("PRIMETRADE_DATABASE__URI", "PRIMETRADE_DATABASE__URL"),
        ("PRIMETRADE_LISTEN", "LISTEN"),
    ] {
        let outcome = deployment.run_with(&["serve"], &[(unknown, "x")], "").expect_code(2);
        assert!(outcome.stderr.contains(unknown), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(nearest), "{}", outcome.stderr);
    }
    let outcome = deployment.run(&["serve", "--http-lisen", "x"]).expect_code(2);
    assert!(outcome.stderr.contains("--http-listen"), "{}", outcome.stderr);

    let file = deployment.folder().join("primetrade.toml");
    std::fs::write(&file, "[http]\nlistn = \"127.0.0.1:0\"\n").expect("a settings file");
    let outcome = deployment.run(&["serve"]).expect_code(2);
    assert!(outcome.stderr.contains("http.listn") && outcome.stderr.contains("http.listen"), "{}", outcome.stderr);
    std::fs::write(&file, "not = [toml").expect("a settings file");
    let outcome = deployment.run(&["serve"]).expect_code(2);
    assert!(outcome.stderr.contains("primetrade.toml"), "{}", outcome.stderr);
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let deployment = deployment();
    let file = deployment.folder().join("primetrade.toml");
    std::fs::write(file, "[http]\nbody_limit = \"2 MiB\"\ndrain_delay = \"3 s\"\n").expect("a settings file");
    let printed =
        |args: &[&str], variables: &[(&str, &str)]| deployment.run_with(args, variables, "").expect_code(0).stdout;
    let line = |printed: &str, name: &str| {
        let found = printed.lines().find(|line| line.starts_with(&format!("{name} =")));
        found.expect("each setting is printed").to_owned()
    };
    let from_file = printed(&["config", "print"], &[]);
    assert!(line(&from_file, "body_limit").contains("2 MiB"), "{from_file}");
    let variable = ("PRIMETRADE_HTTP__BODY_LIMIT", "3 MiB");
    let from_variable = printed(&["config", "print"], &[variable]);
    assert!(line(&from_variable, "body_limit").contains("3 MiB"), "{from_variable}");
    assert!(line(&from_variable, "drain_delay").contains("3 s"), "{from_variable}");
    let from_flag = printed(&["config", "print", "--http-body-limit", "4 MiB"], &[variable]);
    assert!(line(&from_flag, "body_limit").contains("4 MiB"), "{from_flag}");
}

#[test]
fn secrets_are_not_printed() {
    let deployment = deployment();
    for name in ["PRIMETRADE_DATABASE__URL", "PRIMETRADE_AUTH__DATABASE__URL", "PRIMETRADE_PRODUCTS__DATABASE__URL"] {
        for command in [["config", "print"], ["config", "check"]] {
            let outcome = deployment.run_with(&command, &[(name, SECRET_URL)], "").expect_code(0);
            assert!(!outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
            assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_a_failure_without_its_password() {
    let deployment = deployment();
    // Port 1 has no server.
    let url = "postgres://shop:hunter2@127.0.0.1:1/shop";
    let outcome = deployment.run_with(&["migrate"], &[("PRIMETRADE_DATABASE__URL", url)], "").expect_code(1);
    assert!(!outcome.stderr.is_empty());
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}

#[test]
fn misuse_of_a_command_exits_with_2() {
    let deployment = deployment();
    for args in [&["sever"][..], &[], &["import", "csv"], &["serve", "--unknown"], &["config"]] {
        deployment.run(args).expect_code(2);
    }
    let help = deployment.run(&["--help"]).expect_code(0).stdout;
    assert!(help.contains("primetrade"), "{help}");
}

/// Number, revision and day: what somebody is asked for who reports something.
#[test]
fn the_version_says_what_was_built() {
    let version = deployment().run(&["--version"]).expect_code(0).stdout;
    let built = version.trim().strip_prefix("primetrade ").and_then(|rest| rest.strip_suffix(')')).expect("one line");
    let (number, built) = built.split_once(" (").expect("a number and its origin");
    let (revision, day) = built.split_once(", ").expect("a revision and its day");
    assert_eq!(number.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{number}");
    assert!(revision.len() == 12 || revision == "unknown", "{revision}");
    assert!(day.len() == "2026-12-01".len() || day == "unknown date", "{day}");
}
