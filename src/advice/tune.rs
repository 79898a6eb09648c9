//! Recommends settings: candidates in common trials, a frontier of cost and risk, a recommended point, and why.
//!
//! ```text
//! [tune] ─► space (knobs) ─► search ─► archive (every trial once) ─► choose ─► confirm ─► Tuned
//! ```
//! An evaluation is one candidate in one trial over all months of the search. Risk on the frontier is minutes over the
//! latency target: a workload is overloaded or its p95 exceeds the target, summed over workloads. The other terms are
//! reported and held by limits.
//!
//! The search finds candidates, and unseen trials decide: every point of the frontier ran in them, and the recommended
//! one is chosen among those that hold in them (`choose`). Where none does, `lift` tells which limit binds.
//!
//! # Limits
//! A search moves every knob without risk to its cheapest end: fewer logs, shorter retention. Such knobs are not
//! among the defaults. Too small a database does not slow the pods, as in the plan.

use serde::{Deserialize, Serialize};

use crate::facts::model::{self, Model};
use crate::{
    error::{Error, Place},
    intent::scenario::{
        key::Key,
        tuning::{Slo, Tuning},
    },
    measure::{calendar::Month, units::Usd},
    plan::{
        Provenance,
        simulate::{Late, Prepared, Strain, View},
        trials::{self, Watch},
    },
};

pub(crate) mod archive;
pub(crate) mod choose;
pub(crate) mod confirm;
pub(crate) mod lift;
pub(crate) mod loss;
pub(crate) mod measure;
pub(crate) mod rank;
pub(crate) mod search;
pub(crate) mod space;
mod state;

use archive::Archive;
use confirm::{Against, Days, PROOF, Strained};
use lift::Binding;
use loss::{DatabaseFacts, DatabaseLoss, Drills, LossTolerance, NamedLoss, Setback};
use measure::{Estimate, Length, Limit, Limits, Measures, Tolerance};
use search::Effort;
use space::{Candidate, DefaultKnob, Space};
pub use state::State;

/// Candidates that unseen trials decide between, in a round.
const RIVALS: usize = 6;
/// Rounds of them, where none of the first holds.
const ROUNDS: usize = 3;

/// Number of the document's shape.
pub const SCHEMA: u32 = 3;

/// `models/tune.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    search: SearchDefaults,
    tolerance: Tolerance,
    loss: Vec<NamedLoss>,
    loss_tolerance: LossTolerance,
    database_loss: DatabaseFacts,
    strain: Vec<NamedStrain>,
    lift: Vec<DefaultKnob>,
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
    strain_trials: u32,
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

/// The request; it overrides the scenario's `[tune]` table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The account.
    pub account: Option<String>,
    /// Evaluations of the search.
    pub evaluations: Option<u32>,
    /// Trials of a candidate that survives the search.
    pub trials: Option<u32>,
    /// Trials to confirm the recommendation.
    pub fresh: Option<u32>,
}

/// A knob in the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Its key.
    pub key: String,
    /// Its place in the scenario.
    pub stands: String,
    /// Its values.
    pub values: Vec<String>,
    /// Today's value.
    pub today: String,
    /// Whether the scenario names it; otherwise it is of the model's list.
    pub asked: bool,
}

/// How far a candidate got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// On the frontier; it ran the unseen trials.
    Front,
    /// Ran the unseen trials.
    Proven,
    /// Ran all trials of the search.
    Whole,
    /// Stopped early.
    Stopped,
    /// Contradictory.
    Impossible,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// One value of each knob.
    pub settings: Vec<String>,
    /// Settings that differ from today's.
    pub changes: u32,
    /// Trials of the search that it ran.
    pub trials: u32,
    /// How far it got.
    pub fate: Fate,
    /// Cost and risk in the unseen trials if it ran them, otherwise in those of the search.
    pub measures: Measures,
    /// Saving against today in the same trials, in USD a month.
    pub saves: Estimate,
    /// Added minutes over the latency target (a month).
    pub adds_late_minutes: Estimate,
    /// Limits that it misses, or its contradiction.
    pub broken: Vec<String>,
    /// What losses and bursts do worse than with today's settings, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub harm: Vec<String>,
    /// The point against today in the unseen trials; none if it did not run them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Against>,
}

