//! What users makes of the log of accounts says what that log says, whoever was killed, and whatever was lost or put back.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testkit::{Client, Deployment, Server, Topology, eventually, on_both, on_each};

use crate::people::{PASSWORD, register, unique};

on_each!(accounts_are_counted_once_whoever_is_killed);

mod stores {
    use super::*;

    on_both!(a_database_that_is_lost_is_made_anew, a_log_that_was_put_back_is_read_anew, a_log_of_before_is_read);
}

const WRITERS: usize = 6;
const KILLS: usize = 4;
/// Registrations between two kills.
const STEP: usize = 25;
const MICROS_OF_DAY: &str = "86400000000";

/// The days of the log, and the accounts of each.
fn of_log(deployment: &Deployment) -> Vec<Vec<String>> {
    let days = format!(
        "select time / {MICROS_OF_DAY} as day, count(*) from events where type = 'account.registered' \
         group by 1 order by 1"
    );
    deployment.sql("auth", &days)
}

#[track_caller]
fn agree(deployment: &Deployment) {
    let projected = || deployment.sql("users", "select day, accounts from accounts_per_day order by day");
    if !deployment.topology().is_sqlite() {
        let waiting = || deployment.sql("auth", "select id from events_inbox").is_empty().then_some(());
        eventually("every event has its position", waiting);
    }
    eventually("every account is counted", || {
        let (log, projected) = (of_log(deployment), projected());
        assert!(total(&projected) <= total(&log), "{projected:?} of {log:?}");
        (log == projected).then_some(())
    });
}

fn total(days: &[Vec<String>]) -> u64 {
    days.iter().map(|day| day[1].parse::<u64>().expect("a number")).sum()
}

fn accounts_are_counted_once_whoever_is_killed(topology: Topology) {
    let mut server = Server::start(topology);
    register(&server);
    let registered = AtomicUsize::new(0);
    for kill in 0..KILLS {
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                let (client, registered) = (server.client(), &registered);
                scope.spawn(move || {
                    while registered.load(Ordering::Relaxed) < (kill + 1) * STEP && try_register(&client) {
                        registered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            eventually("some are registered", || {
                (registered.load(Ordering::Relaxed) >= kill * STEP + STEP / 2).then_some(())
            });
            match topology {
                Topology::Split => server.kill9_member(&format!("users-{}", kill % 2 + 1)),
                _ => server.kill9(),
            }
        });
        // What was under way when everything died.
        registered.fetch_max((kill + 1) * STEP, Ordering::Relaxed);
        match topology {
            Topology::Split => server.restart_member(&format!("users-{}", kill % 2 + 1)),
            _ => server.restart(),
        }
    }
    register(&server);
    agree(&server);
}

/// Whether it was answered.
fn try_register(client: &Client) -> bool {
    let username = unique("counted");
    let body = json!({ "username": username, "email": format!("{username}@example.com"), "password": PASSWORD });
    let headers = [("Content-Type", "application/json")];
    let answer = client.try_send("POST", "/api/v1/auth/register", &headers, Some(body.to_string().as_bytes()));
    answer.is_ok_and(|answer| answer.status == 201)
}

/// A stopped shop with some accounts that are counted.
fn shop(deployment: &Deployment) {
    let mut server = deployment.clone().start();
    (0..3).for_each(|_| drop(register(&server)));
    agree(&server);
    assert!(server.terminate().success());
}

fn a_database_that_is_lost_is_made_anew(topology: Topology) {
    let deployment = Deployment::new(topology);
    shop(&deployment);
    match topology {
        Topology::Sqlite => std::fs::remove_file(deployment.data_folder().join("users.db")).expect("it was there"),
        _ => drop(deployment.sql("users", "drop schema users cascade")),
    }
    deployment.run(&["doctor"]).expect_code(0);
    let server = deployment.start();
    register(&server);
    agree(&server);
}

fn a_log_that_was_put_back_is_read_anew(topology: Topology) {
    let deployment = Deployment::new(topology);
    shop(&deployment);
    match topology {
        // As after a restore of one of them alone.
        Topology::Sqlite => {
            let [file, aside] = ["auth.db", "aside.db"].map(|name| deployment.data_folder().join(name));
            std::fs::copy(&file, &aside).expect("a stopped server's file is whole");
            shop(&deployment);
            std::fs::rename(&aside, &file).expect("our own files");
        }
        _ => {
            let last = "(select max(position) from events where type = 'account.registered')";
            drop(deployment.sql("auth", &format!("delete from events where position >= {last}")));
        }
    }
    let server = deployment.start();
    let begun = || server.log_lines().into_iter().find(|line| line["event"] == "reader.began_anew");
    eventually("it is logged", begun);
    agree(&server);
    register(&server);
    agree(&server);
}

fn a_log_of_before_is_read(topology: Topology) {
    let Some(before) = testkit::previous() else { return };
    let deployment = Deployment::new(topology);
    let mut server = deployment.under(&before).start();
    (0..3).for_each(|_| drop(register(&server)));
    assert!(server.terminate().success());
    if topology.is_sqlite() {
        let backup = deployment.folder().join("backup").display().to_string();
        deployment.run(&["backup", &backup]).expect_code(0);
    }
    let server = deployment.start();
    agree(&server);
    assert_eq!(total(&of_log(&server)), 3);
}
