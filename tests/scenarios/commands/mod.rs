//! Commands other than `serve`.

mod admin;
mod backup;
mod config;
mod demo;
mod doctor;
mod import;
mod import_values;
mod keys;
mod looking;
