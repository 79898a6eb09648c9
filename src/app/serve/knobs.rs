//! Which numbers of a scenario are sliders, and how far each slides.
//!
//! Every range is one: the scenario itself says that it is not known. Of the numbers that are known, those are
//! that a person plays with; the list below names them, and their bounds are the schema's.

use serde::Serialize;

use crate::{
    intent::scenario::{document::Document, number::Number},
    measure::range::Bounds,
};

/// A slider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Knob {
    /// Key in the scenario.
    pub key: String,
    /// Heading above it.
    pub group: String,
    /// What it is called.
    pub label: String,
    /// Its unit; nothing for a plain number.
    pub unit: String,
    /// What the schema says of it.
    pub about: String,
    /// What the scenario says.
    pub value: f64,
    /// Low and high end, and the share of outcomes between, where it is a range.
    pub range: Option<[f64; 3]>,
    /// Left end of the slider.
    pub least: f64,
    /// Right end.
    pub most: f64,
    /// Distance of two values.
    pub step: f64,
    /// What is accepted, in words.
    pub accepted: String,
    /// Bounds of what is accepted.
    pub bounds: [Option<f64>; 2],
    /// Whether it counts something.
    pub whole: bool,
}

/// How far a number slides.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// From a factor less to the same factor more.
    Times(f64),
    /// From nothing up to at least this.
    To(f64),
}

use Reach::{Times, To};

/// Keys, what they are called (their last name, if nothing), and how far they slide.
const KNOBS: [(&str, &str, Reach); 62] = [
    ("users.growth.start", "users in the first month", Times(5.0)),
    ("users.growth.end", "users in the last month", Times(4.0)),
    ("users.growth.per_month", "users added a month", Times(4.0)),
    ("users.growth.monthly_rate", "growth a month", Times(3.0)),
    ("users.growth.capacity", "users it levels off at", Times(4.0)),
    ("users.growth.rate", "early growth a month", Times(3.0)),
    ("users.growth.market", "whole market", Times(4.0)),
    ("users.growth.imitation", "imitation", Times(3.0)),
    ("users.growth.innovation", "innovation", Times(3.0)),
    ("users.volatility", "", To(0.2)),
    ("traffic.sessions_per_user", "", Times(3.0)),
    ("traffic.daily.peak_to_trough", "busiest over quietest hour", Times(3.0)),
    ("traffic.noise", "noise of minutes", To(0.5)),
    ("traffic.classes.*.per_session", "requests in a session", Times(4.0)),
    ("traffic.classes.*.response_kib", "size of an answer", Times(4.0)),
    ("traffic.events[*].peak", "peak over usual traffic", Times(4.0)),
    ("traffic.events[*].probability", "chance", To(1.0)),
    ("traffic.seasons[*].factor", "factor", Times(2.0)),
    ("accounts.*.traffic_share", "", Times(4.0)),
    ("workloads.*.hpa.target_cpu_utilization", "target CPU of the HPA", Times(1.6)),
    ("workloads.*.hpa.min_replicas", "least replicas", Times(4.0)),
    ("workloads.*.hpa.max_replicas", "most replicas", Times(3.0)),
    ("workloads.*.replicas", "replicas", Times(4.0)),
    ("workloads.*.cpu_ms_per_request", "CPU of a request", Times(3.0)),
    ("workloads.*.database_connections", "", Times(3.0)),
    ("cluster.availability_zones", "availability zones", To(3.0)),
    ("cluster.baseline.nodes", "baseline nodes", Times(3.0)),
    ("cluster.node_pools.*.spot_share", "spot share", To(1.0)),
    ("cluster.node_pools.*.consolidate_after_seconds", "consolidate after", Times(8.0)),
    ("cluster.node_pools.*.max_vcpus", "most vCPUs of a node", Times(4.0)),
    ("aurora.min_readers", "least readers", To(4.0)),
    ("aurora.max_readers", "most readers", To(6.0)),
    ("aurora.serverless.min_acu", "least ACU", Times(4.0)),
    ("aurora.serverless.max_acu", "most ACU", Times(4.0)),
    ("aurora.queries_per.*", "queries of a request", Times(4.0)),
    ("aurora.cpu_ms_per_query", "CPU of a query", Times(4.0)),
    ("aurora.write_share", "", To(0.6)),
    ("aurora.working_set_share", "", To(0.6)),
    ("aurora.storage_mib_per_user", "stored for a user", Times(4.0)),
    ("aurora.backup_retention_days", "days of backup", Times(2.5)),
    ("nat.gateways", "gateways", To(3.0)),
    ("waf.blocked_per_request", "", Times(4.0)),
    ("cloudfront.hit_ratio", "", To(1.0)),
    ("s3.growth_gb_per_month", "", Times(5.0)),
    ("s3.log_retention_days", "", Times(4.0)),
    ("cloudwatch.log_gb_per_month", "logs of a month", Times(5.0)),
    ("cloudwatch.retention_days", "", Times(4.0)),
    ("datadog.span_sampling", "share of spans sent", To(1.0)),
    ("datadog.spans_per_request", "", Times(3.0)),
    ("datadog.indexed_span_share", "share of spans indexed", To(0.5)),
    ("datadog.indexed_log_share", "share of logs indexed", To(1.0)),
    ("datadog.custom_metrics", "", Times(4.0)),
    ("github_actions.jobs[*].runs_per_month", "runs a month", Times(4.0)),
    ("github_actions.jobs[*].minutes", "minutes of a run", Times(3.0)),
    ("ecr.versions_per_month", "", Times(4.0)),
    ("dr.nodes", "nodes", Times(3.0)),
    ("dr.rehearsal_hours_per_quarter", "", To(24.0)),
    ("revenue.per_user_month", "revenue of a user", Times(3.0)),
    ("commitments[*].usd_per_hour", "commitment", Times(3.0)),
    ("commitments[*].count", "instances", Times(3.0)),
    ("billing.discount_percent", "discount of the contract", To(30.0)),
    ("billing.tax_percent", "tax", To(25.0)),
];

