//! Which settings to run: candidates on the same luck, a frontier of cost and risk, the point on it to
//! recommend, and why.
//!
//! ```text
//! [tune] ─► space (knobs) ─► search ─► archive (every trial once) ─► choose ─► confirm ─► Tuned
//! ```
//! An evaluation is one candidate in one trial over all months looked at. Risk on the frontier is late minutes:
//! minutes in which a workload is asked for more than it can serve, or its p95 is above its bound, summed over
//! workloads. The other terms are kept beside it and held by limits.
//!
//! # Limits
//! What no term of risk speaks against, a search takes to its cheapest end: fewer logs, shorter retention. Such
//! knobs are not among the defaults. Too small a database does not slow the pods, as in the plan.

use serde::{Deserialize, Serialize};

use crate::facts::model::{self, Model};
use crate::{
    error::{Error, Place},
    intent::scenario::{
        key::Key,
        tuning::{Slo, Tuning},
    },
    measure::calendar::Month,
    plan::{
        Provenance,
        simulate::{Late, Prepared, Strain, View},
        trials::Watch,
    },
};

pub(crate) mod archive;
pub(crate) mod choose;
pub(crate) mod confirm;
pub(crate) mod measure;
pub(crate) mod rank;
pub(crate) mod search;
pub(crate) mod space;
mod state;

use archive::Archive;
use confirm::{Against, Bout, Days, Strained};
use measure::{Estimate, Length, Limit, Limits, Measures};
use search::Effort;
use space::{Candidate, DefaultKnob, Space};
pub use state::State;

/// Candidates between which more trials decide.
const RIVALS: usize = 8;

/// Number of the document's shape.
pub const SCHEMA: u32 = 1;

/// `models/tune.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    search: SearchDefaults,
    strain: Vec<NamedStrain>,
    knob: Vec<DefaultKnob>,
}

impl Model for Defaults {
    const FILES: &'static [&'static str] = &["tune.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchDefaults {
    evaluations: u32,
    trials: u32,
    fresh_trials: u32,
    months: u32,
    late_p95_factor: f64,
    late_minutes_per_month: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedStrain {
    name: String,
    strain: Strain,
}

/// What is asked, beside the scenario's `[tune]` table, which it goes before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The account.
    pub account: Option<String>,
    /// Evaluations of the search.
    pub evaluations: Option<u32>,
    /// Trials of a candidate that gets to the end.
    pub trials: Option<u32>,
    /// Trials for what is recommended.
    pub fresh: Option<u32>,
}

/// A knob as the document tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Its key.
    pub key: String,
    /// Where it stands in the scenario.
    pub stands: String,
    /// Its values.
    pub values: Vec<String>,
    /// Today's.
    pub today: String,
    /// Whether the scenario asks for it; from the model's list, if not.
    pub asked: bool,
}

/// How far a candidate got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// None beats it.
    Front,
    /// Ran all trials.
    Whole,
    /// Stopped early.
    Stopped,
    /// Contradicts itself.
    Impossible,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// One value of each knob.
    pub settings: Vec<String>,
    /// Trials it ran.
    pub trials: u32,
    /// How far it got.
    pub fate: Fate,
    /// What it comes to.
    pub measures: Measures,
    /// What it saves against today in the same trials [USD a month].
    pub saves: Estimate,
    /// Late minutes that it adds [a month].
    pub adds_late_minutes: Estimate,
    /// What is asked for and missed, or what it contradicts.
    pub broken: Vec<String>,
}

