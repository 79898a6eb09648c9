//! `runrate backtest`.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    fit::{Fit, Sources},
    forecast,
    output::{Format, Output, answer},
    say,
};
use crate::{
    bills::{
        actuals::MonthBill,
        backtest::{self, Guess, Method, Point, Scored},
        calibrate::{self, Evidence, LEAST_MONTHS},
        reconcile,
    },
    error::{Error, Place},
    measure::calendar::Month,
    page::content,
    plan::Plan,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    #[arg(required_unless_present = "series")]
    scenario: Option<PathBuf>,
    /// Score forecasts of this CSV (`date,value`) instead of bills
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "exports", "as_it_is", "prices"])]
    series: Option<PathBuf>,
    /// Read the holidays of the series from this CSV (`date,name`)
    #[arg(long, value_name = "FILE", requires = "series")]
    holidays: Option<PathBuf>,
    /// Fill missing rows of the series along the season; they are not scored
    #[arg(long, requires = "series")]
    fill_gaps: bool,
    #[command(flatten)]
    sources: Sources,
    /// Forecast N months ahead, or N rows of a series [default: 6 months, or one season]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    horizon: Option<u32>,
    /// Do not calibrate the scenario at each origin
    #[arg(long)]
    as_it_is: bool,
    #[command(flatten)]
    output: Output,
}

/// Months ahead unless said otherwise.
const MONTHS_AHEAD: u32 = 6;

/// Planned and billed consumption by account and month, in USD.
type Totals = BTreeMap<(String, Month), [f64; 2]>;

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let Some(scenario) = &args.scenario else { return series(args) };
    let horizon = args.horizon.unwrap_or(MONTHS_AHEAD) as usize;
    let case = Fit::open(scenario, &args.sources)?;
    let plan = case.run(&case.text)?;
    let all = case.whole_months(&args.sources, &plan)?;
    let bills = unbroken(&all);
    if bills.len() <= LEAST_MONTHS {
        let message = format!(
            "{} consecutive whole months are billed; a backtest needs {}",
            bills.len(),
            LEAST_MONTHS + 1
        );
        return Err(Error::actuals(Place::default(), message));
    }
    let (naming, options) = (case.naming(), case.options(None, None));
    let totals = |plan: &Plan| -> Result<Totals, Error> {
        let not_billed = &case.billing.not_billed_by_aws;
        let done = reconcile::reconcile(plan, bills, &naming, not_billed, options)
            .map_err(super::reconcile::gap)?;
        let sums = done.by(|cell| (cell.account.clone(), cell.month)).into_iter();
        Ok(sums.map(|(key, sum)| (key, [sum.planned.to_f64(), sum.billed.to_f64()])).collect())
    };
    let months: Vec<Month> = bills.iter().map(|bill| bill.month).collect();
    let run = |text: &str| case.run(text);
    let mut points = Vec::new();
    for origin in LEAST_MONTHS - 1..months.len() - 1 {
        let evidence = Evidence {
            bills,
            training: &months[..=origin],
            traffic: &BTreeMap::new(),
            naming: &naming,
            catalog: &case.facts.catalog,
        };
        let here = if args.as_it_is {
            totals(&plan)?
        } else {
            totals(&run(&calibrate::calibrate(
                &case.text,
                &run,
                &case.coefficients.all,
                &evidence,
            )?
            .text)?)?
        };
        add(&mut points, &here, (&months, origin, horizon), (&plan, bills));
    }
    let scores = backtest::scores(&points);
    let mut notes = vec![format!(
        "consumption by account ({}), origins {} to {}",
        options.metric.name(),
        months[LEAST_MONTHS - 1],
        months[months.len() - 2]
    )];
    if bills.len() < all.len() {
        notes.push(format!("months before {} are skipped: there is a gap", months[0]));
    }
    if !points.iter().any(|point| point.method == Method::Aws) {
        notes.push("no forecast of AWS's own was pulled in these months".into());
    }
    if args.output.printed.format == Format::Csv {
        say(&notes.join("; "));
    }
    let done = Scored { scores, guesses: points, notes };
    answer(&content::backtest::page(&done), &done, &args.output)
}

/// Forecasts of a series at its own past.
fn series(args: &Args) -> Result<(), Error> {
    let Some(path) = &args.series else { return Ok(()) };
    let series = forecast::read(path, args.holidays.as_deref(), args.fill_gaps)?;
    let ahead = args.horizon.map_or_else(|| forecast::usual(&series), |rows| rows as usize);
    let wrong = |message: String| Error::at(Place::file(&path.display().to_string()), message);
    let scores = series.score(ahead).map_err(wrong)?;
    answer(&content::forecast::scores_page(&scores, &series, ahead), &scores, &args.output)
}

/// Returns the last months without a gap between them.
fn unbroken(bills: &[MonthBill]) -> &[MonthBill] {
    let gap = bills.windows(2).rposition(|pair| pair[1].month.since(pair[0].month) != 1);
    &bills[gap.map_or(0, |gap| gap + 1)..]
}

/// Every method's guesses from one origin.
fn add(
    points: &mut Vec<Point>,
    totals: &Totals,
    (months, origin, horizon): (&[Month], usize, usize),
    (plan, bills): (&Plan, &[MonthBill]),
) {
    let accounts: std::collections::BTreeSet<&String> =
        totals.keys().map(|(account, _)| account).collect();
    for account in accounts {
        let of = |month: Month| totals.get(&(account.clone(), month)).copied().unwrap_or([0.0; 2]);
        let known: Vec<f64> = months[..=origin].iter().map(|month| of(*month)[1]).collect();
        let errors: Vec<f64> = months[..=origin]
            .iter()
            .map(|month| of(*month))
            .filter(|[_, billed]| *billed > 0.0)
            .map(|[planned, billed]| planned / billed - 1.0)
            .collect();
        let ids = |forecast: &crate::bills::actuals::Forecast| {
            let named = plan.accounts.iter().find(|own| own.id.as_ref() == Some(&forecast.account));
            named.map_or(&forecast.account, |own| &own.name) == account
        };
        for ahead in 1..=horizon {
            let Some(month) = months.get(origin + ahead) else { break };
            let [planned, billed] = of(*month);
            let mut guesses = backtest::naive(&known, ahead);
            let interval = backtest::around(planned, &errors, 1.0);
            guesses.push((Method::Runrate, Guess { mean: planned, interval }));
            let own = bills[origin].forecasts.iter();
            for forecast in own.filter(|forecast| forecast.month == *month && ids(forecast)) {
                let ends = forecast.low.zip(forecast.high);
                let interval = ends.map(|(low, high)| (low.to_f64(), high.to_f64()));
                let mean = forecast.mean.to_f64();
                guesses.push((Method::Aws, Guess { mean, interval }));
            }
            points.extend(guesses.into_iter().map(|(method, guess)| Point {
                account: account.clone(),
                origin: months[origin],
                month: *month,
                horizon: ahead as u32,
                method,
                guess,
                billed,
            }));
        }
    }
}
