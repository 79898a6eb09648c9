//! runrate plans AWS cost and capacity from user growth with a model of the real autoscalers.
//!
//! ```text
//! scenario ─► growth ─► traffic ─► workload ─► autoscale ─► capacity ─► services ─► rate ─► ledger ─► plan
//! (intent)   (month)   (minute)    (pods)     (hpa +        (hours,     (usage     (usd)   (lines)  (document)
//!                                              karpenter)    GB, req)    lines)
//! ```
//!
//! Each stage takes the output of the one before; only [`simulate`] composes them. [`store`] is the
//! only module that opens files.
//!
//! # Example
//! ```
//! use runrate::{simulate::{Inputs, Prepared}, scenario::Scenario, store::{self, PriceSource}};
//! let catalog = store::embedded_catalog()?;
//! let text = include_str!("../examples/innovate.toml").replace("months = 24", "months = 9");
//! let scenario = Scenario::parse("innovate.toml", &text, &catalog)?;
//! let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions())?;
//! let inputs = Inputs::default();
//! let plan = Prepared::new(&scenario, &facts, &inputs)?.run(0)?;
//! assert_eq!(plan.months.len(), 9);
//! assert_eq!(plan.cost, plan.months.iter().map(|month| month.cost).sum());
//! # Ok::<(), runrate::error::Error>(())
//! ```

// Worked examples are exact: a quantity that is off by one bit is a different quantity.
#![cfg_attr(test, allow(clippy::float_cmp))]

pub mod actuals;
pub mod autoscale;
#[cfg(feature = "aws")]
pub mod aws;
pub mod backtest;
pub mod bounds;
pub mod budget;
pub mod calendar;
pub mod calibrate;
pub mod capacity;
pub mod cli;
pub mod commit;
pub mod commitment;
pub mod compare;
pub mod error;
pub mod forecast;
pub mod growth;
pub mod history;
pub mod ledger;
pub mod manifest;
pub mod plan;
pub mod price_list;
pub mod prices;
pub mod queueing;
pub mod random;
pub mod range;
pub mod rate;
pub mod reconcile;
pub mod report;
pub mod scenario;
pub mod series;
#[cfg(feature = "serve")]
pub mod serve;
pub mod services;
pub mod shapes;
pub mod simulate;
pub mod store;
pub mod traffic;
pub mod tune;
pub mod units;
pub mod workload;