/// A setting of the tuned scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Where it stands in the scenario.
    pub key: String,
    /// Its new value.
    pub value: toml::Value,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the plan is called.
    pub name: String,
    /// What it was made from.
    pub made_from: Provenance,
    /// The account whose settings were changed; costs are those of all accounts.
    pub account: String,
    /// First and last month looked at.
    pub months: [Month; 2],
    /// Trials of a candidate that got to the end.
    pub trials: u32,
    /// Evaluations that the search was allowed.
    pub evaluations_asked: u64,
    /// Evaluations of the search, and those for the choice after it.
    pub evaluations: u64,
    /// Whether every candidate was looked at.
    pub exhaustive: bool,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// When a minute is late, in words.
    pub late: String,
    /// What the scenario asks for.
    pub slo: Slo,
    /// What was held.
    pub limits: Vec<Limit>,
    /// The knobs.
    pub knobs: Vec<Told>,
    /// Whether any candidate meets what is asked for.
    pub feasible: bool,
    /// Today's settings.
    pub today: Point,
    /// The recommended ones; the nearest to what is asked for, where none meets it.
    pub recommended: Point,
    /// What it changes in the scenario.
    pub changes: Vec<Setting>,
    /// What each change buys and costs.
    pub why: Vec<choose::Why>,
    /// Those that none beats, in rising order of cost.
    pub front: Vec<Point>,
    /// In trials that the search has not seen; none where nothing is better than today.
    pub fresh: Option<Against>,
    /// When things come worse.
    pub sensitivity: Vec<Strained>,
    /// The busiest day, today and as recommended.
    pub days: Option<Days>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// All candidates, cheapest first.
    pub candidates: Vec<Point>,
}

/// How a run is watched, and what it begins with.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "borrowed functions")]
pub struct Desk<'a> {
    /// Told of each evaluation, asked whether to go on.
    pub watch: Watch<'a>,
    /// The state of an earlier run.
    pub earlier: Option<&'a State>,
    /// Told the state after each batch.
    pub save: &'a dyn Fn(&State) -> Result<(), Error>,
}

/// A run, ready to begin.
#[derive(Debug)]
pub struct Setup<'a> {
    prepared: &'a Prepared<'a>,
    defaults: &'a Defaults,
    space: Space,
    view: View,
    effort: Effort,
    fresh: u32,
    slo: Slo,
}

impl<'a> Setup<'a> {
    /// Reads what is asked.
    ///
    /// # Errors
    /// Every knob that turns nothing and every value that is refused; numbers that leave nothing to do.
    pub fn new(
        prepared: &'a Prepared<'a>,
        defaults: &'a Defaults,
        request: &Request,
    ) -> Result<Self, Error> {
        let scenario = prepared.scenario();
        let nothing = Tuning::default();
        let tune = scenario.tune.as_ref().unwrap_or(&nothing);
        let account = space::account(scenario, request.account.as_deref())?;
        let space = Space::of(scenario, account, &defaults.knob, &prepared.facts().catalog)?;
        let plan = &scenario.plan;
        let usual = &defaults.search;
        let (first, months) = match (tune.from, tune.months) {
            (Some(from), months) => {
                let first = from.since(plan.start) as u32;
                (first, months.unwrap_or(usual.months).min(plan.months - first))
            }
            (None, months) => {
                let months = months.unwrap_or(usual.months).min(plan.months);
                (plan.months - months, months)
            }
        };
        let late = Late { p95_ms: tune.slo.max_p95_ms, factor: usual.late_p95_factor };
        let view = View { account, first, months, late, strain: Strain::default() };
        let days: usize = (first..first + months).map(|index| plan.start.plus(index).days()).sum();
        let trials = request.trials.or(tune.trials).unwrap_or(usual.trials);
        let evaluations = request.evaluations.or(tune.evaluations).unwrap_or(usual.evaluations);
        if evaluations <= trials {
            let place = Place { key: Some("--evaluations".into()), ..Place::default() };
            let message = format!(
                "{evaluations} leave none beside today's {trials} trials; give more, or fewer --trials"
            );
            return Err(Error::at(place, message));
        }
        let effort = Effort {
            evaluations: u64::from(evaluations),
            trials: trials as usize,
            seed: plan.seed,
            length: Length { months: f64::from(months), days: days as f64 },
            asked: Limits::asked(&tune.slo, usual.late_minutes_per_month),
        };
        let fresh = request.fresh.unwrap_or(usual.fresh_trials);
        Ok(Self { prepared, defaults, space, view, effort, fresh, slo: tune.slo })
    }

