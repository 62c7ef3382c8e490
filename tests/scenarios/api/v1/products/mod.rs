//! /api/v1/products

mod as_shown;
mod create;
mod currencies;
mod delete;
mod filters;
mod idempotency;
mod list;
mod one;
mod paging;
mod prices;
mod rules;
mod shown_stock;
mod update;
