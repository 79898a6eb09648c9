//! `runrate forecast`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use super::{Format, pretty, print, say};
use crate::{
    app::store,
    bills::history::History,
    error::{Error, Place, Problem},
    measure::{
        calendar::parse_moment,
        series::{Gaps, Series, Words},
    },
    write::history as report,
};

/// Rows ahead of a series without seasons, unless said otherwise.
const ROWS_AHEAD: usize = 6;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV of `date,value`: requests by hour, users by quarter
    series: PathBuf,
    /// Rows ahead; a season of the series if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    ahead: Option<u32>,
    /// CSV of `date,name`: holidays and the like, past and to come
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
    /// Draw rows that are missing between their neighbours
    #[arg(long)]
    fill_gaps: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let history = read(&args.series, args.holidays.as_deref(), args.fill_gaps)?;
    let ahead = args.ahead.map_or_else(|| usual(&history), |rows| rows as usize);
    let place = || Place::file(&args.series.display().to_string());
    let steps = history.forecast(ahead).map_err(|message| Error::at(place(), message))?;
    match args.format {
        Format::Table => print(&report::steps(&steps, &history, history.score(ahead))),
        Format::Json => print(&pretty(&steps)?),
        Format::Csv => {
            if history.filled > 0 {
                say(&format!("{} rows were missing and are drawn in", history.filled));
            }
            print(&report::steps_csv(&steps))
        }
    }
}

/// A shortest season, or a few rows where there is none.
pub(super) fn usual(history: &History) -> usize {
    history.seasons().first().copied().unwrap_or(ROWS_AHEAD)
}

/// A series with its holidays.
pub(super) fn read(
    path: &Path,
    holidays: Option<&Path>,
    fill_gaps: bool,
) -> Result<History, Error> {
    let file = path.display().to_string();
    let words = Words { columns: "date,value", allow_gaps: "pass --fill-gaps" };
    let gaps = if fill_gaps { Gaps::Skip } else { Gaps::Refuse };
    let series = Series::parse_as(&file, &store::read_text(path)?, gaps, words)?;
    let holidays = holidays.map(read_holidays).transpose()?.unwrap_or_default();
    History::new(&series, holidays).map_err(|message| Error::at(Place::file(&file), message))
}

/// Dates with the number of what they are.
fn read_holidays(path: &Path) -> Result<BTreeMap<Date, usize>, Error> {
    let file = path.display().to_string();
    let text = store::read_text(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let (mut names, mut found, mut problems) = (Vec::<String>::new(), BTreeMap::new(), Vec::new());
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Error::at(Place::file(&file), error.to_string()))?;
        let (date, name) = (record.get(0).unwrap_or_default(), record.get(1).unwrap_or_default());
        let Some(moment) = parse_moment(date) else {
            if index > 0 {
                let line = record.position().map_or(0, |position| position.line() as usize);
                let message = format!("{date:?} is not a date; write 2027-12-25,Christmas");
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
        return Err(Error::at(Place::file(&file), "has no row of date,name"));
    }
    Ok(found)
}