    /// Evaluations at most, with those for what is recommended.
    pub fn evaluations(&self) -> u64 {
        let strained = 2 * self.defaults.strain.len() as u64 * u64::from(self.fresh);
        let fresh = (RIVALS as u64 + 2) * u64::from(self.fresh);
        self.effort.evaluations + fresh + strained
    }

    /// Runs it.
    ///
    /// # Errors
    /// A state of something else; what fails for today's settings too.
    pub fn run(&self, desk: Desk<'_>) -> Result<Tuned, Error> {
        let mine = self.state(Vec::new());
        let earlier = match desk.earlier {
            Some(state) => state.of_same(&mine)?,
            None => Vec::new(),
        };
        let save = |kept: &[archive::Kept]| (desk.save)(&self.state(kept.to_vec()));
        let what = (self.prepared, &self.space, self.view);
        let mut archive =
            Archive::new(what, self.effort.trials as u32, earlier, (desk.watch, &save));
        let whole = search::run(&mut archive, &self.space, &self.effort)?;
        let best = if whole { self.best(&mut archive, desk.watch)? } else { None };
        let mut tuned = self.document(&archive, best.as_ref())?;
        if let Some(best) = best.filter(|best| *best != self.space.today()) {
            self.confirm(&mut tuned, &best, desk.watch)?;
        }
        self.note(&mut tuned, archive.unproven);
        Ok(tuned)
    }

    /// The point to recommend; none where the watch said stop.
    fn best(
        &self,
        archive: &mut Archive<'_>,
        watch: Watch<'_>,
    ) -> Result<Option<Candidate>, Error> {
        let Self { prepared, space, view, effort, .. } = self;
        let Some(best) = choose::choose(archive, space, effort)? else { return Ok(None) };
        let rivals = choose::rivals(archive, space, effort, (&best, RIVALS));
        let own = search::ranked(archive, space, effort, effort.trials);
        let meets = own.iter().any(|own| own.candidate == best && own.worse <= 0.0);
        if best == space.today() || !meets {
            return Ok(Some(best));
        }
        let bout = Bout { prepared, space, view: *view, effort, best: &best, watch };
        let Some(proven) = bout.prove(&rivals, self.fresh)? else {
            archive.stopped = true;
            return Ok(None);
        };
        if proven == space.today() {
            archive.unproven = rivals.len();
        }
        let known = choose::take_apart(archive, space, effort, &proven)?;
        Ok(known.then_some(proven))
    }

    fn confirm(&self, tuned: &mut Tuned, best: &[u16], watch: Watch<'_>) -> Result<(), Error> {
        let Self { prepared, space, view, effort, .. } = self;
        let bout = Bout { prepared, space, view: *view, effort, best, watch };
        if tuned.feasible {
            tuned.fresh = bout.fresh(self.fresh)?;
            for known in &self.defaults.strain {
                tuned.sensitivity.extend(bout.strained(&known.name, known.strain, self.fresh)?);
            }
            tuned.stopped |= tuned.fresh.is_none();
        }
        tuned.days = Some(bout.days()?);
        Ok(())
    }

    /// What identifies a run, with what it knows.
    fn state(&self, known: Vec<archive::Kept>) -> State {
        let effort = &self.effort;
        let knobs = self.space.dials.iter().map(|dial| {
            let values: Vec<String> =
                (0..dial.values.len() as u16).map(|place| dial.words(place)).collect();
            format!("{} = {}", dial.home, values.join(" | "))
        });
        State {
            schema: SCHEMA,
            made_from: self.provenance(),
            account: self.prepared.scenario().accounts[self.view.account].name.clone(),
            months: self.months(),
            trials: effort.trials as u32,
            evaluations: effort.evaluations,
            late: self.late(),
            asked: effort.asked,
            knobs: knobs.collect(),
            known,
        }
    }

