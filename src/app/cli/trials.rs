//! How many trials a command runs, watched on a terminal.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failed;
use crate::{
    error::Error,
    measure::units::percent_of_fraction,
    plan::{
        Plan,
        simulate::{Prepared, Sample},
        trials::{self, Asked, Settings, Watch},
    },
};

/// Trials of a plan that names no number.
const DEFAULT: u32 = 200;

/// The most that `--until-stable` runs without a number.
const MOST: u32 = 5_000;

/// How a plan is made uncertain.
#[derive(Debug, clap::Args)]
pub(super) struct TrialArgs {
    /// Trials beside the mid-value line [default: 200]; 1 for that line alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: Option<u32>,
    /// Run until the standard errors of the total's P10, P50, P90 and mean are below this share of them,
    /// `1%`; --trials is then the most [default: 5000]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    until_stable: Option<f64>,
}

/// Reads a percentage above 0 and up to 100, `1%` or `1`, as a share.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = percentage(text)?.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    number
        .map(|percent| percent / 100.0)
        .ok_or("give a percentage above 0 and up to 100, 1%".into())
}

/// Reads a percentage of 0 or more, `15%` or `15`, as a share.
pub(super) fn percent_or_zero(text: &str) -> Result<f64, String> {
    let number = percentage(text)?.filter(|percent| (0.0..=10_000.0).contains(percent));
    number.map(|percent| percent / 100.0).ok_or("give a percentage from 0 to 10000, 15%".into())
}

/// A number with or without its sign; none where it is no number. A fraction without the sign is refused: it
/// may mean either.
fn percentage(text: &str) -> Result<Option<f64>, String> {
    let text = text.trim();
    let (number, signed) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), true),
        None => (text, false),
    };
    let number = number.parse::<f64>().ok();
    match number.and_then(percent_of_fraction) {
        Some(meant) if !signed => Err(format!(
            "{text} is less than 1 %; did you mean {meant}%? Write {text}% if it is less than 1 %"
        )),
        _ => Ok(number),
    }
}

impl TrialArgs {
    /// Trials that are asked for; at most so many where it is up to the figures.
    pub(super) fn count(&self) -> u32 {
        self.trials.unwrap_or(if self.until_stable.is_some() { MOST } else { DEFAULT })
    }

    /// Whether anything is asked of the trials.
    pub(super) fn asked(&self) -> bool {
        self.trials.is_some() || self.until_stable.is_some()
    }

    /// Whether the mid-value line is all.
    pub(super) fn mid_only(&self) -> bool {
        self.count() < 2
    }

    /// Puts the spread of the trials into the plan of the mid-value line.
    pub(super) fn add_spread(&self, prepared: &Prepared<'_>, plan: &mut Plan) -> Result<(), Error> {
        if self.mid_only() {
            return Ok(());
        }
        let settings = Settings::new(prepared, plan)?;
        let (samples, asked) = self.run(prepared)?;
        plan.spread = trials::spread(plan, &samples, asked, &settings);
        Ok(())
    }

    /// Runs some of the trials.
    #[cfg(feature = "polars")]
    pub(super) fn run_these(
        &self,
        prepared: &Prepared<'_>,
        trials: &[u32],
    ) -> Result<(Vec<Sample>, Asked), Error> {
        let watched = Watched::begin(trials.len() as u64)?;
        let samples = trials::run(prepared, trials, watched.watch())?;
        watched.end();
        let note = self.note(prepared, &samples, false);
        Ok((samples, Asked { trials: self.count(), note }))
    }

    fn run(&self, prepared: &Prepared<'_>) -> Result<(Vec<Sample>, Asked), Error> {
        let count = self.count();
        let watched = Watched::begin(u64::from(count))?;
        let samples = if let Some(share) = self.until_stable {
            trials::run_until_stable(prepared, count, share, watched.watch())?
        } else {
            let trials: Vec<u32> = (1..=count).collect();
            trials::run(prepared, &trials, watched.watch())?
        };
        let stopped = watched.end();
        if stopped && samples.len() < 2 {
            return Err(super::failed_with(
                "stopped before two trials were done; nothing to report",
            ));
        }
        let note = self.note(prepared, &samples, stopped);
        Ok((samples, Asked { trials: count, note }))
    }

