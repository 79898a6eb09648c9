//! `runrate forecast`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use super::{
    output::{Format, Output, answer},
    say,
};
use crate::{
    app::store,
    bills::history::History,
    error::{Error, Place, Problem},
    measure::{
        calendar::parse_moment,
        series::{Gaps, Series, Words},
        units::count,
    },
    page::content::forecast,
};

/// Default number of rows to forecast of a series without seasons.
const ROWS_AHEAD: usize = 6;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this CSV of `date,value`, such as requests by hour or users by quarter
    series: PathBuf,
    /// Forecast N rows ahead [default: one season of the series]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    ahead: Option<u32>,
    /// Read past and future holidays from this CSV (`date,name`)
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
    /// Fill missing rows and empty cells along the season
    #[arg(long)]
    fill_gaps: bool,
    /// Give intervals that hold these shares of outcomes, such as 50,80,95
    #[arg(
        long, value_name = "PERCENT", value_delimiter = ',', default_value = "80",
        value_parser = clap::value_parser!(u8).range(1..=99)
    )]
    level: Vec<u8>,
    /// Limit that growth approaches and no value exceeds, such as all users in a market
    #[arg(long, value_name = "VALUE", value_parser = limit)]
    limit: Option<f64>,
    #[command(flatten)]
    output: Output,
}

fn limit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(limit) if limit.is_finite() && limit > 0.0 => Ok(limit),
        _ => Err("expected a number above 0".into()),
    }
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let mut history = read(&args.series, args.holidays.as_deref(), args.fill_gaps)?;
    if let Some(limit) = args.limit {
        let place = || Place::file(&args.series.display().to_string());
        let message = |message| Error::at(place(), format!("--limit: {message}. Raise the limit"));
        history = history.with_limit(limit).map_err(message)?;
    }
    let ahead = args.ahead.map_or_else(|| usual(&history), |rows| rows as usize);
    let mut levels: Vec<f64> = Vec::new();
    for level in args.level.iter().map(|percent| f64::from(*percent) / 100.0) {
        if !levels.contains(&level) {
            levels.push(level);
        }
    }
    let (found, scores) = history.forecast_and_score(ahead, &levels);
    if args.output.printed.format == Format::Csv && history.filled > 0 {
        say(&format!("filled {} along the season", count(history.filled, "missing row")));
    }
    answer(&forecast::page(&found, &history, scores), &found, &args.output)
}

/// Returns the shortest season, or a few rows if there is none.
pub(super) fn usual(history: &History) -> usize {
    history.seasons().first().copied().unwrap_or(ROWS_AHEAD)
}

/// Reads a series with its holidays.
pub(super) fn read(
    path: &Path,
    holidays: Option<&Path>,
    fill_gaps: bool,
) -> Result<History, Error> {
    let file = path.display().to_string();
    let words = Words { columns: "date,value", allow_gaps: "pass --fill-gaps" };
    let gaps = if fill_gaps { Gaps::Skip } else { Gaps::Refuse };
    let series = Series::parse_as(&file, &store::read_table(path, words.columns)?, gaps, words)?;
    let holidays = holidays.map(read_holidays).transpose()?.unwrap_or_default();
    History::new(&series, holidays).map_err(|message| Error::at(Place::file(&file), message))
}

/// Reads dates, each with the number of its holiday.
fn read_holidays(path: &Path) -> Result<BTreeMap<Date, usize>, Error> {
    let file = path.display().to_string();
    let text = store::read_table(path, "date,name")?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let (mut names, mut found, mut problems) = (Vec::<String>::new(), BTreeMap::new(), Vec::new());
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Error::csv(&file, &error))?;
        let (date, name) = (record.get(0).unwrap_or_default(), record.get(1).unwrap_or_default());
        let Some(moment) = parse_moment(date) else {
            if index > 0 {
                let line = record.position().map_or(0, |position| position.line() as usize);
                let message =
                    format!("{date:?} is not a date; write a row like 2027-12-25,Christmas");
                problems.push(Problem::new(Place::line(&file, line), message));
            }
            continue;
        };
        let known = names.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        found.insert(moment.date(), number);
    }
    if !problems.is_empty() {
        return Err(Error::input(problems));
    }
    if found.is_empty() {
        return Err(Error::at(Place::file(&file), "has no row of the form date,name"));
    }
    Ok(found)
}