/// Returns the sliders of a scenario: of each group, in the order of the file; groups of the stack before what accounts
/// change of it.
pub(super) fn all(document: &Document, numbers: &[Number]) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = numbers.iter().filter_map(|number| knob(number, document)).collect();
    let mut groups: Vec<String> = Vec::new();
    for knob in &knobs {
        if !groups.contains(&knob.group) {
            groups.push(knob.group.clone());
        }
    }
    let place = |group: &String| groups.iter().position(|known| known == group);
    knobs.sort_by_key(|knob| (rank(&knob.key), place(&knob.group)));
    knobs
}

/// Returns the rank of a slider: the most wanted come first.
fn rank(key: &str) -> usize {
    const FIRST: [&str; 4] = ["users", "traffic", "workloads", "cluster"];
    const LAST: [&str; 4] = ["billing", "commitments", "revenue", "accounts"];
    let head = key.split(['.', '[']).next().unwrap_or_default();
    let at = |list: &[&str]| list.iter().position(|known| *known == head);
    at(&FIRST).or_else(|| at(&LAST).map(|place| place + 10)).unwrap_or(FIRST.len())
}

fn knob(number: &Number, document: &Document) -> Option<Knob> {
    let (owner, key) = owner(&number.key);
    let declared = KNOBS.iter().find(|(pattern, ..)| fits(pattern, key));
    if declared.is_none() && !number.is_range {
        return None;
    }
    let (_, label, reach) = declared.copied().unwrap_or(("", "", Times(3.0)));
    let name = key.rsplit('.').next().unwrap_or(key);
    let label = match declared {
        // The name itself says what it is of.
        Some((pattern, ..)) if pattern.ends_with(".*") => format!("{label}: {name}"),
        _ if label.is_empty() => name.replace('_', " "),
        _ => label.to_owned(),
    };
    let (least, most) = ends(number, reach);
    let step = step(least, most, number.whole);
    let range = &number.range;
    let (group, inner) = group((owner, key), &number.key, document);
    Some(Knob {
        key: number.key.clone(),
        group,
        label: if inner.is_empty() { label } else { format!("{inner}: {label}") },
        unit: unit(&number.about),
        about: number.about.clone(),
        value: range.mid,
        range: number.is_range.then_some([range.low, range.high, range.confidence]),
        least,
        most,
        step,
        accepted: number.bounds.accepted(),
        bounds: [number.bounds.least, number.bounds.most],
        whole: number.whole,
    })
}

