//! `runrate simulate`.

use std::path::{Path, PathBuf};

use super::{Format, PriceArgs, open::Opener, pretty, print, say};
use crate::{
    app::store,
    error::{Error, Place},
    measure::{calendar::Month, series::Gaps},
    page::trace_chart,
    plan::simulate::{
        Replay,
        trace::{Request, Trace},
    },
    write::trace,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file
    scenario: PathBuf,
    /// Month to look at, 2027-03; the plan's first if left out
    #[arg(long, value_name = "MONTH", value_parser = month)]
    at: Option<Month>,
    /// Days from its first on; 7, or all of a load file, if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    days: Option<u32>,
    /// Length of a tick: 15s, as the controllers work, 30s or 60s
    #[arg(long, value_name = "TIME", value_parser = tick, default_value = "15s")]
    tick: u32,
    /// Account to look at; the first if left out
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// CSV of a real load in place of the model's: `time,requests_per_second`, or
    /// `requests_per_minute`, `requests_per_hour`, `sessions_per_minute`
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// Class of requests that the load file counts
    #[arg(long, value_name = "NAME", requires = "load")]
    class: Option<String>,
    /// Rows missing in the load file: the last value holds
    #[arg(long, requires = "load")]
    hold_gaps: bool,
    /// Trial to run, by its number: another draw of ranges, noise, latencies and interruptions; 0 is the
    /// mid-value line
    #[arg(long, value_name = "N", default_value_t = 0)]
    trial: u32,
    /// Folder for trace.csv, trace.parquet, events.csv, summary.json and trace.svg
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also write the chart as trace.png
    #[arg(long, requires = "out")]
    png: bool,
    /// What to print: a summary, the summary for programs, or every tick
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    prices: PriceArgs,
}

fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|_| "give a month, 2027-03".to_owned())
}

fn tick(text: &str) -> Result<u32, String> {
    match text {
        "15s" | "15" => Ok(15),
        "30s" | "30" => Ok(30),
        "60s" | "60" | "1m" => Ok(60),
        _ => Err("give 15s, 30s or 60s".into()),
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
    match args.format {
        Format::Table => print(&trace::render(&trace)),
        Format::Json => print(&pretty(&trace::summary(&trace))?),
        Format::Csv => print(&String::from_utf8_lossy(&trace::ticks_csv(&trace))),
    }
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
    let text = store::read_text(path)?;
    let gaps = if args.hold_gaps { Gaps::Skip } else { Gaps::Refuse };
    let classes = (&scenario.traffic.classes, args.class.as_deref());
    Replay::parse(&path.display().to_string(), &text, classes, gaps)
}

/// The files of a trace; tables on one thread, pictures on the other.
fn files(trace: &Trace, png: bool) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let failed =
        |name: &'static str| move |message: String| Error::failed(Place::file(name), message);
    let (tables, pictures) = rayon::join(
        || (trace::ticks_csv(trace), trace::events_csv(trace)),
        || {
            let svg = trace_chart::svg(trace).map_err(failed("trace.svg"))?;
            #[cfg(feature = "polars")]
            let parquet = Some(trace::ticks_parquet(trace).map_err(failed("trace.parquet"))?);
            #[cfg(not(feature = "polars"))]
            let parquet = None::<Vec<u8>>;
            let png = png.then(|| trace_chart::png(trace).map_err(failed("trace.png")));
            Ok::<_, Error>((svg, parquet, png.transpose()?))
        },
    );
    let (svg, parquet, png) = pictures?;
    let mut files = vec![
        ("trace.csv", tables.0),
        ("events.csv", tables.1.into_bytes()),
        ("summary.json", pretty(&trace::summary(trace))?.into_bytes()),
        ("trace.svg", svg.into_bytes()),
    ];
    files.extend(parquet.map(|parquet| ("trace.parquet", parquet)));
    files.extend(png.map(|png| ("trace.png", png)));
    Ok(files)
}
