//! Taints of node groups and what tolerates them.
//!
//! # Source
//! Kubernetes, "Taints and Tolerations": a toleration with a key alone (operator `Exists`) matches every
//! value and effect of the key.

use super::{Problem, problem};
use crate::cluster::autoscale::settings::Cluster;

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Keeps pods out.
    NoSchedule,
    /// Keeps pods out while there is another place.
    PreferNoSchedule,
    /// Keeps pods out and evicts those that run, which no pod of a plan ever meets.
    NoExecute,
}

/// The key of a toleration of every taint (`operator: Exists` without a key).
pub const EVERY_KEY: &str = "*";

/// `key=value:Effect`, `key:Effect`, or in a toleration `key` and `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint<'a> {
    key: &'a str,
    value: Option<&'a str>,
    effect: Option<Effect>,
}

impl<'a> Taint<'a> {
    /// Reads a taint or a toleration.
    ///
    /// # Errors
    /// No key, or an effect that is none.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let (pair, effect) = match text.rsplit_once(':') {
            Some((pair, effect)) => (pair, Some(effect)),
            None => (text, None),
        };
        let effect = match effect {
            None => None,
            Some("NoSchedule") => Some(Effect::NoSchedule),
            Some("NoExecute") => Some(Effect::NoExecute),
            Some("PreferNoSchedule") => Some(Effect::PreferNoSchedule),
            Some(other) => {
                return Err(format!(
                    "{other:?} is not an effect of a taint; there are NoSchedule, PreferNoSchedule, NoExecute"
                ));
            }
        };
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        };
        if key.trim().is_empty() {
            return Err(format!("{text:?} has no key; give key=value:NoSchedule"));
        }
        Ok(Self { key, value, effect })
    }

    fn tolerated_by(&self, toleration: &Taint<'_>) -> bool {
        (toleration.key == self.key || toleration.key == EVERY_KEY)
            && (toleration.effect.is_none() || toleration.effect == self.effect)
            && (toleration.value.is_none() || toleration.value == self.value)
    }
}

/// What a group's taints do to a pod with these tolerations.
pub fn effect(taints: &[String], tolerations: &[Taint<'_>]) -> Option<Effect> {
    let taints = taints.iter().filter_map(|taint| Taint::parse(taint).ok());
    let met = taints.filter(|taint| !tolerations.iter().any(|t| taint.tolerated_by(t)));
    let effects: Vec<Effect> =
        met.map(|taint| taint.effect.unwrap_or(Effect::NoSchedule)).collect();
    let keeps_out = effects.iter().find(|effect| **effect != Effect::PreferNoSchedule);
    keeps_out.or(effects.first()).copied()
}

/// Taints that cannot be read.
pub(super) fn check(cluster: &Cluster) -> Vec<Problem> {
    let pools = cluster.node_pools.iter();
    let groups =
        pools.map(|(name, pool)| (format!("cluster.node_pools.{name}.taints"), &pool.taints));
    let baseline = ("cluster.baseline.taints".to_owned(), &cluster.baseline.taints);
    let mut problems = Vec::new();
    for (key, taints) in groups.chain([baseline]) {
        for taint in taints {
            match Taint::parse(taint) {
                Ok(read) if read.key == EVERY_KEY => {
                    let message = format!("{taint:?} is a toleration; give a taint a key");
                    problems.push(problem(&key, message));
                }
                Ok(read) if read.effect.is_none() => {
                    let message = format!("{taint:?} has no effect; give {taint}:NoSchedule");
                    problems.push(problem(&key, message));
                }
                Ok(_) => {}
                Err(message) => problems.push(problem(&key, message)),
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_matches_its_key_value_and_effect() {
        let taints = ["dedicated=infra:NoSchedule".to_owned()];
        for (toleration, expected) in [
            ("dedicated=infra:NoSchedule", None),
            ("dedicated", None),
            ("*", None),
            ("*:NoSchedule", None),
            ("*:NoExecute", Some(Effect::NoSchedule)),
            ("dedicated=infra", None),
            ("dedicated=web", Some(Effect::NoSchedule)),
            ("dedicated=infra:PreferNoSchedule", Some(Effect::NoSchedule)),
            ("dedicated=infra:NoExecute", Some(Effect::NoSchedule)),
        ] {
            let tolerations = [Taint::parse(toleration).unwrap()];
            assert_eq!(effect(&taints, &tolerations), expected, "{toleration}");
        }
        let both = ["a=b:NoExecute".to_owned(), "a=b:NoSchedule".to_owned()];
        let one = [Taint::parse("a=b:NoSchedule").unwrap()];
        assert_eq!(effect(&both, &one), Some(Effect::NoExecute));
        assert!(Taint::parse("a=b:Never").is_err() && Taint::parse(":NoSchedule").is_err());
    }
}
