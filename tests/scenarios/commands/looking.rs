//! Commands that look at a shop.

use testkit::{Deployment, Topology};

/// In a wrong folder, an empty shop would be made, and all be well with it.
#[test]
fn a_folder_without_a_shop_is_refused_and_left_alone() {
    let deployment = Deployment::new(Topology::Sqlite);
    let id = "00000000-0000-0000-0000-000000000000";
    for command in
        [&["stock", "verify"][..], &["jobs", "list"], &["jobs", "replay", id], &["jobs", "replay", "--parked"]]
    {
        let refused = deployment.run(command).expect_code(1);
        let told = &refused.stderr;
        assert!(told.contains("there is no shop in") && told.contains("database.url"), "{command:?}: {told}");
        assert!(!deployment.data_folder().exists(), "{command:?}");
    }
    deployment.run(&["migrate"]).expect_code(0);
    deployment.run(&["stock", "verify"]).expect_code(0);
}
