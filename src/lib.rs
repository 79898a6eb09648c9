//! runrate plans AWS cost and capacity from user growth with a model of the real autoscalers.
//!
//! ```text
//! intent ─► demand ─► cluster ─► usage ─► money ─► plan ─► advice, report, manifest
//! (what the  (users    (load      (nodes    (usage   (the chain, once      ▲
//! user wants) to load)  to nodes)  to usage) to cost)  and in trials)    bills
//! ```
//!
//! Each group uses only the groups before it: `measure` has the numbers, `facts` what vendors publish, `bills` what was
//! billed. [`plan::simulate`] composes the chain. [`app`] is the only group that touches the world: [`app::store`] opens
//! files, `app::aws` connects, `app::cli` reads the clock and writes to the terminal.
//!
//! # Example
//! ```
//! use runrate::{plan::simulate::{Inputs, Prepared}, intent::scenario::Scenario, app::store::{self, PriceSource}};
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

pub mod bounds;

pub mod error;

pub mod measure;

pub mod facts;

pub mod demand;

pub mod cluster;

pub mod usage;

pub mod intent;

pub mod money;

pub mod plan;

pub mod bills;

pub mod advice;

pub mod page;

pub mod write;

pub mod manifest;

pub mod app;
