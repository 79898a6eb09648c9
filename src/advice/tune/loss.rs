//! Trouble at the busiest minute: what it does with today's settings and with others, and whether that is worse.
//!
//! # Formula
//! ```text
//! expected minutes a month = Σ frequency × overloaded minutes / 12     losses, bursts, the database's writer
//! worse                    one trouble overloads more minutes, or the expected minutes are more, than with
//!                          today's settings by more than the tolerance
//! ```

use serde::{Deserialize, Serialize};

use super::space::{Candidate, Space};
use crate::{
    cluster::autoscale::drill::Loss,
    demand::traffic::{Event, Traffic},
    error::Error,
    measure::{calendar::Month, units::count},
    plan::simulate::{Busiest, Drill, Prepared, Trouble, View},
};

/// Bursts that are drilled: the highest of the scenario.
const MOST_BURSTS: usize = 3;
/// Months of a year.
const YEAR: f64 = 12.0;

/// A loss of `models/tune.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLoss {
    name: String,
    loss: Loss,
    per_year: f64,
}

/// By how much trouble may be worse than with today's settings.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossTolerance {
    /// Overloaded minutes of one trouble.
    minutes: f64,
    /// Expected minutes a month of all of them.
    minutes_per_month: f64,
}

/// What the loss of a database instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseFacts {
    per_year: f64,
    with_reader_minutes: f64,
    alone_minutes: f64,
}

/// What trouble does to a point: nodes, zones, spot capacity, bursts, and the database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// One a trouble, in the order of [`Drills`].
    drills: Vec<Drill>,
    /// Instances of the database at the least; none without one of instances.
    database: Option<u32>,
}

/// Trouble with today's and with the recommended settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setback {
    /// What goes wrong.
    pub name: String,
    /// How often [1/year].
    pub per_year: f64,
    /// With today's settings.
    pub today: Drill,
    /// With the recommended ones.
    pub recommended: Drill,
}

/// The loss of a database instance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatabaseLoss {
    /// How often [1/year].
    pub per_year: f64,
    /// Instances with today's and with the recommended settings.
    pub instances: [u32; 2],
    /// Minutes until one writes again, likewise.
    pub minutes: [f64; 2],
}

impl DatabaseFacts {
    /// Returns the minutes until an instance writes again.
    fn minutes(&self, instances: u32) -> f64 {
        if instances > 1 { self.with_reader_minutes } else { self.alone_minutes }
    }
}

/// Trouble with its frequency.
#[derive(Debug, Clone, PartialEq)]
struct Named {
    name: String,
    per_year: f64,
    trouble: Trouble,
}

/// How trouble is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    known: Vec<Named>,
    database: DatabaseFacts,
    tolerance: LossTolerance,
}

/// The trouble that every candidate is put through.
#[derive(Debug)]
pub struct Drills<'a> {
    prepared: &'a Prepared<'a>,
    view: View,
    busiest: Busiest,
    /// How it is judged.
    pub judge: Judge,
}

impl<'a> Drills<'a> {
    /// Returns the trouble of the model and the bursts of the scenario.
    ///
    /// # Errors
    /// Traffic that is no number.
    pub fn new(
        (prepared, view): (&'a Prepared<'a>, View),
        losses: &[NamedLoss],
        (database, tolerance): (DatabaseFacts, LossTolerance),
    ) -> Result<Self, Error> {
        let loss = |known: &NamedLoss| Named {
            name: format!("loss of {}", known.name),
            per_year: known.per_year,
            trouble: Trouble::Loss(known.loss),
        };
        let mut known: Vec<Named> = losses.iter().map(loss).collect();
        let scenario = prepared.scenario();
        let months = scenario.plan.months;
        // A launch in the months of the search is in its trials, and in the busiest minute.
        let is_run = |event: &Event| {
            let month = event.moment().ok().and_then(|moment| Month::of(moment.date()));
            let index = month.map(|month| i64::from(month.since(scenario.plan.start)));
            let (first, count) = (i64::from(view.first), i64::from(view.months));
            index.is_some_and(|index| (first..first + count).contains(&index))
        };
        known.extend(bursts(&scenario.traffic, months, &is_run));
        let busiest = prepared.busiest(&view)?;
        Ok(Self { prepared, view, busiest, judge: Judge { known, database, tolerance } })
    }