/// A setting of the tuned scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its place in the scenario.
    pub key: String,
    /// Its new value.
    pub value: toml::Value,
}

/// What `plan` says of a scenario: the whole plan in the mid case, and quantiles of trials from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The mid case, in USD.
    pub mid: Usd,
    /// P10, P50 and P90 of the trials, in USD.
    pub quantiles: [f64; 3],
}

impl Planned {
    /// Runs the mid case and so many trials of the whole plan; none if the watch stopped it.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn of(
        prepared: &Prepared<'_>,
        count: u32,
        watch: Watch<'_>,
    ) -> Result<Option<Self>, Error> {
        let mid = prepared.sample(0)?.costs.iter().map(|cost| cost.cost).sum();
        let samples = trials::run(prepared, &(1..=count).collect::<Vec<u32>>(), watch)?;
        if samples.len() < count as usize {
            return Ok(None);
        }
        let (_, quantiles) = trials::bands(&samples, prepared.scenario().plan.months as usize);
        Ok(Some(Self { mid, quantiles }))
    }
}

/// Both scenarios as `plan` sees them: the same months and the same trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plans {
    /// Months of the plan.
    pub months: u32,
    /// Trials, from the first on.
    pub trials: u32,
    /// Today's settings.
    pub today: Planned,
    /// The recommended ones.
    pub recommended: Planned,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the plan.
    pub name: String,
    /// Provenance.
    pub made_from: Provenance,
    /// The account whose settings were changed; costs are those of all accounts.
    pub account: String,
    /// First and last month of the search.
    pub months: [Month; 2],
    /// Trials of a candidate that survived the search.
    pub trials: u32,
    /// Unseen trials, in which the points of the frontier were held against today; 0 if they did not run.
    pub fresh_trials: u32,
    /// Maximum number of evaluations of the search.
    pub evaluations_asked: u64,
    /// Evaluations of the search, of the proof after it, and under strain.
    pub evaluations: u64,
    /// Whether every candidate was evaluated.
    pub exhaustive: bool,
    /// Whether it was stopped early.
    pub stopped: bool,
    /// When a minute is over the latency target, in words.
    pub late: String,
    /// Limits that the scenario sets.
    pub slo: Slo,
    /// Limits that were held.
    pub limits: Vec<Limit>,
    /// The knobs.
    pub knobs: Vec<Told>,
    /// Whether any candidate holds: in the unseen trials, or in those of the search if it was stopped.
    pub feasible: bool,
    /// Today's settings.
    pub today: Point,
    /// Recommended settings; those nearest to the limits, if none meets them.
    pub recommended: Point,
    /// Changes of the scenario.
    pub changes: Vec<Setting>,
    /// Effect of each change.
    pub why: Vec<choose::Why>,
    /// The frontier of the points that ran the unseen trials, in rising order of cost.
    pub front: Vec<Point>,
    /// What binds, and what would meet the limits; none if a candidate does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// What `plan` says of today's and of the recommended settings; none if they are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Plans>,
    /// What losses and bursts at the busiest minute do.
    pub losses: Vec<Setback>,
    /// What the loss of a database instance does; none without one, or if nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_loss: Option<DatabaseLoss>,
    /// Results under strain.
    pub sensitivity: Vec<Strained>,
    /// The busiest day, with today's and with the recommended settings.
    pub days: Option<Days>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// All candidates, cheapest first.
    pub candidates: Vec<Point>,
}

