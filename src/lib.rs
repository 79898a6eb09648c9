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
//! # Plan a scenario
//! A scenario is a text; it may come from a file or be written in code.
//! ```
//! use runrate::{app::store::{self, PriceSource}, error::Error, intent::scenario::Scenario};
//! use runrate::plan::simulate::{Inputs, Prepared};
//! let catalog = store::embedded_catalog()?;
//! let text = include_str!("../examples/innovate.toml").replace("months = 24", "months = 9");
//! let scenario = Scenario::parse("innovate.toml", &text, &catalog)?;
//! let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions())?;
//! let inputs = Inputs::default();
//! let plan = Prepared::new(&scenario, &facts, &inputs)?.run(0)?;
//! assert_eq!(plan.months.len(), 9);
//! assert_eq!(plan.cost, plan.months.iter().map(|month| month.cost).sum());
//! # Ok::<(), Error>(())
//! ```
//!
//! # Run the arithmetic of the Horizontal Pod Autoscaler
//! ```
//! use runrate::cluster::autoscale::hpa::replicas::{Tolerance, average_value_replicas, largest};
//! // 4 pods serve 900 requests per second, the target is 150 for each; a second metric failed.
//! let wanted = average_value_replicas(4, 900, 150, Tolerance::symmetric(0.1));
//! assert_eq!(wanted, 6);
//! assert_eq!(largest(4, &[Some(wanted), None]), Some(6));
//! ```
//!
//! # Pack pods onto nodes
//! ```
//! use runrate::{app::store::{self, PriceSource}, error::Error};
//! use runrate::cluster::autoscale::{pack::pack, policy::{Inputs, Policy}};
//! let facts = store::load_facts(store::embedded_catalog()?, &PriceSource::Embedded, &["us-east-1"])?;
//! let api = "calls_per = { web = 1.0 }\ncpu_ms_per_request = 35\nstartup_seconds = 15\n\
//!     idle_cpu_millicores = 10\nimage_mib = 130\nreplicas = 12\n\
//!     requests = { cpu_millicores = 350, memory_mib = 448 }\n\
//!     limits = { cpu_millicores = 1000, memory_mib = 640 }";
//! let cluster = "availability_zones = 3\n\
//!     baseline = { instance_type = \"m7g.large\", nodes = 1 }\n\
//!     [node_pools.general]\ncategories = [\"m\", \"c\"]\nmin_generation = 6\narchitectures = [\"arm64\"]\n\
//!     min_vcpus = 2\nmax_vcpus = 16\nspot_share = 0.7\nconsolidate_after_seconds = 120\n";
//! let web = "per_session = 40\nrequest_kib = 1\nresponse_kib = 5";
//! let policy = Policy::build(&Inputs {
//!     workloads: &[("api".to_owned(), toml::from_str(api)?)].into(),
//!     cluster: &toml::from_str(cluster)?,
//!     classes: &[("web".to_owned(), toml::from_str(web)?)].into(),
//!     catalog: &facts.catalog,
//!     prices: &facts.prices,
//!     region: "us-east-1",
//!     tick_seconds: 15,
//!     start: "2027-01-01".parse()?,
//!     days: 31,
//!     kubernetes_minor: None,
//! })
//! .map_err(Error::input)?;
//! let packing = pack(&policy.workloads, &[12], &policy.offers).ok_or("a pod fits no node")?;
//! assert!(packing.cost >= packing.lower_bound);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rate usage lines
//! ```
//! use runrate::{app::store::{self, PriceSource}, measure::units::Usd, money::rate::{Sharing, usage}};
//! let book = store::load_prices(&store::price_manifest(&PriceSource::Embedded)?, Some(&["us-east-1"]))?;
//! let text = "month,account,region,service,usage_type,operation,quantity\n\
//!     2027-01,prod,us-east-1,AmazonEC2,NatGateway-Hours,NatGateway,744\n";
//! let file = usage::parse("usage.csv", text, &book)?;
//! let support = store::embedded_catalog()?.controllers.support;
//! let rated = file.rate(&book, Sharing::PerAccount, &support).map_err(|unpriced| format!("{unpriced:?}"))?;
//! let total: Usd = rated.entries.iter().map(|entry| entry.cost).sum();
//! assert_eq!(total.to_string(), "33.48");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Read a bill
//! ```
//! use runrate::{app::store, bills::actuals::{Metric, text}, error::Error};
//! let export = "month,account,service,usage_type,cost\n\
//!     2027-01,123456789012,AmazonEC2,BoxUsage:m7g.large,60.71\n\
//!     2027-01,123456789012,AmazonS3,TimedStorage-ByteHrs,4.29\n";
//! let bills = text::read("bill.csv", export.as_bytes(), &store::model()?, "2027-02-03T00:00:00Z")?;
//! let total = bills[0].sum(Metric::Unblended, |_| true);
//! assert_eq!(total.map(|total| total.to_string()), Some("65".to_owned()));
//! # Ok::<(), Error>(())
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
