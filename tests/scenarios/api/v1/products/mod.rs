//! /api/v1/products

mod create;
mod delete;
mod filters;
mod idempotency;
mod list;
mod one;
mod paging;
mod prices;
mod rules;
mod update;