    fn provenance(&self) -> Provenance {
        self.prepared.provenance(0)
    }

    fn months(&self) -> [Month; 2] {
        let start = self.prepared.scenario().plan.start;
        [start.plus(self.view.first), start.plus(self.view.first + self.view.months - 1)]
    }

    fn late(&self) -> String {
        let over = match self.view.late.p95_ms {
            Some(most) => format!("p95 above {most} ms"),
            None => format!("p95 above {} times that of an idle pod", self.view.late.factor),
        };
        format!("a workload is asked for more than its ready pods can serve, or has {over}")
    }

    /// Trials that all candidates of the result have: fewer than asked for where it was stopped.
    fn depth(&self, archive: &Archive<'_>, whole: bool) -> usize {
        let most = archive.trials(&self.space.today(), self.effort.trials).map_or(0, <[_]>::len);
        if whole {
            return most;
        }
        let count = |trials: usize| {
            let has = |candidate: &&Candidate| archive.trials(candidate, trials).is_some();
            archive.records().keys().filter(has).count()
        };
        (1..=most).rev().find(|trials| count(*trials) > 1).unwrap_or(most)
    }

    fn document(&self, archive: &Archive<'_>, best: Option<&Candidate>) -> Result<Tuned, Error> {
        let depth = self.depth(archive, best.is_some());
        let all = search::ranked(archive, &self.space, &self.effort, depth);
        let order = rank::by_cost(&all);
        let nearest = order.first().map(|place| all[*place].candidate.clone());
        let Some(chosen) = best.cloned().or(nearest) else {
            let message = "stopped before today's settings had all their trials; nothing to report";
            return Err(Error::failed(Place::default(), message));
        };
        let front: Vec<Candidate> =
            rank::front(&all).into_iter().map(|place| all[place].candidate.clone()).collect();
        let today = self.space.today();
        let own = archive.trials(&today, depth).unwrap_or_default();
        let limits = search::limits(&self.effort, own);
        let missed = all.iter().find(|own| own.candidate == chosen).map_or(0.0, |own| own.missed);
        let shown = Shown { setup: self, archive, front: &front, depth };
        let points = shown.all();
        let edits = self.space.edits(&chosen).into_iter();
        let setting = |(key, value): (&Key, &toml::Value)| Setting {
            key: key.to_string(),
            value: value.clone(),
        };
        let plan = &self.prepared.scenario().plan;
        Ok(Tuned {
            schema: SCHEMA,
            name: plan.name.clone(),
            made_from: self.provenance(),
            account: self.prepared.scenario().accounts[self.view.account].name.clone(),
            months: self.months(),
            trials: depth as u32,
            evaluations_asked: self.effort.evaluations,
            evaluations: archive.spent,
            exhaustive: search::exhaustive(&self.space, &self.effort),
            stopped: archive.stopped,
            late: self.late(),
            slo: self.slo,
            limits: limits.told(),
            knobs: self.told(),
            feasible: missed <= 0.0,
            today: shown.point(&today),
            recommended: shown.point(&chosen),
            changes: edits.map(setting).collect(),
            why: best.map_or_else(Vec::new, |best| {
                choose::why(archive, &self.space, &self.effort, best)
            }),
            front: front.iter().map(|candidate| shown.point(candidate)).collect(),
            fresh: None,
            sensitivity: Vec::new(),
            days: None,
            notes: Vec::new(),
            candidates: points,
        })
    }

    fn told(&self) -> Vec<Told> {
        let told = |dial: &space::Dial| Told {
            key: dial.key.to_string(),
            stands: dial.home.to_string(),
            values: (0..dial.values.len() as u16).map(|place| dial.words(place)).collect(),
            today: dial.words(dial.today),
            asked: dial.asked,
        };
        self.space.dials.iter().map(told).collect()
    }

