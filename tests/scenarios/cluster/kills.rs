//! `kill -9` of one process of each role, under load.

use std::time::{Duration, Instant};

use testkit::eventually;

use super::load::{Load, Manner, Report};
use super::{answered, start, wanted};

/// Requests between two events.
const STEP: usize = 150;
/// Within a few seconds.
const SOON: Duration = Duration::from_secs(10);

/// Those that were in flight on the killed process may fail, once each. Whoever sends again sees no failure.
/// `PRIMETRADE_TEST_ROUNDS` asks for more than one kill of each role.
#[test]
fn who_asks_again_sees_no_failure() {
    let mut server = start();
    let load = Load::of(&server);
    let manners = [Manner::Once, Manner::Again, Manner::Once, Manner::Again, Manner::Again, Manner::Again];
    // Each client has one request in flight.
    let in_flight = manners.iter().filter(|manner| **manner == Manner::Once).count();
    let report = load.during(&manners, |run| {
        run.goes_on(STEP);
        let roles = ["gateway", "auth", "products", "users", "notifications"];
        let rounds = wanted("PRIMETRADE_TEST_ROUNDS", 1);
        for (role, round) in (0..rounds).flat_map(|round| roles.map(|role| (role, round))) {
            let name = format!("{role}-{}", round % 2 + 1);
            let before = run.look(|report| report.failed_once.len());
            server.kill9_member(&name);
            run.goes_on(STEP);
            let failed = run.look(|report| report.failed_once[before..].to_vec());
            assert!(failed.len() <= in_flight, "{name}: {failed:#?}");
            server.restart_member(&name);
            if role != "notifications" {
                let back = Instant::now();
                eventually("it is asked again", || (answered(&server, &name) > 0.0).then_some(()));
                assert!(back.elapsed() < SOON, "{name}: {:?}", back.elapsed());
            }
            run.goes_on(STEP);
            let failed = run.look(|report| report.failed_once[before..].to_vec());
            assert!(failed.len() <= in_flight, "{name}, as it came back: {failed:#?}");
        }
    });
    let Report { answered, repeated, failed_once, failed_again, .. } = &report;
    println!("{answered} answered, {repeated} sent again, {} failed: {failed_once:#?}", failed_once.len());
    assert!(failed_again.is_empty(), "{failed_again:#?}");
    load.assert_kept(&report);
}
