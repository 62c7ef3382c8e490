//! What operators rely on: probes, logs, an orderly end, and nothing lost at a disorderly one.

mod disk_full;
mod durability;
mod logs;
mod metrics;
mod power_cut;
mod probes;
mod shutdown;
mod traces;
mod unread;
