//! What operators rely on: probes, logs, an orderly end, and nothing lost at a disorderly one.

mod clocks;
mod disk_full;
mod durability;
mod hung_database;
mod logs;
mod metrics;
mod power_cut;
mod probes;
mod projections;
mod rights;
mod shutdown;
mod stores;
mod terminal;
mod traces;
mod unread;
