//! The search space: the knobs with their values, their places in the scenario, and today's values.

use serde::Deserialize;
use toml::Value;

use crate::{
    error::{Error, Place, Problem, nearest},
    facts::shapes::Catalog,
    intent::scenario::{
        Account, Scenario,
        key::{Key, Step},
        schema::COMMON,
        tuning::Knob,
    },
};

/// One value of each knob, by its place.
pub type Candidate = Vec<u16>;

/// A knob with its values in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dial {
    /// Its key, as an account's setting.
    pub key: Key,
    /// Its place in the scenario.
    pub home: Key,
    /// Its values; none omits the key, as today.
    pub values: Vec<Option<Value>>,
    /// Today's place.
    pub today: u16,
    /// Whether the values are numbers, so that neighbours are alike.
    pub ordered: bool,
    /// Whether the scenario names it.
    pub asked: bool,
}

/// All knobs of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// Place of the account.
    pub account: usize,
    /// The knobs.
    pub dials: Vec<Dial>,
}

/// A knob of `models/tune.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultKnob {
    key: String,
    #[serde(default)]
    values: Vec<Value>,
    #[serde(default)]
    factors: Vec<f64>,
    #[serde(default)]
    least: i64,
    #[serde(default)]
    given: bool,
}

impl Space {
    /// Returns today's settings.
    pub fn today(&self) -> Candidate {
        self.dials.iter().map(|dial| dial.today).collect()
    }

    /// Returns the number of candidates; none if it overflows.
    pub fn size(&self) -> Option<u64> {
        self.dials.iter().try_fold(1_u64, |all, dial| all.checked_mul(dial.values.len() as u64))
    }

    /// Returns a whole number that a candidate sets, or that the account has.
    pub fn whole(
        &self,
        (scenario, catalog): (&Scenario, &Catalog),
        candidate: &[u16],
        key: &str,
    ) -> Option<i64> {
        let key = Key::parse(key).ok()?;
        let turned = self.dials.iter().zip(candidate).find(|(dial, _)| dial.key == key);
        if let Some(value) = turned.and_then(|(dial, place)| dial.at(*place)) {
            return value.as_integer();
        }
        let stack = scenario.stack_of(&scenario.accounts[self.account], catalog);
        key.get(&stack)?.as_integer()
    }

    /// Returns the changes of a candidate in the scenario.
    pub fn edits(&self, candidate: &[u16]) -> Vec<(&Key, &Value)> {
        let changed =
            self.dials.iter().zip(candidate).filter(|(dial, place)| dial.today != **place);
        changed.filter_map(|(dial, place)| Some((&dial.home, dial.at(*place)?))).collect()
    }

    /// Returns the knobs that a scenario names, or those of the model if it names none.
    ///
    /// # Errors
    /// Knobs without effect, values that the schema refuses, each with its line.
    pub fn of(
        scenario: &Scenario,
        account: usize,
        defaults: &[DefaultKnob],
        catalog: &Catalog,
    ) -> Result<Self, Error> {
        let own = &scenario.accounts[account];
        let stack = scenario.stack_of(own, catalog);
        let maker = Maker { scenario, own, stack, catalog };
        let asked = scenario.tune.as_ref().map_or(&[][..], |tune| &tune.knobs);
        let (mut dials, mut problems) = (Vec::new(), Vec::new());
        for (index, knob) in asked.iter().enumerate() {
            match maker.asked(index, knob) {
                Ok(dial) => dials.push(dial),
                Err(found) => problems.extend(found),
            }
        }
        if asked.is_empty() {
            dials = defaults.iter().flat_map(|knob| maker.defaults(knob)).collect();
            if dials.is_empty() {
                let message = format!(
                    "{} has none of the settings that are changed by default; name some with [[tune.knobs]]",
                    own.name
                );
                problems.push(scenario.document.problem("tune", &message));
            }
        }
        if problems.is_empty() { Ok(Self { account, dials }) } else { Err(Error::input(problems)) }
    }
}

impl Space {
    /// Returns the settings that could lift a limit that a workload runs into: its own, and those of node pools.
    pub fn lifts(
        scenario: &Scenario,
        account: usize,
        (lifts, workload): (&[DefaultKnob], &str),
        catalog: &Catalog,
    ) -> Self {
        let own = &scenario.accounts[account];
        let maker = Maker { scenario, own, stack: scenario.stack_of(own, catalog), catalog };
        let of_it = |dial: &Dial| match (&*dial.key.0, dial.key.head()) {
            ([_, Step::Name(name), ..], "workloads") => name == workload,
            _ => true,
        };
        let dials = lifts.iter().flat_map(|knob| maker.defaults(knob)).filter(of_it).collect();
        Self { account, dials }
    }
}

