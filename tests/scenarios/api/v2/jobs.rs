//! /api/v2/jobs, `primetrade jobs`

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Client, Deployment, Server, Topology, eventually, on_each};

use crate::mails;
use crate::people::{PASSWORD, administrator, unique};
use crate::v1::{NOBODY, text};
use crate::v2::{assert_problem, log_in, walk};

on_each!(
    what_fails_is_parked_told_and_replayed,
    jobs_of_all_services_are_one_list,
    commands_list_and_replay,
    no_kill_loses_a_mail,
    what_no_server_sends_is_not_enqueued,
    a_mail_that_comes_too_late_is_not_sent,
);

/// A job of a service that was parked, on whatever the server keeps it. Returns its id.
pub fn parked(server: &Server, service: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!("019ac000-0000-8000-8000-{number:012x}");
    let stored = match server.topology() {
        Topology::Sqlite => format!("x'{}'", id.replace('-', "")),
        Topology::Postgres | Topology::Split => format!("'{id}'::uuid"),
    };
    let payload = json!({ "event": NOBODY });
    server.sql(
        service,
        &format!(
            "insert into jobs (id, queue, priority, payload, due_at, claims, attempts, error, parked_at, created_at) values \
             ({stored}, 'mails', 1, '{payload}', 0, 12, 12, 'No space left on device', 1764000000000000, 1763990000000000)"
        ),
    );
    id
}

/// A server whose mails cannot be written until the file in their place is gone, and which soon gives up on them.
fn without_mails(topology: Topology) -> (Server, std::path::PathBuf) {
    let deployment = Deployment::new(topology);
    let folder = deployment.folder().join("mails");
    std::fs::write(&folder, "in the way").expect("a file");
    let sink = folder.display().to_string();
    (deployment.set("MAIL__SINK", &sink).set("JOBS__TRIES", "2").set("JOBS__PAUSE", "1 ms").start(), folder)
}

fn sign_up(client: &Client) -> String {
    let name = unique("newcomer");
    let email = format!("{name}@example.com");
    client.post("/api/v2/accounts", &json!({ "username": name, "email": email, "password": PASSWORD })).expect(201);
    email
}

/// The jobs that a query finds, once there are so many.
fn wait_for(admin: &Client, query: &str, count: usize) -> Vec<Value> {
    eventually(&format!("there are {count} jobs for {query}"), || {
        let found = walk(admin, &format!("/api/v2/jobs?{query}&"), 100);
        (found.len() == count).then_some(found)
    })
}

/// The mails in a folder: one file each.
fn count_mails(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    files.into_iter().flatten().filter(|file| file.path().extension().is_some_and(|end| end == "eml")).count()
}

