//! Commands other than `serve`.

mod admin;
mod config;
mod demo;
mod import;
mod keys;
