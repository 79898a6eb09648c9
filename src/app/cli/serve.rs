//! `runrate serve`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;

use super::{
    PriceArgs, failed, failed_with,
    open::{self, Opener},
    print, random_key, say,
};
use crate::{
    advice::tune::Tuned,
    app::{
        serve::{self, App, File, Reports, Settings},
        store,
    },
    error::Error,
    intent::scenario::Scenario,
    page::content::{self, Beside},
    plan::Plan,
    write::{
        self,
        format::{Format, Report},
        html,
    },
};

mod listener;

/// Default port.
const PORT: u16 = 8383;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    /// Compare with this scenario [default: a copy of the first, to change]
    second: Option<PathBuf>,
    /// Listen on this port of 127.0.0.1; 0 takes any free port
    #[arg(long, value_name = "N", default_value_t = PORT, value_parser = port)]
    port: u16,
    /// Let the page save values to the scenario file; comments are kept
    #[arg(long)]
    write: bool,
    /// Run N trials for the range and for reports; 1 runs only the mid case
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    trials: u32,
    /// Show this result of `tune` (tune.json of `tune --out`)
    #[arg(long, value_name = "FILE")]
    tuned: Option<PathBuf>,
    #[command(flatten)]
    prices: PriceArgs,
}

/// 0, or a port that needs no rights of its own and that no address leaves out.
fn port(text: &str) -> Result<u16, String> {
    const LEAST: u16 = 1024;
    let port = text.parse::<u16>().ok().filter(|port| *port == 0 || *port >= LEAST);
    port.ok_or_else(|| "expected a port from 1024 to 65535, or 0 for any free port".into())
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let opener = Opener::new(&args.prices)?;
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut digests: Vec<(&Path, String)> = Vec::new();
    for path in std::iter::once(&args.scenario).chain(&args.second) {
        let (scenario, inputs) = store::load_scenario(path, &opener.catalog)?;
        digests.push((path, inputs.sha256));
        scenarios.push(scenario);
    }
    let facts = opener.facts(&scenarios.iter().collect::<Vec<_>>())?;
    let tuned = args.tuned.as_deref().map(open::tuned).transpose()?;
    if let (Some(path), Some(tuned)) = (&args.tuned, &tuned)
        && let Some(text) = strange(path, tuned, &digests)
    {
        say(&text);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let done = runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", args.port)).await;
        let listener = listener.map_err(|error| unbound(args.port, &error))?;
        let port = listener.local_addr().map_err(|error| failed(&error))?.port();
        let settings = Settings { port, write: args.write, trials: args.trials, key: random_key() };
        let paths = (&*args.scenario, args.second.as_deref());
        let app = Arc::new(App::new(paths, facts, settings, reports(tuned)?)?);
        answer(listener, app, &settings.door()).await
    });
    // A report that nobody waits for must not delay the end.
    runtime.shutdown_background();
    done
}

/// Returns a warning if the result of `tune` belongs to none of the scenarios.
fn strange(path: &Path, tuned: &Tuned, scenarios: &[(&Path, String)]) -> Option<String> {
    const SHORT: usize = 12;
    let short = |digest: &str| digest.chars().take(SHORT).collect::<String>();
    let of = &tuned.made_from.scenario_sha256;
    if scenarios.iter().any(|(_, digest)| digest == of) {
        return None;
    }
    let told =
        |(path, digest): &(&Path, String)| format!("{} is {}", path.display(), short(digest));
    let own: Vec<String> = scenarios.iter().map(told).collect();
    Some(format!(
        "warning: {} belongs to another scenario: it was tuned on {}, but {}. It is shown at /tuned and not added to reports; run `runrate tune` again",
        path.display(),
        short(of),
        own.join(", ")
    ))
}

fn unbound(port: u16, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        let message = format!(
            "127.0.0.1:{port} is in use; stop the program that uses it, or pass --port {}, or --port 0 for any free port",
            port.saturating_add(1)
        );
        return failed_with(&message);
    }
    failed_with(&format!("cannot listen on 127.0.0.1:{port}: {error}"))
}

/// Answers requests until Ctrl-C.
async fn answer(listener: TcpListener, app: Arc<App>, door: &str) -> Result<(), Error> {
    /// Time to finish answers.
    const GRACE: Duration = Duration::from_secs(2);
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    print(&format!("http://{address}{door}\n"))?;
    say("Press Ctrl-C to stop");
    let (ended, has_ended) = tokio::sync::watch::channel(false);
    let closing = Arc::clone(&app);
    let late = async move {
        stopped().await;
        closing.close();
        let _ = ended.send(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = listener::answer(listener, serve::router(app), has_ended) => {}
        () = late => {}
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut asked) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = asked.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Returns the writer of reports.
fn reports(tuned: Option<Tuned>) -> Result<Reports, Error> {
    let facts = store::model()?;
    let formats = Format::ALL.iter().map(|format| format.name()).collect();
    let page = tuned.as_ref().map(|tuned| html::render(&content::tuned::page(tuned)));
    let page = page.transpose().map_err(|message| failed_with(&message))?;
    let shown = tuned;
    let write = move |format: &str, plan: &Plan| {
        let format = Format::of(format)
            .ok_or_else(|| failed_with(&format!("unknown report format {format:?}")))?;
        // Of other values, or of another file, nothing was tuned.
        let of = &plan.made_from.scenario_sha256;
        let own = shown.as_ref().filter(|tuned| tuned.made_from.scenario_sha256 == *of);
        let beside = Beside { tuned: own, ..Beside::default() };
        let files = Report::new(plan, beside, &facts)
            .files(format)
            .map_err(|message| failed_with(&format!("{} report: {message}", format.name())))?;
        // Of tables one by one, the ledger is what a download gives.
        let first = files.into_iter().next();
        let write::format::File { name, media_type, bytes } =
            first.ok_or_else(|| failed_with("the report is empty"))?;
        Ok(File { content_type: media_type, name, bytes })
    };
    Ok(Reports { formats, write: Box::new(write), tuned: page })
}

#[cfg(test)]
mod tests {
    use super::{port, random_key};

    #[test]
    fn no_two_runs_have_one_key() {
        let keys: std::collections::BTreeSet<u128> = (0..100).map(|_| random_key()).collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| key >> 64 != key & u128::from(u64::MAX)));
    }

    #[test]
    fn ports_are_free_ones_or_any() {
        assert_eq!(port("0"), Ok(0));
        assert_eq!(port("1024"), Ok(1024));
        for wrong in ["80", "65536", "-1", "http", ""] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }
}
