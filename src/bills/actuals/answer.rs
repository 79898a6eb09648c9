//! Answers of Cost Explorer as files: what `aws ce get-cost-and-usage` prints.
//!
//! # Source
//! Cost Explorer API reference, `GetCostAndUsage`: `ResultsByTime`, `GroupDefinitions`, `NextPageToken`.
//! # Limits
//! A file is one whole answer. Quantities are read where the answer is grouped by `USAGE_TYPE`: elsewhere Cost
//! Explorer sums over units.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    MonthBill,
    amount::Amount,
    gather::{Gather, Row, month_of},
    layout::{Billing, FIGURES, Figure, Layout, TEXTS, Text},
};
use crate::error::{Error, Place};

/// Keys of groups that are read.
const KEYS: [(&str, Text); 6] = [
    ("SERVICE", Text::Service),
    ("USAGE_TYPE", Text::UsageType),
    ("LINKED_ACCOUNT", Text::Account),
    ("REGION", Text::Region),
    ("RECORD_TYPE", Text::Record),
    ("OPERATION", Text::Operation),
];
/// Metrics that are read.
const METRICS: [(&str, Figure); 3] = [
    ("UnblendedCost", Figure::Unblended),
    ("AmortizedCost", Figure::Amortized),
    ("NetUnblendedCost", Figure::NetUnblended),
];
const QUANTITY: &str = "UsageQuantity";