/// How a run is watched, and the state that it starts from.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "borrowed functions")]
pub struct Desk<'a> {
    /// Called after each evaluation; returns whether to continue.
    pub watch: Watch<'a>,
    /// The state of an earlier run.
    pub earlier: Option<&'a State>,
    /// Called with the state after each batch.
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
    /// Reads the request.
    ///
    /// # Errors
    /// Every knob without effect and every refused value; numbers that leave nothing to search.
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
                "{evaluations} are used up by today's {trials} trials; give more, or fewer --trials"
            );
            return Err(Error::at(place, message));
        }
        let effort = Effort {
            evaluations: u64::from(evaluations),
            trials: trials as usize,
            seed: plan.seed,
            length: Length { months: f64::from(months), days: days as f64 },
            asked: Limits::asked(&tune.slo, usual.late_minutes_per_month),
            tolerance: defaults.tolerance,
        };
        let fresh = request.fresh.unwrap_or(usual.fresh_trials);
        Ok(Self { prepared, defaults, space, view, effort, fresh, slo: tune.slo })
    }

    /// Returns the expected number of evaluations, including those of the proof and under strain.
    pub fn evaluations(&self) -> u64 {
        let strained = 2 * self.defaults.strain.len() as u64 * u64::from(self.strained());
        let proof = (RIVALS as u64 + 2) * u64::from(self.fresh);
        self.effort.evaluations + proof + strained
    }

    fn strained(&self) -> u32 {
        self.fresh.min(self.defaults.search.strain_trials)
    }

    /// Runs it.
    ///
    /// # Errors
    /// A state of another run; errors that today's settings have too.
    pub fn run(&self, desk: Desk<'_>) -> Result<Tuned, Error> {
        let mine = self.state(Vec::new());
        let earlier = match desk.earlier {
            Some(state) => state.of_same(&mine)?,
            None => Vec::new(),
        };
        let save = |kept: &[archive::Kept]| (desk.save)(&self.state(kept.to_vec()));
        let defaults = self.defaults;
        let drills = Drills::new(
            (self.prepared, self.view),
            &defaults.loss,
            (defaults.database_loss, defaults.loss_tolerance),
        )?;
        let what = (self.prepared, &self.space, self.view);
        let trials = 1..=self.effort.trials as u32;
        let watched = (desk.watch, &save as &archive::Save<'_>);
        let mut found = Archive::new(what, Some(&drills), trials, earlier, watched);
        let whole = search::run(&mut found, &self.space, &self.effort)?;
        let unseen = (self.view, self.fresh);
        let mut proof = self.unseen(&self.space, Some(&drills), unseen, desk.watch);
        let best = if whole { self.prove(&found, &mut proof)? } else { None };
        found.stopped |= proof.stopped;
        found.spent += proof.spent;
        let mut tuned = self.document((&found, &proof), best.as_ref())?;
        if let Some(best) = best.filter(|best| *best != self.space.today()) {
            self.strain(&mut tuned, &best, desk.watch)?;
            if let Some((judge, [today, own])) = proof.losses(&best) {
                (tuned.losses, tuned.database_loss) = judge.setbacks(today, own);
            }
            let days = confirm::days(self.prepared, drills.busiest(), &self.space, &best)?;
            tuned.days = Some(days);
        } else if !tuned.feasible && !tuned.stopped {
            tuned.binding = self.binding(&proof, desk.watch)?;
        }
        self.note(&mut tuned);
        Ok(tuned)
    }

    /// Returns an archive of trials that the search does not use.
    fn unseen<'s>(
        &'s self,
        space: &'s Space,
        drills: Option<&'s Drills<'s>>,
        (view, count): (View, u32),
        watch: Watch<'s>,
    ) -> Archive<'s> {
        let what = (self.prepared, space, view);
        let trials = PROOF..=PROOF + count - 1;
        Archive::new(what, drills, trials, Vec::new(), (watch, &|_| Ok(())))
    }

    /// Runs the best points of the search in the unseen trials, and returns the point to recommend; none if none
    /// holds, or if the watch stopped it.
    fn prove(
        &self,
        found: &Archive<'_>,
        proof: &mut Archive<'_>,
    ) -> Result<Option<Candidate>, Error> {
        let of = (&self.space, &self.effort);
        let (space, effort) = of;
        let today = space.today();
        if !proof.begin(&|trial| effort.badness(trial), choose::SAMPLE.min(proof.count()))? {
            return Ok(None);
        }
        let mut best = None;
        for _ in 0..ROUNDS {
            let next = choose::finalists(found, proof, of, RIVALS);
            let last = next.is_empty();
            if !choose::settle(proof, of, &next)? {
                return Ok(None);
            }
            best = choose::pick(proof, of);
            let all = search::ranked(proof, space, effort, proof.count());
            // Where all fail, the next take their place.
            if last || all.iter().any(|own| own.candidate != today && own.worse <= 0.0) {
                break;
            }
        }
        if best.is_none() {
            let nearest = choose::nearest(proof, of);
            proof.ensure(nearest.as_slice(), proof.count())?;
        }
        // A point with one change less may be as good; it also shows what the change buys.
        while let Some(point) = &best {
            if !choose::take_apart(proof, of, point)? {
                return Ok(None);
            }
            let next = choose::pick(proof, of);
            if next == best {
                break;
            }
            best = next;
        }
        Ok(best)
    }

    /// Runs the recommended point under each strain.
    fn strain(&self, tuned: &mut Tuned, best: &Candidate, watch: Watch<'_>) -> Result<(), Error> {
        let Self { space, effort, .. } = self;
        for known in &self.defaults.strain {
            let view = View { strain: known.strain, ..self.view };
            let mut archive = self.unseen(space, None, (view, self.strained()), watch);
            if !archive.ensure(&[space.today(), best.clone()], archive.count())? {
                return Ok(());
            }
            let against = confirm::against(&archive, space, effort, best);
            tuned.evaluations += archive.spent;
            tuned.sensitivity.extend(against.map(|against| Strained {
                name: known.name.clone(),
                strain: known.strain,
                against,
            }));
        }
        Ok(())
    }

    /// Returns what binds where no candidate meets the limits; none if the watch stopped it.
    fn binding(&self, proof: &Archive<'_>, watch: Watch<'_>) -> Result<Option<Binding>, Error> {
        let Self { prepared, space, effort, .. } = self;
        let Some(today) = proof.trials(&space.today(), proof.count()) else { return Ok(None) };
        let misses = search::limits(effort, today).broken(&Measures::of(today, effort.length));
        let overloads = proof.overloads(effort.length.months)?;
        let most = overloads.into_iter().max_by(|a, b| a.minutes.total_cmp(&b.minutes));
        let Some(overload) = most else { return Ok(None) };
        let lifted = Space::lifts(
            prepared.scenario(),
            self.view.account,
            (&self.defaults.lift, &overload.workload),
            &prepared.facts().catalog,
        );
        let mut archive = self.unseen(&lifted, None, (self.view, self.fresh), watch);
        let lifts = lift::lifts(&mut archive, (&lifted, effort))?;
        Ok(lifts.map(|lifts| Binding { overload, misses, lifts }))
    }

    /// Returns the state: the identity of the run, and its results.
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
        format!("a workload is overloaded (more load than its ready pods can serve) or has {over}")
    }

    /// Returns the trials that all candidates of the result have: fewer than requested if the run was stopped.
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

    fn document(
        &self,
        (archive, proof): (&Archive<'_>, &Archive<'_>),
        best: Option<&Candidate>,
    ) -> Result<Tuned, Error> {
        let (space, effort) = (&self.space, &self.effort);
        let today = space.today();
        let proven = !archive.stopped && proof.trials(&today, proof.count()).is_some();
        let depth = self.depth(archive, proven);
        let (of, trials) = if proven { (proof, proof.count()) } else { (archive, depth) };
        let all = search::ranked(of, space, effort, trials);
        let nearest = rank::by_cost(&all).first().map(|place| all[*place].candidate.clone());
        let Some(chosen) = best.cloned().or(nearest) else {
            let message = "stopped before the trials of today's settings finished; there is \
                nothing to report";
            return Err(Error::failed(Place::default(), message));
        };
        let front: Vec<Candidate> = if proven {
            choose::front(proof, space, effort, best)
        } else {
            rank::front(&all).into_iter().map(|place| all[place].candidate.clone()).collect()
        };
        let limits = search::limits(effort, of.trials(&today, trials).unwrap_or_default());
        let missed = all.iter().find(|own| own.candidate == chosen).map_or(0.0, |own| own.missed);
        let shown = Shown { setup: self, archive, proof, front: &front, depth };
        let points = shown.all();
        let edits = space.edits(&chosen).into_iter();
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
            fresh_trials: if proven { self.fresh } else { 0 },
            evaluations_asked: effort.evaluations,
            evaluations: archive.spent,
            exhaustive: search::exhaustive(space, effort),
            stopped: archive.stopped,
            late: self.late(),
            slo: self.slo,
            limits: limits.told(),
            knobs: self.told(),
            feasible: if proven { best.is_some() } else { missed <= 0.0 },
            today: shown.point(&today),
            recommended: shown.point(&chosen),
            changes: edits.map(setting).collect(),
            why: best.map_or_else(Vec::new, |best| choose::why(proof, space, effort, best)),
            front: front.iter().map(|candidate| shown.point(candidate)).collect(),
            binding: None,
            plans: None,
            losses: Vec::new(),
            database_loss: None,
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

    fn note(&self, tuned: &mut Tuned) {
        let notes = &mut tuned.notes;
        if tuned.knobs.iter().any(|knob| !knob.asked) {
            notes.push(
                "the scenario has no [[tune.knobs]]: the usual settings are searched; add \
                    [[tune.knobs]] to choose others"
                    .to_owned(),
            );
        }
        if tuned.stopped {
            notes.push(
                "stopped early: the candidates so far are shown; none ran the unseen trials"
                    .to_owned(),
            );
        }
        if !self.prepared.scenario().is_uncertain() {
            notes.push(
                "no number of the scenario is a range: the trials differ only by noise, spot \
                    prices and interruptions"
                    .to_owned(),
            );
        }
        if tuned.changes.is_empty() && tuned.feasible && !tuned.stopped {
            notes.push("no candidate is measurably cheaper at equal or lower risk".to_owned());
        }
        let changed = |part: &str| tuned.changes.iter().any(|change| change.key.contains(part));
        if changed("spot_share") {
            notes.push(
                "no field of a NodePool holds a spot_share between 0 and 1: its manifest allows both capacity types and says how to hold the share"
                    .to_owned(),
            );
        }
    }
}