    fn note(&self, tuned: &mut Tuned, unproven: usize) {
        let notes = &mut tuned.notes;
        if tuned.knobs.iter().any(|knob| !knob.asked) {
            notes.push(
                "the scenario names no knobs: those are changed that it has and whose risk is looked at here; name your own with [[tune.knobs]]"
                    .to_owned(),
            );
        }
        if tuned.stopped {
            notes.push(
                "stopped before its end: what was looked at is shown, and nothing of it was tried on fresh trials"
                    .to_owned(),
            );
        }
        if !self.prepared.scenario().is_uncertain() {
            notes.push(
                "no number of the scenario is a range: the trials differ by noise, spot prices and interruptions alone"
                    .to_owned(),
            );
        }
        if unproven > 0 {
            notes.push(format!(
                "{unproven} candidates are cheaper at equal or lower risk in the search's trials, and none of them is in {} others",
                self.fresh
            ));
        } else if tuned.changes.is_empty() && tuned.feasible && !tuned.stopped {
            notes.push("nothing that was looked at is cheaper at equal or lower risk".to_owned());
        }
        let changed = |part: &str| tuned.changes.iter().any(|change| change.key.contains(part));
        if ["min_readers", "min_replicas", "baseline.nodes"].into_iter().any(changed) {
            notes.push(
                "the loss of a node, a zone or a database instance is no part of the risk: look at what is left of each before taking some away"
                    .to_owned(),
            );
        }
        if changed("spot_share") {
            notes.push(
                "no field of a NodePool holds a spot_share between 0 and 1: its manifest allows both capacity types and says how to hold the share"
                    .to_owned(),
            );
        }
    }
}

/// Candidates as the document shows them.
struct Shown<'s> {
    setup: &'s Setup<'s>,
    archive: &'s Archive<'s>,
    front: &'s [Candidate],
    depth: usize,
}

impl Shown<'_> {
    fn point(&self, candidate: &Candidate) -> Point {
        let (setup, archive) = (self.setup, self.archive);
        let (space, effort) = (&setup.space, &setup.effort);
        let record = archive.records().get(candidate);
        let trials = record.map_or(0, |own| own.judged.len()).min(self.depth);
        let own = archive.trials(candidate, trials).unwrap_or_default();
        let today = archive.trials(&space.today(), trials).unwrap_or_default();
        let measures = Measures::of(own, effort.length);
        let wrong = record.and_then(|own| own.wrong.clone());
        let months = effort.length.months;
        let fate = match () {
            () if wrong.is_some() => Fate::Impossible,
            () if self.front.contains(candidate) => Fate::Front,
            () if trials == self.depth => Fate::Whole,
            () => Fate::Stopped,
        };
        let broken = match wrong {
            Some(message) => vec![message],
            None => search::limits(effort, today).broken(&measures),
        };
        Point {
            settings: space.dials.iter().zip(candidate).map(|(dial, at)| dial.words(*at)).collect(),
            trials: trials as u32,
            fate,
            measures,
            saves: choose::paired(today, own, months, |of| of.cost),
            adds_late_minutes: choose::paired(own, today, months, |of| of.late_minutes),
            broken,
        }
    }

    /// All candidates, cheapest against today first.
    fn all(&self) -> Vec<Point> {
        let looked = self.archive.records().iter();
        let looked = looked.filter(|(_, own)| !own.judged.is_empty() || own.wrong.is_some());
        let mut points: Vec<Point> = looked.map(|(candidate, _)| self.point(candidate)).collect();
        points.sort_by(|a, b| {
            let impossible = |point: &Point| point.fate == Fate::Impossible;
            impossible(a).cmp(&impossible(b)).then(b.saves.mean.total_cmp(&a.saves.mean))
        });
        points
    }
}
