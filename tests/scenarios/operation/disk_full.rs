//! A full disk: writes are refused clearly, reads go on, and writes resume when there is space. SQLite only, since PostgreSQL's
//! disk is PostgreSQL's affair. Needs the right to mount a small file system; without it the test says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Deployment, Topology, eventually};

use crate::people::register;
use crate::selling::{PRODUCTS, usd};
use crate::v1::{assert_refused, create_named, names, text};
use crate::v2::{self, assert_problem};

/// A mounted file system, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn writes_are_refused_and_resume_with_space_while_reads_go_on() {
    let deployment = Deployment::new(Topology::Sqlite);
    let Some(disk) = Small::mount(&deployment.data_folder()) else {
        return eprintln!("not tested: this user may not mount a file system");
    };
    let mut server = deployment.start();
    let ada = register(&server);
    let through_v2 = v2::log_in(&server, &ada.email);
    let mut acknowledged = vec![text(&create_named(&ada.api, "first")["name"])];
    // Leaves less than the writes below need.
    let filler = disk.0.join("filler");
    let free = 5 * 1024 * 1024;
    std::fs::write(&filler, vec![0; free]).expect("there is space for the filler");
    let mut refused = 0;
    for n in 0..400 {
        let name = format!("large {n}");
        let product = json!({ "name": name, "price": 1, "description": "d".repeat(50_000) });
        let answer = ada.api.post("/api/v1/products", &product);
        match answer.status {
            201 => acknowledged.push(name),
            _ => {
                assert_refused(&answer, 503);
                assert!(answer.header("retry-after").is_some());
                assert!(text(&answer.json()["message"]).contains("disk is full"), "{}", answer.text());
                refused += 1;
            }
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "the disk was never full");
    let product = json!({ "name": "large", "price": usd(1), "description": "d".repeat(60_000) });
    let answer = through_v2.post(PRODUCTS, &product);
    assert_problem(&answer, 503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    let detail = text(&answer.json()["detail"]);
    assert!(detail.contains("disk is full") && detail.contains("reads go on"), "{detail}");
    assert!(!answer.text().contains(&disk.0.display().to_string()), "{}", answer.text());
    let full = eventually("the log names it", || {
        let full: Vec<Value> = server.log_lines().into_iter().filter(|line| line["event"] == "disk.full").collect();
        (!full.is_empty()).then_some(full)
    });
    assert_eq!(full.len(), 1, "the log names it once a minute: {full:?}");
    let products = names(&ada.api, "limit=1000");
    assert_eq!(products.len(), acknowledged.len(), "reads go on, and show what was acknowledged");
    std::fs::remove_file(&filler).expect("the filler is there");
    eventually("writes resume", || {
        let answer = ada.api.post("/api/v1/products", &json!({ "name": "after", "price": 1 }));
        (answer.status == 201).then_some(())
    });
    acknowledged.push("after".into());
    server.restart();
    let api = server.client().with_token(&ada.token);
    let mut found = names(&api, "limit=1000");
    found.sort();
    acknowledged.sort();
    assert_eq!(found, acknowledged);
}
