//! TLS: who is refused, in which words, and that nobody else notices.

mod between;
mod postgres;
mod public;
