//! Commands other than `serve`.

mod admin;
mod config;
mod demo;
mod doctor;
mod import;
mod keys;
mod looking;