fn what_fails_is_parked_told_and_replayed(topology: Topology) {
    let (server, folder) = without_mails(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let email = sign_up(&server.client());
    let parked = wait_for(&admin, "state=parked&queue=mails", 1).remove(0);
    assert_eq!(
        (&parked["state"], &parked["attempts"], &parked["service"]),
        (&"parked".into(), &2.into(), &"auth".into())
    );
    assert!(parked["parked_at"].is_string() && parked["request_id"].is_string(), "{parked}");
    assert!(text(&parked["error"]).contains("mails"), "{parked}");
    assert!(!parked.to_string().contains(&email), "nothing personal is in a job: {parked}");
    assert_eq!(parked["payload"]["template"], "verify-email");
    assert!(text(&parked["payload"]["account"]).starts_with("accounts/"), "{parked}");
    let path = format!("/api/v2/jobs/{}", text(&parked["id"]));
    assert_eq!(admin.get(&path).expect(200).json(), parked);
    assert_eq!(walk(&admin, "/api/v2/jobs?state=running&", 100).len(), 0);
    if topology != Topology::Split {
        let metrics = server.metrics();
        let told = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
        assert_eq!(told("primetrade_jobs_parked", &[("queue", "mails")]), 1.0);
        assert_eq!(told("primetrade_jobs_pending", &[("queue", "mails")]), 0.0);
        assert_eq!(told("primetrade_jobs_total", &[("queue", "mails"), ("outcome", "retried")]), 1.0);
        assert_eq!(told("primetrade_jobs_total", &[("queue", "mails"), ("outcome", "parked")]), 1.0);
    }
    let replay = format!("{path}/replay");
    std::fs::remove_file(&folder).expect("the file is there");
    let replayed = admin.post(&replay, &json!({})).expect(200).json();
    assert_eq!((&replayed["state"], &replayed["attempts"]), (&"waiting".into(), &0.into()));
    eventually("the mail is written", || (count_mails(&folder) == 1).then_some(()));
    wait_for(&admin, "queue=mails", 0);
    assert_problem(&admin.get(&path), 404, "not-found");
    assert_problem(&admin.post(&replay, &json!({})), 404, "not-found");
    let periodic = wait_for(&admin, "queue=sweep-sessions", 1).remove(0);
    assert_eq!(periodic["period_seconds"], 60);
    let replay = format!("/api/v2/jobs/{}/replay", text(&periodic["id"]));
    assert_problem(&admin.post(&replay, &json!({})), 409, "conflict");
    for wrong in
        ["state=done", "service=mails", "queue=", "queue=mail", "queue=mails&queue=mails", "order=newest", "cursor=x"]
    {
        assert_problem(&admin.get(&format!("/api/v2/jobs?{wrong}")), 422, "validation-failed");
    }
}

fn jobs_of_all_services_are_one_list(topology: Topology) {
    let server = Server::start(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let mut made: Vec<(String, &str)> = Vec::new();
    for number in 0..7 {
        let service = if number % 3 == 0 { "products" } else { "auth" };
        made.push((parked(&server, service), service));
    }
    made.reverse();
    let listed = walk(&admin, "/api/v2/jobs?state=parked&", 2);
    let listed: Vec<(String, String)> = listed.iter().map(|job| (text(&job["id"]), text(&job["service"]))).collect();
    let made: Vec<(String, String)> = made.into_iter().map(|(id, service)| (id, service.to_owned())).collect();
    assert_eq!(listed, made);
    let of_auth = walk(&admin, "/api/v2/jobs?state=parked&service=auth&", 2);
    assert_eq!(of_auth.len(), made.iter().filter(|(_, service)| service == "auth").count());
    for (id, service) in &made {
        assert_eq!(admin.get(&format!("/api/v2/jobs/{id}")).expect(200).json()["service"], service.as_str());
        let replay = || admin.post(&format!("/api/v2/jobs/{id}/replay"), &json!({})).expect(200).body;
        assert_eq!(replay(), replay(), "done twice, it is done once");
        assert_problem(&admin.delete(&format!("/api/v2/jobs/{id}")), 409, "conflict");
    }
    wait_for(&admin, "queue=mails&state=waiting", 7);
    let put_away = format!("/api/v2/jobs/{}", parked(&server, "products"));
    admin.delete(&put_away).expect(204);
    assert_problem(&admin.delete(&put_away), 404, "not-found");
    assert_problem(&admin.get(&put_away), 404, "not-found");
}

fn commands_list_and_replay(topology: Topology) {
    let (server, folder) = without_mails(topology);
    let admin = log_in(&server, &administrator(&server).email);
    for _ in 0..3 {
        sign_up(&server.client());
    }
    let parked = wait_for(&admin, "state=parked", 3);
    let listed = server.run(&["jobs", "list", "--state", "parked"]).expect_code(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, job) in lines.iter().zip(&parked) {
        let id = text(&job["id"]);
        assert!(
            line.starts_with(&id) && line.contains("auth mails parked at") && line.contains("2 attempts"),
            "{line}"
        );
    }
    let json = server.run(&["jobs", "list", "--queue", "mails", "--format", "json"]).expect_code(0).stdout;
    let ids: Vec<Value> =
        json.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].take()).collect();
    assert_eq!(ids, parked.iter().map(|job| job["id"].clone()).collect::<Vec<_>>());

    let none = server.run(&["jobs", "replay", NOBODY]).expect_code(1);
    assert!(none.stderr.contains(NOBODY) && none.stderr.contains("no such job"), "{}", none.stderr);
    std::fs::remove_file(&folder).expect("the file is there");
    let one = server.run(&["jobs", "replay", &text(&parked[0]["id"])]).expect_code(0);
    assert!(one.stdout.contains("1 job is due now"), "{}", one.stdout);
    wait_for(&admin, "queue=mails", 2);
    let rest = server.run(&["jobs", "replay", "--parked", "--queue", "mails"]).expect_code(0);
    assert!(rest.stdout.contains("2 jobs are due now"), "{}", rest.stdout);
    wait_for(&admin, "queue=mails", 0);
    assert_eq!(count_mails(&folder), 3);
    let nothing = server.run(&["jobs", "list", "--queue", "mails"]).expect_code(0);
    assert!(nothing.stdout.contains("no such jobs"), "{}", nothing.stdout);
    for command in [&["list"][..], &["replay", "--parked"], &["discard", "--parked"]] {
        let strange = server.run(&[&["jobs"], command, &["--queue", "mail"]].concat()).expect_code(1);
        assert!(strange.stderr.contains("no queue \"mail\"") && strange.stderr.contains("mails"), "{}", strange.stderr);
    }
    // Deleted, they are never done.
    std::fs::remove_dir_all(&folder).expect("the folder is there");
    std::fs::write(&folder, "in the way").expect("a file instead");
    (0..3).for_each(|_| drop(sign_up(&server.client())));
    let parked = wait_for(&admin, "state=parked&queue=mails", 3);
    let none = server.run(&["jobs", "discard", NOBODY]).expect_code(1);
    assert!(none.stderr.contains("no such job"), "{}", none.stderr);
    let one = server.run(&["jobs", "discard", &text(&parked[0]["id"])]).expect_code(0);
    assert!(one.stdout.contains("1 job is deleted"), "{}", one.stdout);
    let rest = server.run(&["jobs", "discard", "--parked"]).expect_code(0);
    assert!(rest.stdout.contains("2 jobs are deleted"), "{}", rest.stdout);
    let none = server.run(&["jobs", "replay", "--parked"]).expect_code(0);
    assert!(none.stdout.contains("no such job was parked"), "{}", none.stdout);
    wait_for(&admin, "queue=mails", 0);
}