    /// Returns the minute at which it happens.
    pub fn busiest(&self) -> &Busiest {
        &self.busiest
    }

    /// Returns what it does with a candidate's settings.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn run(&self, space: &Space, candidate: &Candidate) -> Result<Losses, Error> {
        let troubles: Vec<&Trouble> = self.judge.known.iter().map(|known| &known.trouble).collect();
        let edits = space.edits(candidate);
        let drills = self.prepared.drills((&self.view, &self.busiest), &edits, &troubles)?;
        let facts = (self.prepared.scenario(), &self.prepared.facts().catalog);
        let readers = space.whole(facts, candidate, "aurora.min_readers");
        let database = readers.and_then(|readers| u32::try_from(readers + 1).ok());
        Ok(Losses { drills, database })
    }
}

impl Judge {
    /// Returns the minutes of each trouble, and of the loss of the database's writer last.
    fn minutes(&self, losses: &Losses) -> Vec<f64> {
        let drills = losses.drills.iter().map(|own| own.overloaded_minutes);
        let database = losses.database.map_or(0.0, |count| self.database.minutes(count));
        drills.chain([database]).collect()
    }

    /// Returns the expected overloaded minutes a month.
    pub fn expected(&self, losses: &Losses) -> f64 {
        let per_year = self.known.iter().map(|known| known.per_year);
        let per_year = per_year.chain([self.database.per_year]);
        per_year.zip(self.minutes(losses)).map(|(often, minutes)| often * minutes).sum::<f64>()
            / YEAR
    }

    /// Returns by how much trouble is worse than with today's settings, as multiples of the tolerance; 0 if it is not.
    pub fn excess(&self, today: &Losses, own: &Losses) -> f64 {
        let over = |more: f64, most: f64| if more > most { more / most.max(1.0) } else { 0.0 };
        let each = self.minutes(today).into_iter().zip(self.minutes(own));
        let each = each.map(|(today, own)| over(own - today, self.tolerance.minutes));
        let expected = self.expected(own) - self.expected(today);
        each.sum::<f64>() + over(expected, self.tolerance.minutes_per_month)
    }

    /// Returns what is worse than with today's settings, in words.
    pub fn worse(&self, today: &Losses, own: &Losses) -> Vec<String> {
        let most = self.tolerance.minutes;
        let mut found = Vec::new();
        for ((known, before), after) in self.known.iter().zip(&today.drills).zip(&own.drills) {
            if after.overloaded_minutes - before.overloaded_minutes > most {
                found.push(format!(
                    "{} leaves {:.0} % of the capacity that is needed instead of {:.0} %, and overloads {} instead of {:.0}",
                    known.name,
                    100.0 * after.capacity_left,
                    100.0 * before.capacity_left,
                    count(after.overloaded_minutes as usize, "minute"),
                    before.overloaded_minutes
                ));
            }
        }
        if let (Some(before), Some(after)) = (today.database, own.database) {
            let [old, new] = [before, after].map(|count| self.database.minutes(count));
            if new - old > most {
                found.push(format!(
                    "loss of the database's writer takes {new:.0} minutes instead of {old:.0}, because no reader takes over"
                ));
            }
        }
        let [old, new] = [today, own].map(|losses| self.expected(losses));
        if found.is_empty() && new - old > self.tolerance.minutes_per_month {
            found.push(format!(
                "losses and bursts are expected to overload {new:.2} minutes a month instead of {old:.2}"
            ));
        }
        found
    }

    /// Returns what each trouble does with today's and with other settings.
    pub fn setbacks(&self, today: &Losses, own: &Losses) -> (Vec<Setback>, Option<DatabaseLoss>) {
        let known = self.known.iter().zip(today.drills.iter().zip(&own.drills));
        let happens = |known: &Named, today: &Drill, own: &Drill| {
            matches!(known.trouble, Trouble::Burst(_)) || today.lost > 0 || own.lost > 0
        };
        let known = known.filter(|(known, (today, own))| happens(known, today, own));
        let setbacks = known.map(|(known, (today, own))| Setback {
            name: known.name.clone(),
            per_year: known.per_year,
            today: *today,
            recommended: *own,
        });
        let database = today.database.zip(own.database).map(|(before, after)| DatabaseLoss {
            per_year: self.database.per_year,
            instances: [before, after],
            minutes: [before, after].map(|instances| self.database.minutes(instances)),
        });
        (setbacks.collect(), database)
    }
}

