//! Losses at the busiest minute: what each leaves with today's settings and with others, and whether that is worse.

use serde::{Deserialize, Serialize};

use crate::{cluster::autoscale::drill::Loss, measure::units::count, plan::simulate::Drill};

/// A loss of `models/tune.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLoss {
    pub(super) name: String,
    pub(super) loss: Loss,
    pub(super) per_year: f64,
}

/// What the loss of a database instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseFacts {
    pub(super) per_year: f64,
    pub(super) with_reader_minutes: f64,
    pub(super) alone_minutes: f64,
}

/// What losses do to a point: nodes and zones, and the database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// One a loss of `models/tune.toml`.
    pub drills: Vec<Drill>,
    /// Instances of the database at the least; none without one of instances.
    pub database: Option<u32>,
}

/// A loss with today's and with the recommended settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setback {
    /// What is lost.
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
    pub fn minutes(&self, instances: u32) -> f64 {
        if instances > 1 { self.with_reader_minutes } else { self.alone_minutes }
    }
}

/// Returns the losses that overload more minutes than with today's settings, by more than `tolerance`, in words.
pub fn worse(
    (known, database): (&[NamedLoss], &DatabaseFacts),
    tolerance: f64,
    (today, own): (&Losses, &Losses),
) -> Vec<String> {
    let mut found = Vec::new();
    for ((known, today), own) in known.iter().zip(&today.drills).zip(&own.drills) {
        if own.overloaded_minutes > today.overloaded_minutes + tolerance {
            found.push(format!(
                "the loss of {} leaves {:.0} % of the capacity that is needed instead of {:.0} %, and overloads {} instead of {:.0}",
                known.name,
                100.0 * own.capacity_left,
                100.0 * today.capacity_left,
                count(own.overloaded_minutes as usize, "minute"),
                today.overloaded_minutes
            ));
        }
    }
    if let (Some(before), Some(after)) = (today.database, own.database) {
        let [old, new] = [before, after].map(|instances| database.minutes(instances));
        if new > old {
            found.push(format!(
                "the loss of the database's writer takes {new:.0} minutes instead of {old:.0}, because no reader takes over"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(capacity_left: f64, overloaded_minutes: f64) -> Drill {
        let loss = Loss::Zone;
        Drill { loss, nodes: 6, lost: 2, capacity_left, overloaded_minutes, recovery_minutes: None }
    }

    #[test]
    fn more_overloaded_minutes_and_no_reader_are_worse() {
        let known = [NamedLoss { name: "one zone".into(), loss: Loss::Zone, per_year: 0.5 }];
        let facts = DatabaseFacts { per_year: 1.0, with_reader_minutes: 1.0, alone_minutes: 10.0 };
        let losses = |left: f64, minutes: f64, instances: u32| Losses {
            drills: vec![drill(left, minutes)],
            database: Some(instances),
        };
        let found = |own: &Losses| worse((&known, &facts), 5.0, (&losses(1.5, 0.0, 2), own)).len();
        // What is back within the tolerance is no harm.
        assert_eq!(found(&losses(0.9, 4.0, 3)), 0);
        assert_eq!(found(&losses(0.5, 6.0, 2)), 1);
        assert_eq!(found(&losses(1.5, 0.0, 1)), 1);
    }
}
