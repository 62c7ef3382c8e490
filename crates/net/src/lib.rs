//! Sockets: the listener and its connections, the collector of traces. Nothing else opens any.

mod activity;
pub mod collector;
mod date;
pub mod lanes;
mod preface;
pub mod server;
