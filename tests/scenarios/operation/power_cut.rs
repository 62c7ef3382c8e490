//! What a power cut leaves: what is acknowledged or done does not depend on a name that the disk does not know yet. A cut cannot be
//! made here, so the order of the calls is looked at.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::strace::Call;
use testkit::{Deployment, Topology, eventually};

use crate::mails;
use crate::people::{PASSWORD, register};
use crate::v1::log_in;

/// Where a call stands that fits, from a line on.
#[track_caller]
fn after<'c>(calls: &'c [Call], line: usize, what: &str, fits: impl Fn(&Call) -> bool) -> &'c Call {
    let found = calls.iter().find(|call| call.begun >= line && fits(call));
    found.unwrap_or_else(|| panic!("{what}, after line {line}: {calls:#?}"))
}

#[test]
fn a_mail_is_on_disk_before_its_job_is_done() {
    let Some((deployment, trace)) = Deployment::new(Topology::Sqlite).traced() else { return };
    let (server, mails) = mails::start_as(deployment);
    let ada = register(&server);
    server.client().post("/api/v2/password-resets", &json!({ "email": ada.email })).expect(202);
    mails.tokens(&ada.email, "", 1);
    eventually("its job is done", || {
        (server.sql("auth", "select count(*) from jobs where queue = 'mails'") == [["0"]]).then_some(())
    });
    let calls = trace.calls();
    let folder = server.folder().join("mails");
    let named = after(&calls, 0, "it is named", |call| call.name == "rename" && call.arguments.contains(".eml"));
    let synced = after(&calls, named.ended, "its folder is synced", |call| call.synced(&folder));
    let log = server.data_folder().join("auth.db-wal");
    let between = |call: &&Call| call.synced(&log) && call.begun > named.ended && call.begun < synced.ended;
    assert!(!calls.iter().any(|call| between(&call)), "nothing is committed in between: {calls:#?}");
    after(&calls, synced.ended, "its job is done after that", |call| call.synced(&log));
}

#[test]
fn a_key_is_on_disk_before_it_signs() {
    let untraced = Deployment::new(Topology::Sqlite);
    let Some((deployment, trace)) = untraced.traced() else { return };
    let server = deployment.start();
    let ada = register(&server);
    let first = kid(&ada.token);
    untraced.run(&["keys", "rotate"]).expect_code(0);
    let token = eventually("the new key signs", || {
        std::thread::sleep(Duration::from_millis(100));
        let answer = log_in(&server.client(), &ada.email, PASSWORD).expect(200).json();
        answer["data"]["token"].as_str().filter(|token| kid(token) != first).map(str::to_owned)
    });
    let calls = trace.calls();
    let ring = server.data_folder().join("keys.json");
    let quoted = format!("\"{}\"", ring.display());
    let read =
        calls.iter().rfind(|call| call.name == "openat" && call.arguments.contains(&quoted)).expect("it is read");
    // The trace was read after the answer.
    after(&calls, read.ended, &format!("its folder is synced before {token}"), |call| {
        call.synced(&server.data_folder())
    });
}

/// The key that signed a token.
fn kid(token: &str) -> String {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).expect("base64");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head["kid"].as_str().expect("a key's id").to_owned()
}

#[test]
fn folders_are_on_disk_before_anything_is_served_of_them() {
    let deployment = Deployment::new(Topology::Sqlite);
    let folder = deployment.folder().join("new");
    let Some((deployment, trace)) = deployment.traced() else { return };
    let places = [folder.join("shops/data"), folder.join("secret/keys"), folder.join("all/mails")];
    let [data, keys, mails] = &places;
    let server = deployment
        .set("DATABASE__URL", &format!("sqlite:{}", data.display()))
        .set("AUTH__KEY_FILE", &keys.join("keys.json").display().to_string())
        .set("MAIL__SINK", &mails.display().to_string())
        .start();
    let calls = trace.calls();
    let above =
        |place: &'_ Path| place.ancestors().map(Path::to_owned).take_while(|path| path.starts_with(&folder)).collect();
    for made in places.iter().flat_map(|place| -> Vec<_> { above(place) }) {
        let named = after(&calls, 0, "it is made", |call| call.made(&made));
        let parent = made.parent().expect("a folder above");
        after(&calls, named.ended, &format!("{} is synced", parent.display()), |call| call.synced(parent));
    }
    for (file, folder) in [("keys.json", keys), ("auth.db", data), ("products.db", data), ("users.db", data)] {
        let named = |call: &Call| {
            call.made(&folder.join(file)) || call.arguments.contains(&format!("{file}\", O_WRONLY|O_CREAT"))
        };
        let named = after(&calls, 0, "it is made", named);
        after(&calls, named.ended, &format!("the folder of {file} is synced"), |call| call.synced(folder));
    }
    drop(server);
}
