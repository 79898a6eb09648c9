//! `runrate calibrate`.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf};

use super::{
    Format, PriceArgs,
    actuals::{self, Kept},
    pretty, print, say,
};
use crate::{
    actuals::{Metric, MonthBill, naming::Naming},
    calendar::Month,
    calibrate::{self, Evidence, LEAST_MONTHS},
    error::{Error, Place},
    plan::Plan,
    reconcile::{self, Options, Partial},
    report::calibrate as report,
    scenario::Scenario,
    series::{Gaps, Series, Words},
    simulate::{Facts, Inputs, Prepared},
    store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file
    scenario: PathBuf,
    #[command(flatten)]
    kept: Kept,
    /// Export to fit to in place of the bills that are kept; may be given more than once
    #[arg(long = "bill", value_name = "FILE")]
    bills: Vec<PathBuf>,
    /// CSV of `month,sessions` as they really were: takes a wrong forecast of traffic out of the fit
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Last months to hold out and test on; a quarter of them if left out
    #[arg(long, value_name = "N")]
    hold_out: Option<usize>,
    /// File for the scenario with the new values; comments stay
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let catalog = store::embedded_catalog()?;
    let text = store::read_text(&args.scenario)?;
    let (scenario, inputs) = store::load_scenario(&args.scenario, &catalog)?;
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    let file = args.scenario.display().to_string();
    let run = runner(&file, &facts, &inputs);
    let before = run(&text)?;
    let bills = whole_months(&args.kept, &args.bills, &before)?;
    let months: Vec<Month> = bills.iter().map(|bill| bill.month).collect();
    let hold = args.hold_out.unwrap_or_else(|| (months.len() / 4).max(1));
    let (training, held_out) = months.split_at(months.len().saturating_sub(hold));
    if training.len() < LEAST_MONTHS {
        let message = format!(
            "{} whole months are billed, of which {hold} are held out; {} are needed to fit to",
            months.len(),
            LEAST_MONTHS
        );
        return Err(Error::actuals(Place::default(), message));
    }
    let billing = store::billing()?;
    let manifest = store::price_manifest(&args.prices.source())?;
    let book = store::load_prices(&manifest, None)?;
    let naming = Naming::new(&book, &facts.catalog, &billing);
    let traffic = args.usage.as_deref().map(|path| traffic(path, &before)).transpose()?;
    let evidence = Evidence {
        bills: &bills,
        training,
        traffic: &traffic.unwrap_or_default(),
        naming: &naming,
        catalog: &facts.catalog,
    };
    let coefficients = store::coefficients()?.all;
    let done = calibrate::calibrate(&text, &run, &coefficients, &evidence)?;
    let options = Options {
        metric: Metric::Unblended,
        partial: Partial::Exclude,
        from: held_out.first().copied(),
        to: held_out.last().copied(),
        bars: billing.accuracy,
    };
    let compared = |plan: &Plan| {
        reconcile::reconcile(plan, &bills, &naming, &billing.not_billed_by_aws, options).ok()
    };
    let (old, new) = (compared(&before), compared(&run(&done.text)?));
    let error = |done: &Option<reconcile::Reconciliation>| {
        done.as_ref().and_then(|done| done.accuracy.as_ref()).map(|accuracy| accuracy.wape)
    };
    let names = |months: &[Month]| months.iter().map(ToString::to_string).collect();
    let outcome = report::Outcome {
        coefficients: done.coefficients,
        training: names(training),
        held_out: names(held_out),
        error_before: error(&old),
        error_after: error(&new),
        discount: old.and_then(|done| done.discount),
    };
    if let Some(path) = &args.out {
        let head = format!(
            "# Calibrated to bills of {} to {} by runrate {}.\n",
            training[0],
            training[training.len() - 1],
            env!("CARGO_PKG_VERSION")
        );
        store::write_file(path, format!("{head}{}", done.text).as_bytes())?;
        say(&format!("wrote {}", path.display()));
    }
    match args.format {
        Format::Table => print(&report::render(&outcome)),
        Format::Json => print(&pretty(&outcome)?),
        Format::Csv => print(&report::to_csv(&outcome)),
    }
}

/// Runs a scenario's text; the last text is not run twice.
pub(super) fn runner<'a>(
    file: &'a str,
    facts: &'a Facts,
    inputs: &'a Inputs,
) -> impl Fn(&str) -> Result<Plan, Error> + 'a {
    let last: RefCell<Option<(String, Plan)>> = RefCell::new(None);
    move |text: &str| {
        if let Some((_, plan)) = last.borrow().as_ref().filter(|(known, _)| known == text) {
            return Ok(plan.clone());
        }
        let scenario = Scenario::parse(file, text, &facts.catalog)?;
        let plan = Prepared::new(&scenario, facts, inputs)?.run(0)?;
        *last.borrow_mut() = Some((text.to_owned(), plan.clone()));
        Ok(plan)
    }
}

/// Whole, closed months that the plan has too.
pub(super) fn whole_months(
    kept: &Kept,
    files: &[PathBuf],
    plan: &Plan,
) -> Result<Vec<MonthBill>, Error> {
    let bills = if files.is_empty() {
        store::load_bills(kept.folder())?
    } else {
        store::import_bills(files, &store::billing()?, &actuals::now())?
    };
    if bills.is_empty() {
        return Err(actuals::none(kept.folder()));
    }
    let planned = |month: Month| plan.months.iter().any(|planned| planned.month == month);
    Ok(bills
        .into_iter()
        .filter(|bill| planned(bill.month) && !bill.is_partial() && !bill.estimated)
        .collect())
}

/// Real over planned sessions by month.
fn traffic(path: &std::path::Path, plan: &Plan) -> Result<BTreeMap<Month, f64>, Error> {
    let file = path.display().to_string();
    let words =
        Words { columns: "month,sessions", allow_gaps: "leave the months out of the bills" };
    let series = Series::parse_as(&file, &store::read_text(path)?, Gaps::Refuse, words)?;
    let mut ratios = BTreeMap::new();
    for (moment, sessions) in series.moments.iter().zip(&series.values) {
        let Some(month) = Month::of(moment.date()) else { continue };
        let Some(planned) = plan.months.iter().find(|planned| planned.month == month) else {
            continue;
        };
        if ratios.insert(month, sessions / planned.traffic.sessions.max(1.0)).is_some() {
            let message = format!("{month} stands twice; give one row a month");
            return Err(Error::at(Place::file(&file), message));
        }
    }
    Ok(ratios)
}
