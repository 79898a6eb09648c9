//! `runrate calibrate`.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    fit::{Fit, Sources},
    output::{Printed, answer_on_stdout},
    say,
};
use crate::{
    app::store,
    bills::{
        calibrate::{self, Evidence, LEAST_MONTHS},
        reconcile,
    },
    error::{Error, Place},
    measure::{
        calendar::Month,
        series::{Gaps, Series, Words},
    },
    page::content,
    plan::Plan,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    #[command(flatten)]
    sources: Sources,
    /// Correct for the real traffic of this CSV (`month,sessions`)
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Hold out the last N months for the test [default: a quarter of the months]
    #[arg(long, value_name = "N")]
    hold_out: Option<usize>,
    /// Write the scenario with the fitted values to this file; comments are kept
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let case = Fit::open(&args.scenario, &args.sources)?;
    let before = case.run(&case.text)?;
    let bills = case.whole_months(&args.sources, &before)?;
    let months: Vec<Month> = bills.iter().map(|bill| bill.month).collect();
    let hold = args.hold_out.unwrap_or_else(|| (months.len() / 4).max(1));
    let (training, held_out) = months.split_at(months.len().saturating_sub(hold));
    if training.len() < LEAST_MONTHS {
        let message = format!(
            "{} whole months are billed and {hold} of them are held out; the fit needs {}",
            months.len(),
            LEAST_MONTHS
        );
        return Err(Error::actuals(Place::default(), message));
    }
    let naming = case.naming();
    let traffic = args.usage.as_deref().map(|path| traffic(path, &before)).transpose()?;
    let evidence = Evidence {
        bills: &bills,
        training,
        traffic: &traffic.unwrap_or_default(),
        naming: &naming,
        catalog: &case.facts.catalog,
    };
    let run = |text: &str| case.run(text);
    let done = calibrate::calibrate(&case.text, &run, &case.coefficients.all, &evidence)?;
    let options = case.options(held_out.first().copied(), held_out.last().copied());
    let compared = |plan: &Plan| {
        reconcile::reconcile(plan, &bills, &naming, &case.billing.not_billed_by_aws, options).ok()
    };
    let (old, new) = (compared(&before), compared(&run(&done.text)?));
    let error = |done: &Option<reconcile::Reconciliation>| {
        done.as_ref().and_then(|done| done.accuracy.as_ref()).map(|accuracy| accuracy.wape)
    };
    let names = |months: &[Month]| months.iter().map(ToString::to_string).collect();
    let outcome = content::calibrate::Outcome {
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
    answer_on_stdout(&content::calibrate::page(&outcome), &outcome, args.printed)
}

/// Reads real over planned sessions by month.
fn traffic(path: &std::path::Path, plan: &Plan) -> Result<BTreeMap<Month, f64>, Error> {
    let file = path.display().to_string();
    let words =
        Words { columns: "month,sessions", allow_gaps: "leave the months out of the bills" };
    let series =
        Series::parse_as(&file, &store::read_table(path, words.columns)?, Gaps::Refuse, words)?;
    let mut ratios = BTreeMap::new();
    for (moment, sessions) in series.moments.iter().zip(&series.values) {
        let Some(month) = Month::of(moment.date()) else { continue };
        let Some(planned) = plan.months.iter().find(|planned| planned.month == month) else {
            continue;
        };
        if ratios.insert(month, sessions / planned.traffic.sessions.max(1.0)).is_some() {
            let message = format!("{month} occurs twice; give one row per month");
            return Err(Error::at(Place::file(&file), message));
        }
    }
    Ok(ratios)
}