/// A field with another name is refused: a misspelled one would leave its figures out without a word.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Answer {
    results_by_time: Vec<Period>,
    #[serde(default)]
    group_definitions: Vec<Definition>,
    next_page_token: Option<String>,
    #[serde(default, rename = "DimensionValueAttributes")]
    _attributes: serde::de::IgnoredAny,
    #[serde(default, rename = "ResponseMetadata")]
    _metadata: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Period {
    #[serde(rename = "TimePeriod")]
    span: Span,
    groups: Vec<Group>,
    total: BTreeMap<String, Measure>,
    #[serde(default)]
    estimated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Span {
    start: String,
    end: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Group {
    keys: Vec<String>,
    metrics: BTreeMap<String, Measure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Measure {
    amount: String,
    #[serde(default)]
    unit: String,
}

/// Reads an answer.
///
/// # Errors
/// Text that is no whole answer; groups by other keys than those that are read; a group that is there twice; an
/// amount that is none.
pub fn read(
    file: &str,
    text: &str,
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| {
        let message = format!("cannot be read as output of `aws ce get-cost-and-usage`: {error}");
        Error::at(Place::line(file, error.line()), message)
    })?;
    let wrong = |key: String, message: String| {
        Error::at(Place { key: Some(key), ..Place::file(file) }, message)
    };
    if answer.next_page_token.is_some_and(|token| !token.is_empty()) {
        let message = "the output has more pages (NextPageToken); request fewer months so that one page holds them all";
        return Err(wrong("NextPageToken".into(), message.into()));
    }
    let keys = keys(&answer.group_definitions)
        .map_err(|message| wrong("GroupDefinitions".into(), message))?;
    check(&answer.results_by_time).map_err(|(key, message)| wrong(key, message))?;
    let mut layout = Layout {
        format: "Cost Explorer JSON".into(),
        texts: [None; TEXTS],
        figures: [None; FIGURES],
    };
    layout.texts[Text::End as usize] = Some(0);
    for (name, figure) in METRICS {
        let has = |period: &Period| {
            let totals = std::iter::once(&period.total);
            let mut all = period.groups.iter().map(|group| &group.metrics).chain(totals);
            all.any(|metrics| metrics.contains_key(name))
        };
        layout.figures[figure as usize] = answer.results_by_time.iter().any(has).then_some(0);
    }
    let mut gather = Gather::new(&layout, billing);
    let mut estimated = BTreeSet::new();
    for (index, period) in answer.results_by_time.iter().enumerate() {
        if let Some(month) = month_of(&period.span.start).filter(|_| period.estimated) {
            estimated.insert(month);
        }
        let ungrouped = period.groups.is_empty() && !period.total.is_empty();
        let total = ungrouped.then_some((&[][..], &period.total));
        let groups = period.groups.iter().map(|group| (&*group.keys, &group.metrics));
        for (nth, (values, metrics)) in groups.chain(total).enumerate() {
            let at = if ungrouped {
                format!("ResultsByTime[{index}].Total")
            } else {
                format!("ResultsByTime[{index}].Groups[{nth}]")
            };
            let (values, expected) = (values, if ungrouped { 0 } else { keys.len() });
            if values.len() != expected {
                let message = format!("has {} keys; GroupDefinitions has {expected}", values.len());
                return Err(wrong(at, message));
            }
            let row = row(period, (&keys, values), metrics, (billing, &mut gather))
                .map_err(|message| wrong(at.clone(), message))?;
            gather.add(&row, || format!("{file}: {at}"));
        }
    }
    let mut bills = gather.finish(&format!("{}: {file}", layout.format), read_at)?;
    for bill in &mut bills {
        bill.estimated |= estimated.contains(&bill.month);
        if !keys.contains(&Text::Record) {
            let more = if keys.contains(&Text::Service) { "" } else { "tax, support, " };
            bill.notes.push(format!(
                "the Cost Explorer output is not grouped by RECORD_TYPE: {more}credits, refunds and discounts count as consumption unless its filter excludes them"
            ));
        }
    }
    Ok(bills)
}

/// What the keys of groups are.
fn keys(definitions: &[Definition]) -> Result<Vec<Text>, String> {
    let known = |definition: &Definition| {
        let found = KEYS.iter().find(|(name, _)| *name == definition.key);
        found.map(|(_, text)| *text).ok_or_else(|| {
            let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
            format!(
                "{} is not a supported grouping; group by two of {}",
                definition.key,
                names.join(", ")
            )
        })
    };
    definitions.iter().map(known).collect()
}

/// Checks that periods are dates, each after the one before, and that no group is there twice.
fn check(periods: &[Period]) -> Result<(), (String, String)> {
    let mut spans = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for (index, Period { span: Span { start, end }, groups: own, .. }) in periods.iter().enumerate()
    {
        let key = format!("ResultsByTime[{index}]");
        let dates = month_of(start).is_some() && month_of(end).is_some() && start < end;
        if !dates || start.len() != end.len() {
            let message = format!(
                "{start:?} to {end:?} is not a period; expected two dates, the first before the second"
            );
            return Err((format!("{key}.TimePeriod"), message));
        }
        spans.insert((start, end));
        for (nth, group) in own.iter().enumerate() {
            if !groups.insert((start, end, &group.keys)) {
                let message =
                    format!("{} occurs twice in {start}; remove one", group.keys.join(", "));
                return Err((format!("{key}.Groups[{nth}]"), message));
            }
        }
    }
    let spans: Vec<_> = spans.into_iter().collect();
    for pair in spans.windows(2) {
        if pair[1].0 < pair[0].1 {
            let message = format!(
                "the period {} begins before {} ends; use periods that do not overlap",
                pair[1].0, pair[0].0
            );
            return Err(("ResultsByTime".into(), message));
        }
    }
    Ok(())
}

/// Returns a group as a row.
fn row(
    period: &Period,
    (keys, values): (&[Text], &[String]),
    metrics: &BTreeMap<String, Measure>,
    (billing, gather): (&Billing, &mut Gather<'_>),
) -> Result<Row, String> {
    let mut row = Row::EMPTY;
    let mut set = |which: Text, text: &str| {
        row.texts[which as usize] = gather.number(which as usize, text);
    };
    set(Text::Month, &period.span.start);
    set(Text::End, &period.span.end);
    for (key, value) in keys.iter().zip(values) {
        match billing.console_usage_types.get(value) {
            Some(record) if *key == Text::UsageType && !keys.contains(&Text::Record) => {
                set(Text::Record, record);
            }
            _ => {}
        }
        set(*key, value);
    }
    let amount = |name: &str, measure: &Measure| {
        Amount::parse(&measure.amount)
            .ok_or_else(|| format!("{name} {:?} is not a number", measure.amount))
    };
    let mut figures = [None; FIGURES];
    let mut currency: Option<&str> = None;
    for (name, figure) in METRICS {
        let Some(measure) = metrics.get(name) else { continue };
        figures[figure as usize] = Some(amount(name, measure)?);
        let expected = *currency.get_or_insert(&measure.unit);
        if expected != measure.unit {
            let found = &measure.unit;
            return Err(format!(
                "{name} is in {found}, but the metrics before it are in {expected}"
            ));
        }
    }
    if figures[Figure::Unblended as usize].is_none() {
        let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
        return Err(format!(
            "has no UnblendedCost, only {}; add --metrics UnblendedCost to the command",
            names.join(", ")
        ));
    }
    set(Text::Currency, currency.unwrap_or_default());
    if let Some(measure) = metrics.get(QUANTITY).filter(|_| keys.contains(&Text::UsageType)) {
        figures[Figure::Quantity as usize] = Some(amount(QUANTITY, measure)?);
        set(Text::Unit, if measure.unit == "N/A" { "" } else { &measure.unit });
    }
    row.figures = figures;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bills::actuals::{Kind, Metric};

    /// One month, two groups, as the command prints them.
    const ANSWER: &str = r#"{"GroupDefinitions":[{"Type":"DIMENSION","Key":"SERVICE"}],
 "ResultsByTime":[{"TimePeriod":{"Start":"2027-01-01","End":"2027-02-01"},"Total":{},
  "Groups":[{"Keys":["Amazon Simple Storage Service"],"Metrics":{"UnblendedCost":{"Amount":"0.0123466541","Unit":"USD"},"UsageQuantity":{"Amount":"10493.09","Unit":"N/A"}}},
            {"Keys":["AWS Support (Business)"],"Metrics":{"UnblendedCost":{"Amount":"812.40","Unit":"USD"},"UsageQuantity":{"Amount":"744","Unit":"N/A"}}}],
  "Estimated":false}],"DimensionValueAttributes":[]}"#;

    fn bills(text: &str) -> Result<Vec<MonthBill>, String> {
        let billing: Billing =
            toml::from_str(include_str!("../../../models/billing.toml")).unwrap();
        read("ce.json", text, &billing, "2027-03-05T00:00:00Z").map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_of_the_command_line_is_read() {
        let bill = &bills(ANSWER).unwrap()[0];
        assert_eq!((bill.days, &*bill.currency, bill.lines.len()), (31, "USD", 2));
        let kinds = bill.by_kind(Metric::Unblended);
        assert_eq!(kinds[&Kind::Support].to_string(), "812.4");
        assert_eq!(kinds[&Kind::Usage].to_string(), "0.0123466541");
        assert_eq!(bill.lines[0].quantity, None);
    }

    /// AWS answers the end of the month for a month that is open: it is read as far as the day of reading. An
    /// estimated month that is over is whole.
    #[test]
    fn an_open_month_reaches_the_day_of_reading() {
        let open = ANSWER
            .replace("2027-02-01", "2027-04-01")
            .replace("2027-01-01", "2027-03-01")
            .replace("\"Estimated\":false", "\"Estimated\":true");
        let bill = &bills(&open).unwrap()[0];
        assert_eq!((bill.days, bill.is_partial(), bill.estimated), (5, true, true));
        let over = ANSWER.replace("\"Estimated\":false", "\"Estimated\":true");
        let bill = &bills(&over).unwrap()[0];
        assert_eq!((bill.days, bill.is_partial(), bill.estimated), (31, false, true));
    }

    #[test]
    fn what_is_no_whole_answer_is_refused_with_its_place() {
        for (from, to, expected) in [
            (
                "\"Key\":\"SERVICE\"",
                "\"Key\":\"AZ\"",
                "ce.json: GroupDefinitions: AZ is not a supported grouping; group by two of SERVICE",
            ),
            ("812.40", "NaN", "ce.json: ResultsByTime[0].Groups[1]: UnblendedCost \"NaN\""),
            (
                "AWS Support (Business)",
                "Amazon Simple Storage Service",
                "ce.json: ResultsByTime[0].Groups[1]: Amazon Simple Storage Service occurs twice in 2027-01-01",
            ),
            (
                "\"End\":\"2027-02-01\"",
                "\"End\":\"2027-01-01\"",
                "ce.json: ResultsByTime[0].TimePeriod",
            ),
            (
                "\"DimensionValueAttributes\":[]",
                "\"NextPageToken\":\"x\"",
                "ce.json: NextPageToken: the output has more pages",
            ),
            (
                "UnblendedCost\":{\"Amount\":\"812",
                "BlendedCost\":{\"Amount\":\"812",
                "has no UnblendedCost, only BlendedCost, UsageQuantity",
            ),
            ("\"Amount\":\"812.40\"", "\"Amount\":812.40", "ce.json:4: cannot be read as output"),
            (
                "[{\"Type\":\"DIMENSION\",\"Key\":\"SERVICE\"}]",
                "[]",
                "has 1 keys; GroupDefinitions has 0",
            ),
        ] {
            assert!(ANSWER.contains(from), "{from}");
            let error = bills(&ANSWER.replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
