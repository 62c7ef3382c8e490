//! To PostgreSQL.

use testkit::postgres::Cluster;
use testkit::tls::{Authority, Pair, authority};
use testkit::{Deployment, Topology};

use crate::people::register;
use crate::selling::{create, plain, seller};

/// A deployment on a server that takes nobody without TLS.
fn deployment(postgres: &Cluster, pair: &Pair) -> Deployment {
    let deployment = Deployment::on(Topology::Postgres, postgres);
    postgres.speak_tls(pair, authority());
    deployment
}

/// Settings with these parameters in the URL.
fn with(deployment: &Deployment, parameters: &str) -> Deployment {
    deployment.clone().set("DATABASE__URL", &format!("{}?{parameters}", deployment.database_url()))
}

fn verified(authority: &Authority) -> String {
    format!("sslmode=verify-full&sslrootcert={}", authority.file().display())
}

#[test]
fn a_shop_works_on_a_server_that_it_verifies() {
    let postgres = Cluster::start_own();
    let deployment = deployment(&postgres, &authority().sign("127.0.0.1", 30));
    let server = with(&deployment, &verified(authority())).start();
    register(&server);
    create(&seller(&server), &plain("Lamp"));
    let ours = "select distinct s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) \
                where a.application_name like 'primetrade-%'";
    assert_eq!(server.sql("auth", ours), [["t"]], "every connection");
}

#[test]
fn a_server_that_is_not_trusted_is_named_with_the_reason() {
    let postgres = Cluster::start_own();
    let (strangers, ca) = (Authority::new("strangers"), format!("sslrootcert={}", authority().file().display()));
    let good = deployment(&postgres, &authority().sign("127.0.0.1", 30));
    let refused = |parameters: &str, words: &str| {
        for command in ["doctor", "serve"] {
            let outcome = with(&good, parameters).run(&[command]).expect_code(1);
            let told = outcome.stdout + &outcome.stderr;
            assert!(told.contains(words), "{command} {parameters}: {words}\n{told}");
        }
    };
    refused("sslmode=disable", "no encryption");
    refused(&verified(&strangers), "its certificate is of none of the authorities that are trusted here");
    refused("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "cannot read /nowhere/ca.pem");
    postgres.speak_tls(&authority().sign("elsewhere.example", 30), authority());
    refused(&verified(authority()), "its certificate is for elsewhere.example, not for 127.0.0.1");
    with(&good, &format!("sslmode=verify-ca&{ca}")).run(&["migrate"]).expect_code(0);
    postgres.speak_tls(&authority().sign("127.0.0.1", -3), authority());
    refused(&format!("sslmode=verify-ca&{ca}"), "its certificate expired 3 days ago");
    with(&good, "sslmode=require").run(&["migrate"]).expect_code(0);
}

#[test]
fn a_server_may_want_a_certificate() {
    let postgres = Cluster::start_own();
    let deployment = deployment(&postgres, &authority().sign("127.0.0.1", 30));
    deployment.sql("public", "create role certified superuser login");
    let url = deployment.database_url().replace("postgres@", "certified@");
    let migrate = |pair: Option<&Pair>| {
        let own = pair.map(|pair| format!("&sslcert={}&sslkey={}", pair.certificate.display(), pair.key.display()));
        let url = format!("{url}?{}{}", verified(authority()), own.unwrap_or_default());
        deployment.run_with(&["migrate"], &[("PRIMETRADE_DATABASE__URL", &url)], "")
    };
    migrate(Some(&authority().sign("certified", 30))).expect_code(0);
    let refused = migrate(None).expect_code(1).stderr;
    assert!(refused.contains("certificate"), "{refused}");
    let refused = migrate(Some(&authority().sign("somebody", 30))).expect_code(1).stderr;
    assert!(refused.contains("certificate authentication failed"), "{refused}");
}
