//! The number of trials of a command, and their progress on a terminal.

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
    error::{Error, ErrorKind},
    measure::units::percent_of_fraction,
    plan::{
        Plan,
        limits::{self, Request},
        simulate::{Prepared, Sample},
        trials::{self, Asked, Settings, Watch},
    },
};

/// Default number of trials.
const DEFAULT: u32 = 200;

/// Trials from which on the next limits are looked for: they take as long as ten trials.
const WITH_LIMITS: u32 = 20;

/// Default limit of `--until-stable`.
const MOST: u32 = 5_000;

/// How many trials to run.
#[derive(Debug, clap::Args)]
pub(super) struct TrialArgs {
    /// Run N trials in addition to the mid case; 1 runs only the mid case [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: Option<u32>,
    /// Run until the standard errors of P10, P50, P90 and the mean are below this share, such as 1%;
    /// --trials is then the limit [default: 5000]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    until_stable: Option<f64>,
}

/// Reads a percentage above 0 and up to 100, `1%` or `1`, as a share.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = percentage(text)?.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    number
        .map(|percent| percent / 100.0)
        .ok_or("expected a percentage above 0 and up to 100, such as 1%".into())
}

/// Reads a percentage of 0 or more, `15%` or `15`, as a share.
pub(super) fn percent_or_zero(text: &str) -> Result<f64, String> {
    let number = percentage(text)?.filter(|percent| (0.0..=10_000.0).contains(percent));
    number
        .map(|percent| percent / 100.0)
        .ok_or("expected a percentage from 0 to 10000, such as 15%".into())
}

/// Reads a number with or without the percent sign. A fraction without the sign is an error: it may mean either.
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
    /// Returns the number of trials, or their limit with `--until-stable`.
    pub(super) fn count(&self) -> u32 {
        self.trials.unwrap_or(if self.until_stable.is_some() { MOST } else { DEFAULT })
    }

    /// Returns whether a flag sets the trials.
    pub(super) fn asked(&self) -> bool {
        self.trials.is_some() || self.until_stable.is_some()
    }

    /// Returns whether only the mid case runs.
    pub(super) fn mid_only(&self) -> bool {
        self.count() < 2
    }

    /// Runs the mid case, and the trials for its spread.
    pub(super) fn plan(&self, prepared: &Prepared<'_>) -> Result<Plan, Error> {
        let mut plan = self.mid(prepared)?;
        if self.mid_only() {
            return Ok(plan);
        }
        let settings = Settings::new(prepared, &plan)?;
        let (samples, asked) = self.run(prepared)?;
        plan.spread = trials::spread(&plan, &samples, asked, &settings);
        Ok(plan)
    }

    /// Runs the mid case, and looks for the next limits if this is more than a quick look.
    pub(super) fn mid(&self, prepared: &Prepared<'_>) -> Result<Plan, Error> {
        let mut plan = prepared.run(0)?;
        if self.count() >= WITH_LIMITS {
            plan.limits = limits::find(prepared, Request::default())?;
        }
        Ok(plan)
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
                "interrupted before two trials were finished; nothing to report",
            ));
        }
        let note = self.note(prepared, &samples, stopped);
        Ok((samples, Asked { trials: count, note }))
    }

    /// Passes the numbers of the trials to a task that runs each of them `times` times, with a progress bar.
    pub(super) fn watch<T>(
        &self,
        times: u64,
        task: impl FnOnce(&[u32], Watch<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let count = self.count();
        // One trial is the mid case.
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
                "interrupted by Ctrl-C after {} of {} trials; the figures are of the finished trials",
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
                "No number of the scenario is a range, and user growth is certain, so the range covers only traffic noise, spot prices and interruptions. Write uncertain numbers as { low = …, mid = …, high = … }"
                    .to_owned(),
            );
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// A run of trials, with a progress bar on a terminal; Ctrl-C stops it.
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

    /// Counts other things than trials.
    pub(super) fn begin_with(count: u64, what: &str) -> Result<Self, Error> {
        let bar = ProgressBar::with_draw_target(Some(count), target());
        let style = format!(
            "{{pos}} of {{len}} {what} {{wide_bar}} {{eta}} left (Ctrl-C stops and reports)"
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

    /// Removes the bar and returns whether Ctrl-C stopped the run.
    pub(super) fn end(self) -> bool {
        self.bar.finish_and_clear();
        let stopped = self.stop.load(Ordering::SeqCst);
        STOPPED.fetch_or(stopped, Ordering::SeqCst);
        stopped
    }
}

/// Whether Ctrl-C ended work of this command early.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Returns whether the report covers only a part, because of Ctrl-C.
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

/// Returns the flag that the first Ctrl-C sets; the second ends the program.
fn interrupted() -> Result<Arc<AtomicBool>, Error> {
    static HEARD: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();
    if let Some(heard) = HEARD.get() {
        return Ok(Arc::clone(heard));
    }
    let heard = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&heard);
    ctrlc::set_handler(move || {
        if sets.swap(true, Ordering::SeqCst) {
            std::process::exit(ErrorKind::Interrupted.exit_code().into());
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