/// Returns the highest bursts of so many months that trials do not run; launches of the same form are one, which comes
/// so much more often.
fn bursts(traffic: &Traffic, months: u32, is_run: &dyn Fn(&Event) -> bool) -> Vec<Named> {
    let years = f64::from(months) / YEAR;
    let mut found: Vec<(&Event, f64)> = Vec::new();
    let rises = |event: &&Event| event.peak > 1.0 && event.probability > 0.0;
    for event in traffic.events.iter().filter(rises).filter(|event| !is_run(event)) {
        let form = |of: &Event| [of.peak, of.rise_minutes, of.half_life_hours].map(f64::to_bits);
        match found.iter_mut().find(|(known, _)| form(known) == form(event)) {
            Some((_, often)) => *often += event.probability,
            None => found.push((event, event.probability)),
        }
    }
    found.sort_by(|a, b| b.0.peak.total_cmp(&a.0.peak));
    let named = |(event, often): (&Event, f64)| Named {
        name: format!("a burst like {:?}", event.name),
        per_year: often / years,
        trouble: Trouble::Burst(event.clone()),
    };
    found.into_iter().take(MOST_BURSTS).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(capacity_left: f64, overloaded_minutes: f64) -> Drill {
        Drill { nodes: 6, lost: 2, capacity_left, overloaded_minutes, recovery_minutes: None }
    }

    /// A zone twice a year and spot 24 times, held at five minutes each and a quarter of a minute a month.
    #[test]
    fn more_overloaded_minutes_and_no_reader_are_worse() {
        let known = [("a zone", 2.0), ("spot", 24.0)].map(|(name, per_year)| Named {
            name: name.into(),
            per_year,
            trouble: Trouble::Loss(Loss::Zone),
        });
        let facts = Judge {
            known: known.to_vec(),
            database: DatabaseFacts {
                per_year: 1.0,
                with_reader_minutes: 1.0,
                alone_minutes: 10.0,
            },
            tolerance: LossTolerance { minutes: 5.0, minutes_per_month: 0.25 },
        };
        let losses = |zone: f64, spot: f64, instances: u32| Losses {
            drills: vec![drill(0.5, zone), drill(0.5, spot)],
            database: Some(instances),
        };
        let today = losses(0.0, 1.0, 2);
        // 24 × 1 minute of spot and one of the database.
        assert!((facts.expected(&today) - 25.0 / 12.0).abs() < 1e-12);
        let found = |own: &Losses| {
            let words = facts.worse(&today, own);
            assert_eq!(words.is_empty(), facts.excess(&today, own) <= 0.0, "{words:?}");
            words.join("; ")
        };
        // One minute more a zone is 1/6 a month; one more of spot is two.
        assert_eq!(found(&losses(1.0, 1.0, 3)), "");
        assert!(found(&losses(0.0, 2.0, 2)).starts_with("losses and bursts are expected"));
        assert!(found(&losses(6.0, 1.0, 2)).contains("a zone leaves 50 %"));
        assert!(found(&losses(0.0, 1.0, 1)).contains("no reader takes over"));
    }

    #[test]
    fn launches_of_one_form_are_one_burst_that_comes_more_often() {
        let event = |name: &str, peak: f64| {
            format!(
                "[[traffic.events]]\nname = \"{name}\"\nat = \"2027-01-10T12:00\"\npeak = {peak}\nhalf_life_hours = 2\n"
            )
        };
        let events = [("a", 3.0), ("b", 3.0), ("c", 0.5), ("d", 9.0)];
        let events: String = events.iter().map(|(name, peak)| event(name, *peak)).collect();
        let traffic: crate::demand::traffic::Traffic = toml::from_str(&format!(
            "sessions_per_user = 1\nrequests_per_connection = 20\n[classes.api]\nper_session = 1\nrequest_kib = 1\nresponse_kib = 1\n{}",
            events.replace("traffic.", "")
        ))
        .unwrap();
        let found: Vec<(String, f64)> = bursts(&traffic, 6, &|_| false)
            .into_iter()
            .map(|own| (own.name, own.per_year))
            .collect();
        assert_eq!(found, [("a burst like \"d\"".into(), 2.0), ("a burst like \"a\"".into(), 4.0)]);
    }
}
