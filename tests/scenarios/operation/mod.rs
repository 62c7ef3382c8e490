//! What operators rely on: probes, logs, an orderly end, and nothing lost at a disorderly one.

mod disk_full;
mod durability;
mod logs;
mod metrics;
mod probes;
mod rights;
mod shutdown;
mod stores;
mod traces;
