//! A newer database class and the commitments that cover it, chosen together.
//!
//! # Formula
//! ```text
//! saving within the plan, as it is  = saving of its recommended purchases
//! saving within the plan, moved     = saving of the moved plan's recommended purchases
//!                                     − (cost of the moved plan − cost of the plan)   months from the move on
//! ```
//! # Limits
//! The costs of the two plans are those of the mid case. The class changes at the start of a month and costs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Advised, Question};
use crate::{
    error::Error,
    facts::commitment_rates::{Kind, SERVERLESS, family_and_size},
    intent::{
        commitment::Commitment,
        scenario::key::{Key, Step},
    },
    measure::calendar::Month,
    plan::simulate::Prepared,
};

/// A family of database classes that Database Savings Plans do not cover, and the newest like it that they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerClass {
    /// `db.r6g`.
    pub from: String,
    /// `db.r8g`.
    pub to: String,
}

/// A move to a newer class with the commitments that cover it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMove {
    /// Family now.
    pub from: String,
    /// Family after the move.
    pub to: String,
    /// Month of the move.
    pub month: Month,
    /// Cost of the moved plan, less that of the plan, before purchases, from that month on, in USD.
    pub extra: f64,
    /// Saved within the plan without the move, in USD.
    pub saves_unmoved: f64,
    /// Saved within the plan with it, its cost taken off, in USD.
    pub saves_moved: f64,
    /// Purchases for the moved plan.
    pub commitments: Vec<Commitment>,
}

impl ClassMove {
    /// Returns whether the move saves more.
    pub fn pays(&self) -> bool {
        self.saves_moved > self.saves_unmoved && !self.commitments.is_empty()
    }
}