/// Returns the account whose override holds a key, and the key below it.
fn owner(key: &str) -> (Option<&str>, &str) {
    let split = key.strip_prefix("accounts.").and_then(|rest| rest.split_once(".override."));
    split.map_or((None, key), |(account, rest)| (Some(account), rest))
}

/// Returns whether a key matches a pattern; `*` matches any name or index.
fn fits(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((before, after)) => key.strip_prefix(before).is_some_and(|rest| {
            if after.is_empty() {
                return !rest.is_empty() && !rest.contains(['.', '[']);
            }
            // The name may hold dots: the pattern's next part is looked for from the end.
            match after.split_once('*') {
                None => rest.strip_suffix(after).is_some_and(|name| !name.is_empty()),
                Some(_) => rest.find(&after[..1]).is_some_and(|at| fits(after, &rest[at..])),
            }
        }),
    }
}

/// Returns the heading, and the thing below it that the number belongs to.
fn group(
    (owner, key): (Option<&str>, &str),
    whole_key: &str,
    document: &Document,
) -> (String, String) {
    let parts: Vec<&str> = key.split('.').collect();
    let head = parts[0].split('[').next().unwrap_or_default();
    let below = |skip: usize| {
        let inner = parts.get(skip..parts.len().saturating_sub(1)).unwrap_or_default();
        let inner = inner
            .iter()
            .filter(|part| !matches!(**part, "growth" | "hpa" | "daily" | "queries_per"));
        inner.copied().collect::<Vec<&str>>().join(" ")
    };
    let named = || {
        // An event or a season has a name of its own.
        let listed =
            whole_key.rsplit_once('.').map(|(list, _)| list).filter(|list| list.ends_with(']'));
        listed.and_then(|list| name_of(&document.table, list))
    };
    let (heading, inner) = match head {
        "users" => ("users".to_owned(), below(1)),
        "traffic" => {
            let inner = named().unwrap_or_else(|| below(1).trim_start_matches("classes ").into());
            ("traffic".to_owned(), inner)
        }
        "workloads" => (format!("workload {}", parts.get(1).unwrap_or(&"")), below(2)),
        "cluster" => ("cluster".to_owned(), below(1).trim_start_matches("node_pools ").to_owned()),
        "billing" | "commitments" | "revenue" => ("money".to_owned(), named().unwrap_or_default()),
        "accounts" => ("accounts".to_owned(), below(1)),
        // `waf` and `s3` are short for something.
        other if other.len() <= 3 => (other.to_uppercase(), named().unwrap_or_else(|| below(1))),
        other => (other.replace('_', " "), named().unwrap_or_else(|| below(1))),
    };
    match owner {
        Some(account) => (format!("{account}: {heading}"), inner),
        None => (heading, inner),
    }
}

/// Returns the name of an element of a list, `traffic.events[0]`; a job's is its runner.
fn name_of(table: &toml::Table, key: &str) -> Option<String> {
    let (list, index) = key.trim_end_matches(']').rsplit_once('[')?;
    let mut value: Option<&toml::Value> = None;
    for part in list.split('.') {
        value = match value {
            None => table.get(part),
            Some(value) => value.get(part),
        };
        value?;
    }
    let element = value?.get(index.parse::<usize>().ok()?)?;
    let name = element.get("name").or_else(|| element.get("runner"));
    Some(name.and_then(toml::Value::as_str).map_or_else(|| format!("{index}."), str::to_owned))
}

/// `ms` of `CPU time of one request [ms].`
fn unit(about: &str) -> String {
    let inner = about.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inner.map(|(unit, _)| unit.to_owned()).unwrap_or_default()
}

