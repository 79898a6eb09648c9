//! The command line: each command calls `store`, then a stage, then a writer. The only module that knows the terminal
//! and the clock.

use std::{
    ffi::OsString,
    hash::{BuildHasher, RandomState},
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    app::store::{self, PriceSource},
    error::{Error, Place},
    page::text,
};

mod actuals;
mod backtest;
mod calibrate;
mod commit;
mod compare;
mod explain;
mod fit;
mod forecast;
mod init;
mod limits;
mod manifests;
#[cfg(feature = "polars")]
mod merge;
mod open;
mod output;
mod plan;
mod prices;
mod rate;
mod reconcile;
mod report;
#[cfg(feature = "serve")]
mod serve;
mod simulate;
mod trials;
mod tune;

/// Plan AWS cost and capacity from user growth.
#[derive(Debug, Parser)]
#[command(name = "runrate", version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 something failed while running; 2 the command line, the \
scenario or an input file is wrong; 3 a check failed; 4 bills are missing or stale; 130 interrupted.\n\n\
Start with `runrate init`, then `runrate plan scenario.toml`.";

/// Where prices come from.
#[derive(Debug, clap::Args)]
struct PriceArgs {
    /// Read prices from this folder [default: the built-in price book]
    #[arg(long, value_name = "DIR")]
    prices: Option<PathBuf>,
}

impl PriceArgs {
    fn source(&self) -> PriceSource {
        self.prices.clone().map_or(PriceSource::Embedded, PriceSource::Folder)
    }
}

/// How to connect to AWS.
#[cfg(feature = "aws")]
#[derive(Debug, clap::Args)]
struct AwsArgs {
    /// Use this profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Send requests to this endpoint instead of AWS
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Try each request up to N times when AWS throttles or fails
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: u32,
    /// Wait this long before the first retry
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    backoff_ms: u64,
}