impl NewerClass {
    /// Returns a newer family for the database on which the mid case spends most; none without a quote for Database
    /// Savings Plans, and none where they cover it.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn of(prepared: &Prepared<'_>, question: &Question) -> Result<Option<Self>, Error> {
        let quoted = |own: &super::Quote| own.offering.kind == Kind::DatabaseSavingsPlan;
        if !question.quotes.iter().any(quoted) {
            return Ok(None);
        }
        let rules = prepared.commitment_rules();
        let metered = prepared.metered_for_purchases(0)?;
        let mid = prepared.left_over(&metered, &[])?;
        let mut spent: BTreeMap<(String, String), f64> = BTreeMap::new();
        for line in mid.iter().flatten().filter(|line| !line.is_ec2()) {
            let class = &line.instance_type;
            if class == SERVERLESS || rules.database_plan_covers(class) {
                continue;
            }
            let (family, _) = family_and_size(class);
            let cost = line.on_demand * line.left.iter().sum::<f64>();
            *spent.entry((family.to_owned(), line.key.region.clone())).or_default() += cost;
        }
        let most = spent.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some(((from, region), _)) = most else { return Ok(None) };
        let mut newer: Vec<(u32, String)> = Vec::new();
        for class in prepared.catalog().aurora() {
            let alike = shape_of(&from).0 == shape_of(&class.family).0
                && shape_of(&from).2 == shape_of(&class.family).2;
            if alike
                && rules.database_plan_covers(&class.class)
                && prepared.sells_database(&region, &class.billing_class)
            {
                newer.push((shape_of(&class.family).1, format!("db.{}", class.family)));
            }
        }
        Ok(newer.into_iter().max().map(|(_, to)| Self { from, to }))
    }

    /// Returns the keys of a scenario that name the old family, with the new one in its place.
    pub fn edits(&self, scenario: &toml::Table) -> Vec<(Key, toml::Value)> {
        let mut edits = Vec::new();
        self.collect(scenario, &mut Vec::new(), &mut edits);
        if edits.is_empty() {
            let steps = ["aurora", "families"].map(|name| Step::Name(name.to_owned()));
            edits.push((Key(steps.to_vec()), toml::Value::from(vec![short(&self.to)])));
        }
        edits
    }

    fn collect(
        &self,
        table: &toml::Table,
        at: &mut Vec<Step>,
        edits: &mut Vec<(Key, toml::Value)>,
    ) {
        let in_aurora = at.last() == Some(&Step::Name("aurora".to_owned()));
        for (name, value) in table.iter().filter(|(name, _)| *name != "commitments") {
            at.push(Step::Name(name.clone()));
            match value {
                toml::Value::Table(inner) => self.collect(inner, at, edits),
                toml::Value::String(class) if name == "instance_class" => {
                    if let Some(size) = class.strip_prefix(&format!("{}.", self.from)) {
                        let class = format!("{}.{size}", self.to);
                        edits.push((Key(at.clone()), class.into()));
                    }
                }
                toml::Value::Array(families) if in_aurora && name == "families" => {
                    let old = toml::Value::from(short(&self.from));
                    if families.contains(&old) {
                        let new = toml::Value::from(short(&self.to));
                        let swapped = families
                            .iter()
                            .map(|own| if *own == old { new.clone() } else { own.clone() });
                        edits.push((Key(at.clone()), toml::Value::Array(swapped.collect())));
                    }
                }
                _ => {}
            }
            at.pop();
        }
    }

    /// Compares the recommended purchases of a plan with those of the moved one.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn compare(
        self,
        (plan, advised): (&Prepared<'_>, &Advised),
        (moved, then): (&Prepared<'_>, &Advised),
    ) -> Result<ClassMove, Error> {
        let month = advised.from;
        let cost = |prepared: &Prepared<'_>| -> Result<f64, Error> {
            let plan = prepared.run(0)?;
            let later = plan.entries.iter().filter(|entry| entry.month >= month);
            Ok(later.map(|entry| entry.cost.to_f64()).sum())
        };
        let extra = cost(moved)? - cost(plan)?;
        let in_plan = |own: &Advised| own.recommended.as_ref().map_or(0.0, |all| all.in_plan);
        let commitments = then.recommended.as_ref().map(|all| all.commitments.clone());
        Ok(ClassMove {
            month,
            extra,
            saves_unmoved: in_plan(advised),
            saves_moved: in_plan(then) - extra,
            commitments: commitments.unwrap_or_default(),
            from: self.from,
            to: self.to,
        })
    }
}

/// Returns the family without `db.`, as a scenario lists families.
fn short(family: &str) -> &str {
    family.strip_prefix("db.").unwrap_or(family)
}

/// Returns letters, generation and what follows: of `db.r6g` they are `r`, 6 and `g`.
fn shape_of(family: &str) -> (&str, u32, &str) {
    let family = short(family);
    let digits = family.find(|c: char| c.is_ascii_digit()).unwrap_or(family.len());
    let (letters, rest) = family.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (generation, after) = rest.split_at(end);
    (letters, generation.parse().unwrap_or(0), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_family_is_replaced_wherever_it_is_named() {
        let newer = NewerClass { from: "db.r6g".into(), to: "db.r8g".into() };
        let text = "[aurora]\nfamilies = [\"t4g\", \"r6g\"]\n[dr]\ninstance_class = \"db.r6g.large\"\n\
            [node]\nfamilies = [\"r6g\"]\n[accounts.b.override.aurora]\ninstance_class = \"db.t4g.medium\"\n\
            [[commitments]]\ninstance_type = \"db.r6g.large\"\n";
        let mut edits: Vec<String> = newer
            .edits(&toml::from_str(text).unwrap())
            .into_iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        edits.sort();
        let expected =
            ["aurora.families = [\"t4g\", \"r8g\"]", "dr.instance_class = \"db.r8g.large\""];
        assert_eq!(edits, expected);
        let edits = newer.edits(&toml::Table::new());
        assert_eq!(edits[0].0.to_string(), "aurora.families");
        assert_eq!(shape_of("db.r6gd"), ("r", 6, "gd"));
    }
}
