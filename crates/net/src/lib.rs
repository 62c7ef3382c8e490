//! Sockets: the listener and its connections, the collector of traces. Nothing else opens any.

mod activity;
pub mod collector;
mod date;
pub mod dialer;
mod handshake;
pub mod pinned;
mod preface;
pub mod server;
mod stream;
mod turns;

pub use handshake::Handshake;
pub use stream::Stream;
