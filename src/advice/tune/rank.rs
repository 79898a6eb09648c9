//! Ranks candidates: the frontier of cost and risk, and the cheapest within the limits.
//!
//! # Source
//! Fronts and crowding as in Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic
//! algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6 (2002), III.A, III.B and VI (what misses
//! a limit by less beats what misses it by more).

use std::cmp::Ordering;

use super::{measure::Measures, space::Candidate};

/// A candidate as ranking sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The candidate.
    pub candidate: Candidate,
    /// Cost and risk.
    pub measures: Measures,
    /// By how much it misses the set limits, whatever its remaining trials come to.
    pub missed: f64,
    /// By how much it misses the held limits, likewise.
    pub worse: f64,
}

impl Ranked {
    fn cost(&self) -> f64 {
        self.measures.cost_per_month
    }

    fn risk(&self) -> f64 {
        self.measures.late_minutes_per_month
    }

    /// Returns whether it is at least as good in all terms and better in one.
    fn beats(&self, other: &Self) -> bool {
        match self.missed.total_cmp(&other.missed) {
            Ordering::Less => return true,
            Ordering::Greater => return false,
            Ordering::Equal => {}
        }
        let no_worse = self.cost() <= other.cost() && self.risk() <= other.risk();
        no_worse && (self.cost() < other.cost() || self.risk() < other.risk())
    }
}

/// Returns the places of the frontier, in rising order of cost.
pub fn front(all: &[Ranked]) -> Vec<usize> {
    let unbeaten = |own: &usize| !all.iter().any(|other| other.beats(&all[*own]));
    let mut front: Vec<usize> = (0..all.len()).filter(unbeaten).collect();
    front.sort_by(|a, b| {
        let of = |place: usize| (all[place].cost(), all[place].risk());
        let ((cost_a, risk_a), (cost_b, risk_b)) = (of(*a), of(*b));
        cost_a.total_cmp(&cost_b).then(risk_a.total_cmp(&risk_b))
    });
    // Of candidates that come to the same, one speaks for all.
    front.dedup_by(|a, b| {
        let of = |place: usize| (all[place].cost().to_bits(), all[place].risk().to_bits());
        of(*a) == of(*b)
    });
    front
}

/// Returns the cheapest within the held limits; if there are none, those that miss them least.
pub fn by_cost(all: &[Ranked]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&all[*a], &all[*b]);
        a.worse
            .total_cmp(&b.worse)
            .then(a.cost().total_cmp(&b.cost()))
            .then(a.risk().total_cmp(&b.risk()))
    });
    order
}

/// Returns the best `count`, alternately from the fronts and from the cheapest within the held limits.
pub fn select(all: &[Ranked], count: usize) -> Vec<Candidate> {
    let cheapest = by_cost(all);
    let fronts = by_front(all, count);
    let mut taken = vec![false; all.len()];
    let mut chosen = Vec::new();
    let mut lists = [cheapest.into_iter(), fronts.into_iter()];
    while chosen.len() < count.min(all.len()) {
        let mut found = false;
        for list in &mut lists {
            if let Some(place) = list.by_ref().find(|place| !taken[*place]) {
                taken[place] = true;
                found = true;
                if chosen.len() < count {
                    chosen.push(all[place].candidate.clone());
                }
            }
        }
        if !found {
            break;
        }
    }
    chosen
}

/// Returns up to `count` places, front by front, in each the least crowded first.
fn by_front(all: &[Ranked], count: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..all.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() && order.len() < count {
        let unbeaten = |own: &&usize| !left.iter().any(|other| all[*other].beats(&all[**own]));
        let front: Vec<usize> = left.iter().filter(unbeaten).copied().collect();
        left.retain(|place| !front.contains(place));
        order.extend(by_crowding(all, front));
    }
    order
}

fn by_crowding(all: &[Ranked], mut front: Vec<usize>) -> Vec<usize> {
    let mut distance = vec![0.0_f64; all.len()];
    for of in [Ranked::cost, Ranked::risk] {
        front.sort_by(|a, b| of(&all[*a]).total_cmp(&of(&all[*b])).then(a.cmp(b)));
        let (Some(first), Some(last)) = (front.first(), front.last()) else { continue };
        let span = of(&all[*last]) - of(&all[*first]);
        distance[*first] = f64::INFINITY;
        distance[*last] = f64::INFINITY;
        for three in front.windows(3) {
            if span > 0.0 {
                distance[three[1]] += (of(&all[three[2]]) - of(&all[three[0]])) / span;
            }
        }
    }
    front.sort_by(|a, b| distance[*b].total_cmp(&distance[*a]).then(a.cmp(b)));
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(points: &[(f64, f64, f64)]) -> Vec<Ranked> {
        let one = |(place, (cost, risk, missed)): (usize, &(f64, f64, f64))| Ranked {
            candidate: vec![place as u16],
            measures: Measures {
                cost_per_month: *cost,
                late_minutes_per_month: *risk,
                ..Measures::default()
            },
            missed: *missed,
            worse: *missed,
        };
        points.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_front_is_what_none_beats() {
        let all = ranked(&[
            (10.0, 5.0, 0.0),
            (8.0, 9.0, 0.0),
            (10.0, 6.0, 0.0),
            (12.0, 1.0, 0.0),
            (1.0, 0.0, 0.4),
            (8.0, 9.0, 0.0),
        ]);
        assert_eq!(front(&all), [1, 0, 3]);
        assert_eq!(by_cost(&all)[..2], [1, 5]);
    }

    #[test]
    fn both_ends_and_the_cheapest_are_chosen_first() {
        let all = ranked(&[(1.0, 9.0, 0.0), (2.0, 8.0, 0.0), (3.0, 7.9, 0.0), (9.0, 0.0, 0.0)]);
        let chosen = select(&all, 2);
        assert_eq!(chosen, [vec![0], vec![3]]);
        assert_eq!(select(&all, 9).len(), 4);
    }

    proptest::proptest! {
        #[test]
        fn none_of_the_front_is_beaten_and_all_others_are(
            points in proptest::collection::vec((0_u8..6, 0_u8..6, 0_u8..2), 1..30)
        ) {
            let points: Vec<(f64, f64, f64)> =
                points.iter().map(|(a, b, c)| (f64::from(*a), f64::from(*b), f64::from(*c))).collect();
            let all = ranked(&points);
            let front = front(&all);
            for own in &all {
                let equal = |place: &usize| {
                    all[*place].cost() == own.cost() && all[*place].risk() == own.risk()
                };
                let beaten = front.iter().any(|place| all[*place].beats(own));
                let on_front = front.iter().any(|place| equal(place) && all[*place].missed == own.missed);
                proptest::prop_assert!(beaten != on_front);
            }
        }
    }
}