    /// Gives the numbers of the trials to something that runs each of them so many times, watched.
    pub(super) fn watch<T>(
        &self,
        times: u64,
        task: impl FnOnce(&[u32], Watch<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let count = self.count();
        // One trial is the mid-value line.
        let trials: Vec<u32> = if count < 2 { vec![0] } else { (1..=count).collect() };
        let watched = Watched::begin(trials.len() as u64 * times)?;
        let done = task(&trials, watched.watch());
        watched.end();
        done
    }

    fn note(&self, prepared: &Prepared<'_>, samples: &[Sample], stopped: bool) -> Option<String> {
        let mut notes = Vec::new();
        if stopped {
            notes.push(format!(
                "stopped by Ctrl-C after {} of {} trials; the figures are those of the trials that were finished",
                samples.len(),
                self.count()
            ));
        } else if let Some(share) = self.until_stable {
            let error = trials::relative_error(&trials::totals(samples));
            let reached = if error <= share { "reached" } else { "not reached" };
            notes.push(format!(
                "{} trials; a standard error of {} % was {reached} ({:.2} %)",
                samples.len(),
                share * 100.0,
                error * 100.0
            ));
        }
        if !prepared.scenario().is_uncertain() {
            notes.push(
                "no number of the scenario is a range and users keep to their curve: the spread is that of traffic noise, spot prices and interruptions alone. Write what you do not know as { low = …, mid = …, high = … }"
                    .to_owned(),
            );
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// A run of trials: a bar on a terminal, and an ear for Ctrl-C.
pub(super) struct Watched {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    done: Box<dyn Fn() + Sync>,
    stops: Box<dyn Fn() -> bool + Sync>,
}

impl Watched {
    pub(super) fn begin(trials: u64) -> Result<Self, Error> {
        Self::begin_with(trials, "trials")
    }

    /// Counts something else than trials.
    pub(super) fn begin_with(count: u64, what: &str) -> Result<Self, Error> {
        let bar = ProgressBar::with_draw_target(Some(count), target());
        let style = format!(
            "{{pos}} of {{len}} {what} {{wide_bar}} {{eta}} left, Ctrl-C to stop and report"
        );
        bar.set_style(ProgressStyle::with_template(&style).map_err(|error| failed(&error))?);
        bar.enable_steady_tick(Duration::from_millis(250));
        let stop = interrupted()?;
        stop.store(false, Ordering::SeqCst);
        let (ticks, ears) = (bar.clone(), Arc::clone(&stop));
        let done = Box::new(move || ticks.inc(1));
        let stops = Box::new(move || ears.load(Ordering::SeqCst));
        Ok(Self { bar, stop, done, stops })
    }

    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { done: &*self.done, stop: &*self.stops }
    }

    /// Takes the bar away; whether Ctrl-C was heard.
    pub(super) fn end(self) -> bool {
        self.bar.finish_and_clear();
        let stopped = self.stop.load(Ordering::SeqCst);
        STOPPED.fetch_or(stopped, Ordering::SeqCst);
        stopped
    }
}

/// Whether Ctrl-C ended some work of this command early.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Whether what is reported is only what was finished when Ctrl-C was heard.
pub(super) fn was_stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;

/// Set by the first Ctrl-C; the second ends the program as it always does.
fn interrupted() -> Result<Arc<AtomicBool>, Error> {
    static HEARD: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();
    if let Some(heard) = HEARD.get() {
        return Ok(Arc::clone(heard));
    }
    let heard = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&heard);
    ctrlc::set_handler(move || {
        if sets.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
    })
    .map_err(|error| failed(&error))?;
    Ok(Arc::clone(HEARD.get_or_init(|| heard)))
}

#[cfg(test)]
mod tests {
    use super::{percent, percent_or_zero};

    #[test]
    fn percentages_are_read_with_or_without_their_sign() {
        assert_eq!(percent("1%"), Ok(0.01));
        assert_eq!(percent(" 0.5 % "), Ok(0.005));
        for wrong in ["0", "-1%", "101", "one", "", "%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
        assert_eq!(percent_or_zero("0"), Ok(0.0));
    }

    #[test]
    fn a_fraction_without_its_sign_is_refused_with_what_was_meant() {
        for (text, meant) in [("0.27", "27%"), ("0.15", "15%"), ("0.005", "0.5%")] {
            for read in [percent, percent_or_zero] {
                let wrong = read(text).unwrap_err();
                assert!(wrong.contains(&format!("did you mean {meant}?")), "{wrong}");
            }
            let signed = format!("{text}%");
            assert_eq!(percent(&signed), Ok(text.parse::<f64>().unwrap() / 100.0));
        }
    }
}
