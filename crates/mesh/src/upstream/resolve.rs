//! Which instances there are: names are looked up again and again, as processes come and go.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::health::{self, Pace};
use super::instance::{Instance, Target};
use super::{Instances, Shared};

const EVERY: Duration = Duration::from_secs(5);
/// While there are none.
const IMPATIENT: Duration = Duration::from_millis(500);

/// The instances that need no look-up; `None` when there may be others only.
pub fn literal(shared: &Shared, targets: &[Arc<Target>]) -> Option<Instances> {
    let known: Vec<_> = targets.iter().filter_map(|target| Some((target, target.address.literal()?))).collect();
    let is_all = known.len() == targets.len();
    let instances = merged(shared, &[], known.into_iter());
    (is_all || !instances.is_empty()).then_some(instances)
}

/// Keeps the instances up to date, and an eye on each, for as long as it is polled.
pub async fn run(shared: Arc<Shared>, targets: Vec<Arc<Target>>, pace: Pace) {
    let mut watches = JoinSet::new();
    let mut watched: HashMap<SocketAddr, AbortHandle> = HashMap::new();
    let mut failed = vec![false; targets.len()];
    let are_names = targets.iter().any(|target| target.address.literal().is_none());
    loop {
        let before = shared.instances.borrow().clone();
        let found = join_all(targets.iter().map(|target| target.address.look_up())).await;
        let mut sockets = Vec::new();
        for ((target, found), failed) in targets.iter().zip(found).zip(&mut failed) {
            tell(target, found.as_ref().err(), failed);
            match found {
                Ok(found) => sockets.extend(found.into_iter().map(|socket| (target, socket))),
                // What was known before is better than nothing.
                Err(_) => sockets.extend(of_target(before.as_deref(), target)),
            }
        }
        let instances = merged(&shared, before.as_deref().unwrap_or_default(), sockets.into_iter());
        watched.retain(|socket, watch| {
            let stays = instances.iter().any(|instance| instance.socket == *socket);
            if !stays {
                watch.abort();
            }
            stays
        });
        while watches.try_join_next().is_some() {}
        for instance in instances.iter() {
            watched.entry(instance.socket).or_insert_with(|| {
                watches.spawn(health::watch(Arc::clone(instance), Arc::clone(&shared.breaker), pace))
            });
        }
        let pause = if instances.is_empty() { IMPATIENT } else { EVERY };
        shared.instances.send_replace(Some(instances));
        if !are_names {
            // Nothing will change.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(pause).await;
    }
}

fn of_target<'t>(
    instances: Option<&[Arc<Instance>]>,
    target: &'t Arc<Target>,
) -> impl Iterator<Item = (&'t Arc<Target>, SocketAddr)> {
    let its = instances.unwrap_or_default().iter().filter(move |instance| Arc::ptr_eq(&instance.target, target));
    its.map(move |instance| (target, instance.socket))
}

/// The instances that stay, and new ones. Those that join others get their share slowly.
fn merged<'t>(
    shared: &Shared,
    before: &[Arc<Instance>],
    sockets: impl Iterator<Item = (&'t Arc<Target>, SocketAddr)>,
) -> Instances {
    let mut instances: Vec<Arc<Instance>> = Vec::new();
    for (target, socket) in sockets {
        if instances.iter().any(|known| known.socket == socket) {
            continue;
        }
        instances.push(before.iter().find(|known| known.socket == socket).cloned().unwrap_or_else(|| {
            let instance = Instance::new(target, socket, shared.protocol, shared.max_in_flight);
            if !before.is_empty() {
                instance.is_new(Instant::now());
            }
            Arc::new(instance)
        }));
    }
    instances.into()
}

/// Said once, not at each look-up.
fn tell(target: &Target, error: Option<&std::io::Error>, failed: &mut bool) {
    let (dependency, address) = (target.service, target.address.as_str());
    match error {
        Some(error) if !*failed => tracing::warn!(
            event = "upstream.unresolved", dependency, server.address = address, %error, "a name was not found"
        ),
        None if *failed => {
            tracing::info!(event = "upstream.resolved", dependency, server.address = address, "a name was found again")
        }
        _ => {}
    }
    *failed = error.is_some();
}
