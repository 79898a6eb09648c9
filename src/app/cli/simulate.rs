//! `runrate simulate`.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    open::Opener,
    output::{Output, Printed, answer_with_rows},
    pretty, say,
};
use crate::{
    app::store,
    error::{Error, Place},
    measure::{calendar::Month, series::Gaps},
    page::{
        content::{simulate, traced},
        figure,
    },
    plan::simulate::{
        Replay,
        trace::{Request, Trace},
    },
    write::trace,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    /// Month to simulate, such as 2027-03 [default: the first of the plan]
    #[arg(long, value_name = "MONTH", value_parser = month)]
    at: Option<Month>,
    /// Number of days to simulate [default: 7, or the whole load file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    days: Option<u32>,
    /// Length of a tick: 15s (as the controllers work), 30s or 60s
    #[arg(long, value_name = "TIME", value_parser = tick, default_value = "15s")]
    tick: u32,
    /// Account to simulate [default: the first]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Replay the load of this CSV: `time` and `requests_per_second`, `requests_per_minute`,
    /// `requests_per_hour` or `sessions_per_minute`
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// Class of requests in the load file [default: all classes, in their usual shares]
    #[arg(long, value_name = "NAME", requires = "load")]
    class: Option<String>,
    /// Fill missing rows of the load file with the last value
    #[arg(long, requires = "load")]
    hold_gaps: bool,
    /// Trial to run, by its number: it draws ranges, noise, latencies and interruptions; 0 is the mid case
    #[arg(long, value_name = "N", default_value_t = 0)]
    trial: u32,
    /// Write trace.csv, trace.parquet, events.csv, summary.json and trace.svg to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the chart as trace.png too
    #[arg(long, requires = "out")]
    png: bool,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|_| "expected a month, such as 2027-03".to_owned())
}

fn tick(text: &str) -> Result<u32, String> {
    match text {
        "15s" | "15" => Ok(15),
        "30s" | "30" => Ok(30),
        "60s" | "60" | "1m" => Ok(60),
        _ => Err("expected 15s, 30s or 60s".into()),
    }
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let trace = make(args)?;
    if let Some(folder) = &args.out {
        let files = files(&trace, args.png)?;
        let count = files.len();
        store::write_folder(folder, &files, &["trace.parquet", "trace.png"])?;
        say(&format!("wrote {count} files to {}", folder.display()));
    }
    let ticks = || String::from_utf8_lossy(&trace::ticks_csv(&trace)).into_owned();
    let output = Output { printed: args.printed, out: None };
    answer_with_rows(|| simulate::page(&trace), &simulate::summary(&trace), ticks, &output)
}

fn make(args: &Args) -> Result<Trace, Error> {
    let case = Opener::new(&args.prices)?.case(&args.scenario)?;
    let load = args.load.as_deref().map(|path| replay(args, path, &case.scenario)).transpose()?;
    let request = Request {
        account: args.account.clone(),
        at: args.at,
        days: args.days,
        tick_seconds: args.tick,
        load,
        trial: args.trial,
    };
    case.prepared()?.trace(&request)
}

fn replay(
    args: &Args,
    path: &Path,
    scenario: &crate::intent::scenario::Scenario,
) -> Result<Replay, Error> {
    let text = store::read_table(path, "time,requests_per_second")?;
    let gaps = if args.hold_gaps { Gaps::Skip } else { Gaps::Refuse };
    let classes = (&scenario.traffic.classes, args.class.as_deref());
    Replay::parse(&path.display().to_string(), &text, classes, gaps)
}

/// Returns the files of a trace; tables on one thread, pictures on the other.
fn files(trace: &Trace, png: bool) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let failed =
        |name: &'static str| move |message: String| Error::failed(Place::file(name), message);
    let (tables, pictures) = rayon::join(
        || (trace::ticks_csv(trace), trace::events_csv(trace)),
        || {
            let picture = traced::figure(trace);
            let svg = figure::file(&picture).map_err(failed("trace.svg"))?;
            #[cfg(feature = "polars")]
            let parquet = Some(trace::ticks_parquet(trace).map_err(failed("trace.parquet"))?);
            #[cfg(not(feature = "polars"))]
            let parquet = None::<Vec<u8>>;
            let png = png.then(|| figure::png(&picture).map_err(failed("trace.png")));
            Ok::<_, Error>((svg, parquet, png.transpose()?))
        },
    );
    let (svg, parquet, png) = pictures?;
    let mut files = vec![
        ("trace.csv", tables.0),
        ("events.csv", tables.1.into_bytes()),
        ("summary.json", pretty(&simulate::summary(trace))?.into_bytes()),
        ("trace.svg", svg.into_bytes()),
    ];
    files.extend(parquet.map(|parquet| ("trace.parquet", parquet)));
    files.extend(png.map(|png| ("trace.png", png)));
    Ok(files)
}