fn no_kill_loses_a_mail(topology: Topology) {
    const PEOPLE: usize = 40;
    let (mut server, mails) = mails::start(topology);
    let folder = server.folder().join("mails");
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(sign_up(&server.client()));
        if number % 10 == 9 {
            server.kill9();
            server.restart();
        }
    }
    let there = || (count_mails(&folder) >= PEOPLE).then_some(());
    eventually("every mail is written", there);
    for email in people {
        assert_eq!(mails.to(&email).len(), 1, "{email}: written again, it is the same file");
    }
}

fn what_no_server_sends_is_not_enqueued(topology: Topology) {
    let server = Server::start(topology);
    let admin = log_in(&server, &administrator(&server).email);
    sign_up(&server.client());
    assert_eq!(walk(&admin, "/api/v2/jobs?queue=mails&", 100).len(), 0);
}

fn a_mail_that_comes_too_late_is_not_sent(topology: Topology) {
    let (server, folder) = without_mails(topology);
    let admin = log_in(&server, &administrator(&server).email);
    let email = sign_up(&server.client());
    server.client().post("/api/v2/password-resets", &json!({ "email": email })).expect(202);
    wait_for(&admin, "state=parked&queue=mails", 2);
    server.sql("auth", "delete from one_time_tokens where purpose = 'reset-password'");
    std::fs::remove_file(&folder).expect("the file is there");
    server.run(&["jobs", "replay", "--parked"]).expect_code(0);
    wait_for(&admin, "queue=mails", 0);
    assert_eq!(count_mails(&folder), 1, "the verification alone");
}