#[cfg(feature = "aws")]
impl AwsArgs {
    fn settings(&self, region: &str) -> crate::app::aws::Settings {
        crate::app::aws::Settings {
            region: region.to_owned(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            attempts: self.attempts,
            backoff_ms: self.backoff_ms,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented example scenario
    Init(init::Args),
    /// Write a scenario's settings as Kubernetes and Terraform manifests
    Manifests(manifests::Args),
    /// Plan the cost and capacity of a scenario
    Plan(plan::Args),
    /// Compare two scenarios, saved plans or git revisions
    Compare(compare::Args),
    /// Merge the parts that `plan --shard` wrote into one plan
    #[cfg(feature = "polars")]
    Merge(merge::Args),
    /// Recommend Savings Plans and reservations
    Commit(commit::Args),
    /// Recommend autoscaler and node pool settings
    Tune(tune::Args),
    /// List the user counts at which cost jumps or capacity ends
    Limits(limits::Args),
    /// Simulate one account's cluster tick by tick
    Simulate(simulate::Args),
    /// Serve a local page with sliders for the numbers of a scenario
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Explain one amount of a saved plan: price, usage, formula, inputs
    Explain(explain::Args),
    /// Price the usage lines of a file
    Rate(rate::Args),
    /// Write a plan as HTML, XLSX, PDF, Markdown, CSV, JSON and more
    Report(report::Args),
    /// Import, pull and list bills
    #[command(subcommand)]
    Actuals(actuals::Command),
    /// Compare a plan with bills
    Reconcile(reconcile::Args),
    /// Fit a scenario's coefficients to bills
    Calibrate(calibrate::Args),
    /// Score past forecasts against bills
    Backtest(backtest::Args),
    /// Extrapolate a history of traffic or users
    Forecast(forecast::Args),
    /// Show, compare and refresh the price book
    #[command(subcommand)]
    Prices(prices::Command),
    /// Print the JSON Schema of the scenario
    Schema,
    /// Print shell completions
    Completions {
        /// Print completions for this shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page per command
    Man {
        /// Write runrate.1 and one page per command to this folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Runs the command line and reports errors on stderr.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2: clap's own rule.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(cli.command).and_then(|()| unstopped()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let label = if color { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
            let mut stderr = std::io::stderr().lock();
            for problem in error.problems() {
                let problem = problem.to_string();
                let _ = writeln!(stderr, "{label} {}", text::printable(&problem));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Fails if Ctrl-C ended the work early: scripts must not mistake a part for the whole.
fn unstopped() -> Result<(), Error> {
    if trials::was_stopped() {
        return Err(Error::interrupted(
            "interrupted by Ctrl-C: the report covers the finished part, and no check was made",
        ));
    }
    Ok(())
}

fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Manifests(args) => manifests::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Compare(args) => compare::run(&args),
        #[cfg(feature = "polars")]
        Command::Merge(args) => merge::run(&args),
        Command::Commit(args) => commit::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Limits(args) => limits::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Rate(args) => rate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Actuals(command) => actuals::run(&command),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Forecast(args) => forecast::run(&args),
        Command::Prices(command) => prices::run(&command),
        Command::Schema => {
            let schema = crate::intent::scenario::schema::published();
            print(&pretty(&schema)?)
        }
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(
                shell,
                &mut <Cli as clap::CommandFactory>::command(),
                "runrate",
                &mut out,
            );
            print(&String::from_utf8_lossy(&out))
        }
        Command::Man { out } => {
            let pages = manual()?;
            match out {
                Some(folder) => store::write_folder(&folder, &pages, &["runrate*.1"]),
                None => print(&String::from_utf8_lossy(&pages[0].1)),
            }
        }
    }
}

/// Returns the manual pages by file name: the program's, then one per command.
fn manual() -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut program = <Cli as clap::CommandFactory>::command().disable_help_subcommand(true);
    // Gives each command its full name: runrate-actuals-import.
    program.build();
    let mut pages = Vec::new();
    write_pages(program, &mut pages).map_err(|error| failed(&error))?;
    Ok(pages)
}

fn write_pages(command: clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let subcommands: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    subcommands.into_iter().try_for_each(|command| write_pages(command, pages))
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::failed(Place::default(), error.to_string())
}

fn failed_with(message: &str) -> Error {
    Error::failed(Place::default(), message)
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| failed(&error))?;
    Ok(text::json(&text).into_owned() + "\n")
}

/// Writes data to stdout. A closed pipe (`| head`) is not an error.
fn print(text: &str) -> Result<(), Error> {
    let text = if color() { text::painted(text) } else { text::printable(text) };
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io(Place::default(), format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Returns a key that nobody can guess: the seeds of the standard library's hash maps come from the operating system,
/// and their keyed hash (`SipHash`) does not reveal them.
fn random_key() -> u128 {
    let seeds = RandomState::new();
    (u128::from(seeds.hash_one("first half")) << 64) | u128::from(seeds.hash_one("second half"))
}

/// Prints a message to stderr.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text::printable(text));
}

/// Returns whether stdout shows colors: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
fn color() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// Columns of a text that goes to no terminal.
const PAGE: usize = 120;

/// Returns the columns of the terminal, or a page's width when stdout is not a terminal.
fn width() -> usize {
    if !std::io::stdout().is_terminal() {
        return PAGE;
    }
    terminal_size::terminal_size().map_or(PAGE, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_manual_page_that_is_referred_to_is_written() {
        let pages: BTreeMap<String, Vec<u8>> = manual().unwrap().into_iter().collect();
        let mut references = 0;
        for (name, text) in &pages {
            let text = String::from_utf8_lossy(text).replace("\\-", "-");
            assert!(text.contains(&format!(".TH {} 1", name.trim_end_matches(".1"))), "{name}");
            for page in text.lines().filter_map(|line| line.strip_suffix("(1)")) {
                assert!(pages.contains_key(&format!("{page}.1")), "{name} refers to {page}(1)");
                references += 1;
            }
        }
        // Each page but the program's is referred to once, by the command above it.
        assert_eq!(references, pages.len() - 1);
        assert!(pages.contains_key("runrate-actuals-import.1"));
    }
}
