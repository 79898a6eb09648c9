//! The one place where commands open a scenario, prices, a saved plan and bills.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    actuals::{self, Kept},
};
use crate::{
    advice::tune::Tuned,
    app::store::{self, PriceSource},
    bills::{
        actuals::{MonthBill, layout::Billing},
        backtest::Scored,
    },
    error::{Error, Place, file_kind::FileKind},
    facts::{prices::PriceBook, shapes::Catalog},
    intent::scenario::Scenario,
    plan::{
        Plan,
        simulate::{Facts, Inputs, Prepared},
    },
};

/// Bills to compare with.
#[derive(Debug, clap::Args)]
pub(super) struct BillArgs {
    #[command(flatten)]
    pub(super) kept: Kept,
    /// Bill export to use instead of the stored bills; may be repeated
    #[arg(long = "bill", value_name = "FILE")]
    pub(super) exports: Vec<PathBuf>,
}

/// Opens what a command reads.
#[derive(Debug)]
pub(super) struct Opener {
    /// Instance types, controller defaults and workload profiles.
    pub(super) catalog: Catalog,
    prices: PriceSource,
}

/// A scenario with its series and the facts to plan it with.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) scenario: Scenario,
    pub(super) inputs: Inputs,
    pub(super) facts: Facts,
}

/// A scenario or a saved plan.
#[derive(Debug)]
pub(super) enum Planned {
    /// A scenario with its series.
    Scenario(Scenario, Inputs),
    /// A plan that `plan --out` wrote.
    Saved(Plan),
}

impl Opener {
    /// Takes prices from where `--prices` says.
    pub(super) fn new(prices: &PriceArgs) -> Result<Self, Error> {
        Self::with_prices(prices.source())
    }

    pub(super) fn with_prices(prices: PriceSource) -> Result<Self, Error> {
        Ok(Self { catalog: store::embedded_catalog()?, prices })
    }

    /// Reads a scenario file and the facts of its regions.
    pub(super) fn case(&self, path: &Path) -> Result<Case, Error> {
        let (scenario, inputs) = store::load_scenario(path, &self.catalog)?;
        self.complete(scenario, inputs)
    }

    /// Reads a scenario from changed text of its file.
    pub(super) fn case_of_text(&self, path: &Path, text: &str) -> Result<Case, Error> {
        let (scenario, inputs) = store::load_scenario_text(path, text, &self.catalog)?;
        self.complete(scenario, inputs)
    }

    /// Adds the facts of a scenario's regions.
    pub(super) fn complete(&self, scenario: Scenario, inputs: Inputs) -> Result<Case, Error> {
        let facts = self.facts(&[&scenario])?;
        Ok(Case { scenario, inputs, facts })
    }

    /// Reads the facts of the regions of all these scenarios.
    pub(super) fn facts(&self, scenarios: &[&Scenario]) -> Result<Facts, Error> {
        let mut regions: Vec<&str> =
            scenarios.iter().flat_map(|scenario| scenario.regions()).collect();
        regions.sort_unstable();
        regions.dedup();
        store::load_facts(self.catalog.clone(), &self.prices, &regions)
    }

    /// Reads the prices of all regions.
    pub(super) fn book(&self) -> Result<PriceBook, Error> {
        store::load_prices(&store::price_manifest(&self.prices)?, None)
    }

    /// Reads a saved plan, the plan of a folder, a scenario, or a scenario of a git revision (`main:scenario.toml`).
    pub(super) fn planned(&self, name: &str) -> Result<Planned, Error> {
        let path = Path::new(name);
        if path.is_dir() {
            return store::load_plan(&path.join("plan.json")).map(Planned::Saved);
        }
        let (scenario, inputs) = match name.split_once(':') {
            Some((revision, file)) if !path.exists() => {
                store::load_scenario_at(revision, Path::new(file), &self.catalog)?
            }
            _ if check_planned(path)? => return store::load_plan(path).map(Planned::Saved),
            _ => store::load_scenario(path, &self.catalog)?,
        };
        Ok(Planned::Scenario(scenario, inputs))
    }

    /// Reads a saved plan, or runs the mid case of a scenario.
    pub(super) fn plan(&self, path: &Path) -> Result<Plan, Error> {
        if check_planned(path)? { store::load_plan(path) } else { self.case(path)?.plan() }
    }

    /// Reads the exports that are named, or the stored bills.
    pub(super) fn bills(args: &BillArgs, billing: &Billing) -> Result<Vec<MonthBill>, Error> {
        if !args.exports.is_empty() {
            return store::import_bills(&args.exports, billing, &actuals::now());
        }
        let folder = args.kept.folder();
        let bills = store::load_bills(folder)?;
        if bills.is_empty() { Err(actuals::none(folder)) } else { Ok(bills) }
    }
}

impl Case {
    /// Checks the scenario against the facts and prepares its runs.
    pub(super) fn prepared(&self) -> Result<Prepared<'_>, Error> {
        Prepared::new(&self.scenario, &self.facts, &self.inputs)
    }

    /// Runs the mid case.
    pub(super) fn plan(&self) -> Result<Plan, Error> {
        self.prepared()?.run(0)
    }
}

/// Reads a saved backtest.
pub(super) fn scored(path: &Path) -> Result<Scored, Error> {
    store::load_saved(path, "is not a saved backtest", "`backtest --format json` writes one")
}

/// Reads a saved result of `tune`.
pub(super) fn tuned(path: &Path) -> Result<Tuned, Error> {
    let wrong = "is not a result of `tune` that this version reads";
    store::load_saved(path, wrong, "`tune --out` writes tune.json")
}

/// Returns whether a file is a saved plan, and fails if it is no scenario either.
pub(super) fn check_planned(path: &Path) -> Result<bool, Error> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        return Ok(true);
    }
    match store::file_kind(path)? {
        Some(FileKind::SavedPlan) => Ok(true),
        Some(FileKind::Toml) | None => Ok(false),
        Some(kind) => {
            let message = format!(
                "looks like {kind}; expected a scenario (TOML), or a saved plan (plan.json of `plan --out`)"
            );
            Err(Error::at(Place::file(&path.display().to_string()), message))
        }
    }
}