impl Dial {
    /// Returns the value at a place.
    pub fn at(&self, place: u16) -> Option<&Value> {
        self.values.get(usize::from(place))?.as_ref()
    }

    /// Returns the value at a place, as the scenario has it.
    pub fn words(&self, place: u16) -> String {
        self.at(place).map_or_else(|| "left out".into(), |value| value.to_string().replace('"', ""))
    }
}

/// Returns whether two values mean the same: 1 and 1.0 do.
fn same(a: &Value, b: &Value) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

struct Maker<'a> {
    scenario: &'a Scenario,
    own: &'a Account,
    /// Returns the account's stack, with overrides and profiles merged.
    stack: toml::Table,
    catalog: &'a Catalog,
}

impl Maker<'_> {
    fn problem(&self, key: &str, message: &str) -> Problem {
        self.scenario.document.problem(key, message)
    }

    /// Returns a knob that the scenario names.
    fn asked(&self, index: usize, knob: &Knob) -> Result<Dial, Vec<Problem>> {
        let place = format!("tune.knobs[{index}]");
        let at = |below: &str, message: String| {
            vec![self.problem(&format!("{place}.{below}"), &message)]
        };
        let key = Key::parse(&knob.key).map_err(|message| at("key", message))?;
        self.exists(&key).map_err(|message| at("key", message))?;
        let home = self.scenario.home(&self.own.name, &key);
        let values = knob.values();
        let mut problems = Vec::new();
        for (number, value) in values.iter().enumerate() {
            for found in self.scenario.misfits(&self.own.name, &[(&home, value)], self.catalog) {
                let of_key = found.message.starts_with("there is no such key");
                let below = match (of_key, &knob.values) {
                    (true, _) => "key".to_owned(),
                    (false, Some(_)) => format!("values[{number}]"),
                    (false, None) => "from".to_owned(),
                };
                let told = if of_key {
                    found.message
                } else {
                    format!("{value}: {}", said(&found, &home))
                };
                problems.push(self.problem(&format!("{place}.{below}"), &told));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let dial = self.dial(key, home, values, true);
        if dial.values.len() < 2 {
            let message = format!("{} is today's value; add other values", dial.words(0));
            return Err(at("values", message));
        }
        Ok(dial)
    }

    fn dial(&self, key: Key, home: Key, values: Vec<Value>, asked: bool) -> Dial {
        let today = self.today(&key).cloned();
        let mut all: Vec<Option<Value>> = Vec::new();
        for value in today.iter().cloned().chain(values) {
            if !all.iter().flatten().any(|known| same(known, &value)) {
                all.push(Some(value));
            }
        }
        let ordered = all.iter().flatten().all(|value| number(value).is_some());
        if ordered {
            all.sort_by(|a, b| {
                let of = |value: &Option<Value>| value.as_ref().and_then(number).unwrap_or(0.0);
                of(a).total_cmp(&of(b))
            });
        }
        let place = if let Some(today) = &today {
            all.iter().position(|v| v.as_ref().is_some_and(|v| same(v, today)))
        } else {
            all.insert(0, None);
            Some(0)
        };
        Dial { key, home, values: all, today: place.unwrap_or(0) as u16, ordered, asked }
    }

    fn today(&self, key: &Key) -> Option<&Value> {
        match key.head() {
            "commitments" => key.get(&self.scenario.document.table),
            _ => key.get(&self.stack),
        }
    }

    /// Returns whether the account may change a key.
    fn exists(&self, key: &Key) -> Result<(), String> {
        let head = key.head();
        if head == "commitments" {
            let Some(Step::Index(index)) = key.0.get(1) else {
                return Err("name one of them: commitments[0].usd_per_hour".into());
            };
            let count = self.scenario.commitments.len();
            return if *index < count {
                Ok(())
            } else {
                Err(format!("the scenario has {count} commitments, counted from [0]"))
            };
        }
        if head == "accounts" {
            return Err(
                "leave out accounts.<name>.override: a knob turns the account of tune.account"
                    .into(),
            );
        }
        if COMMON.contains(&head) {
            return Err(format!(
                "[{head}] is not the account's to change; knobs are keys of cluster, workloads, a service or commitments"
            ));
        }
        if key.0.len() < 2 {
            return Err(format!("is a table; name a setting in it, {head}.<key>"));
        }
        if key.0.iter().any(|step| matches!(step, Step::Index(_))) {
            return Err(
                "is inside a list; give the key of the list, and whole lists as values".into()
            );
        }
        self.names_exist(key)
    }

    /// Returns whether the named tables exist: a new name would be a new workload.
    fn names_exist(&self, key: &Key) -> Result<(), String> {
        let names: Vec<&str> = key
            .0
            .iter()
            .filter_map(|step| if let Step::Name(name) = step { Some(&**name) } else { None })
            .collect();
        let depth = match &names[..] {
            ["workloads", ..] => 2,
            ["cluster", "node_pools", ..] => 3,
            _ => 1,
        };
        let mut table = &self.stack;
        for (at, name) in names.iter().take(depth).enumerate() {
            let Some(inner) = table.get(*name).and_then(Value::as_table) else {
                let known: Vec<&str> = table
                    .iter()
                    .filter(|(name, value)| value.is_table() && !COMMON.contains(&name.as_str()))
                    .map(|(name, _)| name.as_str())
                    .collect();
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                let what = if at == 0 { "table" } else { "such name as" };
                return Err(format!("account {} has no {what} {name:?}; {hint}", self.own.name));
            };
            table = inner;
        }
        Ok(())
    }

    /// Returns the knobs that a pattern of the model gives here: those with a choice.
    fn defaults(&self, knob: &DefaultKnob) -> Vec<Dial> {
        let mut found = Vec::new();
        let parts: Vec<&str> = knob.key.split('.').collect();
        matches(&self.stack, &parts, &mut Vec::new(), &mut found);
        let dial = |names: &Vec<String>| {
            let key = Key(names.iter().map(|name| Step::Name(name.clone())).collect());
            let today = self.today(&key).cloned();
            if knob.given && today.is_none() {
                return None;
            }
            let mut values = knob.values.clone();
            if let Some(Value::Integer(now)) = today {
                let times = |factor: &f64| (now as f64 * factor).round() as i64;
                let above = |value: &i64| *value >= knob.least;
                values.extend(knob.factors.iter().map(times).filter(above).map(Value::Integer));
            }
            let home = self.scenario.home(&self.own.name, &key);
            values.retain(|value| {
                self.scenario.misfits(&self.own.name, &[(&home, value)], self.catalog).is_empty()
            });
            let dial = self.dial(key, home, values, false);
            (dial.values.len() > 1).then_some(dial)
        };
        found.iter().filter_map(dial).collect()
    }
}

/// Returns a misfit in the words of the schema, without the key.
fn said(found: &Problem, home: &Key) -> String {
    match &found.place.key {
        Some(key) if *key != home.to_string() => format!("{key}: {}", found.message),
        _ => found.message.clone(),
    }
}

/// Returns the keys that a pattern names; each table on the way must exist.
fn matches(
    table: &toml::Table,
    parts: &[&str],
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    let Some((first, rest)) = parts.split_first() else { return };
    if rest.is_empty() {
        path.push((*first).to_owned());
        found.push(path.clone());
        path.pop();
        return;
    }
    for (name, inner) in table {
        if let (true, Value::Table(inner)) = (*first == "*" || *first == name, inner) {
            path.push(name.clone());
            matches(inner, rest, path, found);
            path.pop();
        }
    }
}

/// Returns the account to tune: the named one, else the first with all of the users' traffic, else the first.
///
/// # Errors
/// A name that no account has.
pub fn account(scenario: &Scenario, named: Option<&str>) -> Result<usize, Error> {
    let accounts = &scenario.accounts;
    let name = named.or(scenario.tune.as_ref().and_then(|tune| tune.account.as_deref()));
    let Some(name) = name else {
        return Ok(accounts.iter().position(|own| own.settings.traffic_share >= 1.0).unwrap_or(0));
    };
    accounts.iter().position(|own| own.name == name).ok_or_else(|| {
        let known: Vec<&str> = accounts.iter().map(|own| &*own.name).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are {}", known.join(", ")),
        };
        let place = Place { key: Some("--account".into()), ..Place::default() };
        Error::at(place, format!("no account {name:?}; {hint}"))
    })
}
