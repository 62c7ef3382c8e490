//! How calls are spread.

use std::collections::HashSet;

use super::*;
use crate::upstream::balance::{Choice, Tried};

const SECOND: Duration = Duration::from_secs(1);

/// Instances that nobody listens behind; only the choice among them is looked at.
fn instances(count: u8) -> Vec<Arc<Instance>> {
    let of = |number| {
        let socket = SocketAddr::from(([127, 0, 0, number], 1));
        let series = metrics().clients.server("test:1");
        let (address, statement_keys) = (address(socket), None);
        let target = Arc::new(Target { service: "test", address, series, statement_keys, tls: None });
        Arc::new(Instance::new(&target, socket, Protocol::Http1, 1))
    };
    (1..=count).map(of).collect()
}

/// How often each is chosen.
fn chosen(instances: &[Arc<Instance>], balance: Balance, now: Instant) -> Vec<usize> {
    let mut counts = vec![0; instances.len()];
    for turn in 0..10_000 {
        let choice = Choice { balance, affinity: None, turn, tried: &Tried::default(), now };
        let chosen = choice.among(instances).unwrap();
        counts[instances.iter().position(|instance| Arc::ptr_eq(instance, chosen)).unwrap()] += 1;
    }
    counts
}

fn by_key(instances: &[Arc<Instance>], key: u64) -> SocketAddr {
    by(instances, Balance::Sticky, Affinity::Preferred(key), 0)
}

fn by(instances: &[Arc<Instance>], balance: Balance, affinity: Affinity, turn: usize) -> SocketAddr {
    let (tried, now) = (Tried::default(), Instant::now());
    let choice = Choice { balance, affinity: Some(affinity), turn, tried: &tried, now };
    choice.among(instances).unwrap().socket
}

#[tokio::test]
async fn all_that_are_alike_get_as_much() {
    let all = instances(4);
    for balance in [Balance::LeastLoaded, Balance::RoundRobin] {
        let counts = chosen(&all, balance, Instant::now());
        assert!(counts.iter().all(|count| (2_200..2_800).contains(count)), "{balance:?}: {counts:?}");
    }
}

#[tokio::test]
async fn one_with_more_to_do_gets_less() {
    let (all, now) = (instances(2), Instant::now());
    all[0].load.begin(now);
    assert_eq!(chosen(&all, Balance::LeastLoaded, now), [0, 10_000]);
    assert_eq!(chosen(&all, Balance::RoundRobin, now), [5_000, 5_000]);
}

#[tokio::test]
async fn what_was_ejected_or_tried_is_not_chosen() {
    let (all, now) = (instances(3), Instant::now());
    all[0].eject(Health::Draining);
    let mut tried = Tried::default();
    tried.add(&all[1]);
    for turn in 0..100 {
        for balance in [Balance::LeastLoaded, Balance::RoundRobin, Balance::Sticky] {
            let choice = Choice { balance, affinity: Some(Affinity::Needed(turn as u64)), turn, tried: &tried, now };
            assert_eq!(choice.among(&all).unwrap().socket, all[2].socket);
        }
    }
    tried.add(&all[2]);
    let choice = Choice { balance: Balance::RoundRobin, affinity: None, turn: 0, tried: &tried, now };
    assert!(choice.among(&all).is_none());
    assert_eq!(choice.last_resort(&all).unwrap().socket, all[0].socket);
    all[0].eject(Health::Hung);
    assert!(choice.last_resort(&all).is_none(), "nobody waits for one that hangs");
}

#[tokio::test]
async fn one_that_comes_back_gets_its_share_slowly() {
    let (all, now) = (instances(2), Instant::now());
    all[0].eject(Health::Refused);
    assert!(all[0].returns(now + SECOND));
    for balance in [Balance::LeastLoaded, Balance::RoundRobin] {
        let share = |seconds| {
            all[0].is_new(now + SECOND);
            chosen(&all, balance, now + seconds * SECOND)[0]
        };
        assert!((300..1_100).contains(&share(1)), "{balance:?}: {} at first", share(1));
        let half = share(6);
        assert!((2_000..4_000).contains(&half), "{balance:?}: {half} after half of the time");
        assert!((4_700..5_300).contains(&share(11)), "{balance:?}: {} in the end", share(11));
    }
}

#[tokio::test]
async fn one_that_was_hardly_away_is_not_cold_and_a_lone_one_gets_all() {
    let (all, now) = (instances(2), Instant::now());
    all[0].eject(Health::Refused);
    assert!(all[0].returns(Instant::now()));
    assert_eq!(all[0].share(now), 1.0);
    let lone = instances(1);
    lone[0].is_new(now);
    assert_eq!(chosen(&lone, Balance::LeastLoaded, now), [10_000]);
    assert_eq!(chosen(&lone, Balance::RoundRobin, now), [10_000]);
}

#[tokio::test]
async fn a_key_stays_where_it_is_while_others_come_and_go() {
    let mut all = instances(4);
    let before: Vec<_> = (0..1_000).map(|key| by_key(&all, key)).collect();
    for instance in &all {
        let its = before.iter().filter(|socket| **socket == instance.socket).count();
        assert!((180..320).contains(&its), "{its} of 1,000");
    }
    all.reverse();
    all[1].eject(Health::Refused);
    let gone = all[1].socket;
    for (key, before) in before.iter().enumerate() {
        let after = by_key(&all, key as u64);
        assert!(after != gone && (*before == gone || after == *before), "key {key} moved without need");
    }
}

#[tokio::test]
async fn a_key_that_is_needed_is_heeded_whatever_the_balance() {
    let all = instances(4);
    for key in 0..50 {
        let its = by_key(&all, key);
        for balance in [Balance::LeastLoaded, Balance::RoundRobin, Balance::Sticky] {
            let chosen = |affinity| (0..40).map(|turn| by(&all, balance, affinity, turn)).collect::<HashSet<_>>();
            assert_eq!(chosen(Affinity::Needed(key)), HashSet::from([its]), "{balance:?}");
            let spread = chosen(Affinity::Preferred(key)).len();
            assert_eq!(spread == 1, balance == Balance::Sticky, "{balance:?}: {spread}");
        }
    }
}

#[tokio::test]
async fn calls_with_a_key_go_to_one_server_and_to_another_when_that_is_gone() {
    let (one, other) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start(Settings { balance: Balance::Sticky, ..settings([one.address(), other.address()]) });
    let with_key = || Call { affinity: Some(Affinity::Preferred(7)), ..post("/") };
    for _ in 0..10 {
        upstream.call(with_key()).await.unwrap();
    }
    let (first, second) = if one.asked() > 0 { (one, other) } else { (other, one) };
    assert_eq!((first.asked(), second.asked()), (10, 0));
    first.kill().await;
    upstream.call(with_key()).await.unwrap();
    assert_eq!(second.asked(), 1);
}

#[tokio::test]
async fn a_slow_server_gets_fewer_calls() {
    let (slow, quick) = (Server::start().await, Server::start().await);
    let upstream = Upstream::start(settings([slow.address(), quick.address()]));
    slow.hang(true);
    let call = |_| upstream.call(call(Method::POST, "/", 400 * MS));
    let begun = join_all((0..2).map(call));
    let (_, ()) = futures_util::future::join(begun, async {
        tokio::time::sleep(50 * MS).await;
        for turn in 0..100 {
            call(turn).await.unwrap();
        }
    })
    .await;
    assert!(slow.asked() <= 2 && quick.asked() >= 100, "{} and {}", slow.asked(), quick.asked());
}