/// Returns the candidates as the document has them.
struct Shown<'s> {
    setup: &'s Setup<'s>,
    archive: &'s Archive<'s>,
    proof: &'s Archive<'s>,
    front: &'s [Candidate],
    depth: usize,
}

impl Shown<'_> {
    fn point(&self, candidate: &Candidate) -> Point {
        let (setup, archive) = (self.setup, self.archive);
        let (space, effort) = (&setup.space, &setup.effort);
        let record = archive.records().get(candidate);
        let trials = record.map_or(0, |own| own.judged.len()).min(self.depth);
        let proof = confirm::against(self.proof, space, effort, candidate);
        let unseen = proof.as_ref().and_then(|_| {
            let of = |candidate: &[u16]| self.proof.trials(candidate, self.proof.count());
            Some((of(candidate)?, of(&space.today())?))
        });
        let (own, today) = unseen.unwrap_or_else(|| {
            let of = |candidate: &[u16]| archive.trials(candidate, trials).unwrap_or_default();
            (of(candidate), of(&space.today()))
        });
        let measures = Measures::of(own, effort.length);
        let wrong = record.and_then(|own| own.wrong.clone());
        let months = effort.length.months;
        let fate = match () {
            () if wrong.is_some() => Fate::Impossible,
            () if self.front.contains(candidate) => Fate::Front,
            () if proof.is_some() => Fate::Proven,
            () if trials == self.depth => Fate::Whole,
            () => Fate::Stopped,
        };
        let broken = match wrong {
            Some(message) => vec![message],
            None => search::limits(effort, today).broken(&measures),
        };
        let losses = self.archive.losses(candidate).or_else(|| self.proof.losses(candidate));
        let harm = losses.map(|(judge, [today, own])| judge.worse(today, own));
        Point {
            settings: space.dials.iter().zip(candidate).map(|(dial, at)| dial.words(*at)).collect(),
            changes: choose::changes(candidate, &space.today()) as u32,
            trials: trials as u32,
            fate,
            measures,
            saves: choose::paired(today, own, months, |of| of.cost),
            adds_late_minutes: choose::paired(own, today, months, |of| of.late_minutes),
            broken,
            harm: harm.unwrap_or_default(),
            proof,
        }
    }

    /// Returns all candidates, cheapest against today first.
    fn all(&self) -> Vec<Point> {
        let mut looked: std::collections::BTreeSet<&Candidate> = std::collections::BTreeSet::new();
        for archive in [self.archive, self.proof] {
            let ran = |own: &archive::Record| !own.judged.is_empty() || own.wrong.is_some();
            let records = archive.records().iter().filter(|(_, own)| ran(own));
            looked.extend(records.map(|(candidate, _)| candidate));
        }
        let mut points: Vec<Point> =
            looked.into_iter().map(|candidate| self.point(candidate)).collect();
        points.sort_by(|a, b| {
            let impossible = |point: &Point| point.fate == Fate::Impossible;
            impossible(a).cmp(&impossible(b)).then(b.saves.mean.total_cmp(&a.saves.mean))
        });
        points
    }
}
