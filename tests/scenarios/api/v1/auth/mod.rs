//! /api/v1/auth

mod guessing;
mod imported_passwords;
mod login;
mod me;
mod register;
mod register_rules;