/// Returns where the slider begins and ends.
fn ends(number: &Number, reach: Reach) -> (f64, f64) {
    let Bounds { least, most } = number.bounds;
    let range = &number.range;
    let (from, to) = if number.is_range && range.high > range.low {
        let (below, above) = (range.mid - range.low, range.high - range.mid);
        let aside = 0.1 * (range.high - range.low);
        (range.low - (below / 2.0).max(aside), range.high + (above / 2.0).max(aside))
    } else {
        let value = range.mid;
        match reach {
            To(most) => (0.0, most.max(value * 1.5)),
            Times(_) if value == 0.0 => (0.0, most.map_or(10.0, |most| most.min(10.0))),
            Times(times) if value < 0.0 => (value * times, -value * times),
            Times(times) => (value / times, value * times),
        }
    };
    let (from, to) =
        if number.whole { (from.floor(), to.ceil().max(from.floor() + 2.0)) } else { (from, to) };
    let from = if range.low >= 0.0 { from.max(0.0) } else { from };
    (least.map_or(from, |least| from.max(least)), most.map_or(to, |most| to.min(most)))
}

/// About two hundred steps, each a round number.
fn step(least: f64, most: f64, whole: bool) -> f64 {
    const STEPS: f64 = 200.0;
    let rough = ((most - least) / STEPS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power);
    let step = round.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power);
    if whole { step.max(1.0).round() } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knobs(text: &str) -> Vec<Knob> {
        let document = Document::parse("s.toml", text).unwrap();
        all(&document, &Number::all(&document))
    }

    #[test]
    fn patterns_stand_for_names() {
        for (pattern, key, expected) in [
            ("users.growth.end", "users.growth.end", true),
            ("users.growth.end", "users.growth.ending", false),
            ("workloads.*.hpa.max_replicas", "workloads.api.hpa.max_replicas", true),
            ("workloads.*.hpa.max_replicas", "workloads.a.b.hpa.max_replicas", true),
            ("workloads.*.replicas", "workloads..replicas", false),
            ("traffic.events[*].peak", "traffic.events[12].peak", true),
            ("aurora.queries_per.*", "aurora.queries_per.api", true),
            ("aurora.queries_per.*", "aurora.queries_per.api.x", false),
        ] {
            assert_eq!(fits(pattern, key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn ranges_and_main_numbers_are_sliders_within_what_is_accepted() {
        let example = include_str!("../../../examples/innovate.toml");
        let knobs = knobs(example);
        let of = |key: &str| {
            knobs.iter().find(|knob| knob.key == key).unwrap_or_else(|| panic!("{key}"))
        };
        let end = of("users.growth.end");
        assert_eq!((end.value, end.range), (1e6, Some([350_000.0, 1_900_000.0, 0.8])));
        assert!(end.least < 350_000.0 && end.most > 1_900_000.0, "{end:?}");
        let cpu = of("workloads.api.cpu_ms_per_request");
        assert_eq!(
            (&*cpu.unit, &*cpu.group, &*cpu.label),
            ("ms", "workload api", "CPU of a request")
        );
        let late = of("traffic.events[0].slip_days");
        assert_eq!(
            (&*late.label, late.range),
            ("public launch: slip days", Some([0.0, 30.0, 0.8]))
        );
        let spot = of("accounts.non-production.override.cluster.node_pools.general.spot_share");
        assert_eq!((&*spot.group, spot.least, spot.most), ("non-production: cluster", 0.0, 1.0));
        let job = of("accounts.non-production.override.github_actions.jobs[1].minutes");
        assert_eq!(job.label, "linux_4_core: minutes of a run");
        for key in ["aurora.min_readers", "cluster.baseline.nodes", "datadog.span_sampling"] {
            of(key);
        }
        for knob in &knobs {
            let Knob { least, most, value, step, bounds, .. } = knob;
            assert!(least <= value && value <= most && least < most, "{knob:?}");
            assert!(bounds[0].is_none_or(|bound| bound <= *least), "{knob:?}");
            assert!(bounds[1].is_none_or(|bound| bound >= *most), "{knob:?}");
            let steps = (most - least) / step;
            assert!(steps <= 201.0 && (knob.whole || steps >= 50.0), "{steps}: {knob:?}");
        }
        assert!(knobs.iter().all(|knob| !knob.key.starts_with("plan.")));
        assert_eq!(knobs[0].group, "users");
    }
}
