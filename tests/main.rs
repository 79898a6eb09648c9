//! All integration tests, as one program: each program of tests links the whole library again, which takes longer than
//! most of the tests.
//!
//! A file of `tests/` is a module here; `tests/house.rs` fails when one is missing.
//! `cargo test --test suite laws::` runs those of one file. They run in threads of one process: a test changes nothing
//! that the process shares (directory, environment, panic hook), and runs `runrate` as a program where it needs that.

mod actuals;
mod bills;
mod browser;
mod cli;
mod commitments;
mod conformance;
mod corpus;
#[cfg(feature = "aws")]
mod cost_explorer;
mod docs;
mod every_service;
mod facts;
#[cfg(unix)]
mod faults;
mod focus_export;
mod forecast;
mod golden;
mod house;
mod laws;
mod limits;
mod manifests;
mod messages;
mod meters;
mod pages;
#[cfg(feature = "polars")]
mod parquet_file;
#[cfg(feature = "pdf")]
mod pdf;
#[cfg(feature = "aws")]
mod price_list;
#[cfg(feature = "aws")]
mod price_lists;
mod real_series;
mod regions;
mod report;
#[cfg(feature = "aws")]
mod round_trip;
mod series;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod serve_page;
mod simulate;
mod support;
mod systems;
mod tune;
mod xlsx;
