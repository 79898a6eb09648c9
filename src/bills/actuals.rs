//! Actuals: lines of exports and of Cost Explorer, summed by month, account, meter and kind of row.
//!
//! # Formula
//! ```text
//! consumption = usage + what plans and reservations cover + their fees
//! bill        = consumption + fees + support + Marketplace + tax + discounts + credits + refunds + what is not known
//! ```
//! Each row is used or skipped with its reason: rows in = rows used + rows skipped. A skipped row counts with its
//! cost, if it has one.
//!
//! # Source
//! AWS Data Exports, Cost Explorer and FOCUS as `models/billing.toml` names them.
//! # Limits
//! Days and resources are summed away; a bill of several currencies is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::amount::Amount;
use crate::measure::calendar::Month;

pub mod amount;
pub mod answer;
#[cfg(feature = "polars")]
pub(crate) mod columnar;
mod console;
pub(crate) mod gather;
pub mod layout;
mod lines;
pub mod naming;
pub(crate) mod redact;
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "only `actuals pull` uses it"))]
pub(crate) mod span;
pub mod text;

/// Version of the stored form.
pub const SCHEMA: u32 = 1;

/// The `x_RecordType` of runrate's own exports, which are forecasts and not bills.
pub const FORECAST: &str = "forecast";

/// Kind of a row, whatever an export calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Usage at its own rate.
    Usage,
    /// Usage that a Savings Plan covers.
    PlanUsage,
    /// The counter-entry of covered usage.
    PlanNegation,
    /// Hourly fee of a Savings Plan.
    PlanFee,
    /// Upfront fee of a Savings Plan.
    PlanUpfront,
    /// Usage that a reservation covers.
    ReservedUsage,
    /// Hourly fee of a reservation.
    ReservedFee,
    /// Upfront fee of a reservation.
    ReservedUpfront,
    /// Purchases and charges out of cycle.
    Fee,
    /// AWS Support, whatever the type of its row.
    Support,
    /// Charges of other sellers through AWS Marketplace.
    Marketplace,
    /// Tax.
    Tax,
    /// Discounts in rows of their own: EDP, private rates.
    Discount,
    /// Credits.
    Credit,
    /// Refunds.
    Refund,
    /// A name that `models/billing.toml` does not know.
    Unknown,
}

impl Kind {
    /// Every kind, in the order of the bridge from consumption to the bill.
    pub const ALL: [Self; 16] = [
        Self::Usage,
        Self::PlanUsage,
        Self::PlanNegation,
        Self::PlanFee,
        Self::PlanUpfront,
        Self::ReservedUsage,
        Self::ReservedFee,
        Self::ReservedUpfront,
        Self::Fee,
        Self::Support,
        Self::Marketplace,
        Self::Tax,
        Self::Discount,
        Self::Credit,
        Self::Refund,
        Self::Unknown,
    ];

    /// Returns whether it is consumption, which a plan forecasts.
    pub fn is_consumption(self) -> bool {
        self <= Self::ReservedUpfront
    }

    /// Returns its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::PlanUsage => "Savings Plan covered usage",
            Self::PlanNegation => "Savings Plan negation",
            Self::PlanFee => "Savings Plan fees",
            Self::PlanUpfront => "Savings Plan upfront fees",
            Self::ReservedUsage => "reserved usage",
            Self::ReservedFee => "reservation fees",
            Self::ReservedUpfront => "reservation upfront fees",
            Self::Fee => "other fees",
            Self::Support => "support",
            Self::Marketplace => "AWS Marketplace",
            Self::Tax => "tax",
            Self::Discount => "discounts",
            Self::Credit => "credits",
            Self::Refund => "refunds",
            Self::Unknown => "rows of unknown kind",
        }
    }
}

/// One view of a row's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// What each account is charged on the day.
    Unblended,
    /// Fees spread over the usage they cover.
    Amortized,
    /// Unblended after discounts.
    NetUnblended,
    /// Amortized after discounts.
    NetAmortized,
}

impl Metric {
    /// Every metric, in the order of [`Line::costs`].
    pub const ALL: [Self; 4] =
        [Self::Unblended, Self::Amortized, Self::NetUnblended, Self::NetAmortized];

    /// Returns the name that Cost Explorer gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unblended => "UnblendedCost",
            Self::Amortized => "AmortizedCost",
            Self::NetUnblended => "NetUnblendedCost",
            Self::NetAmortized => "NetAmortizedCost",
        }
    }
}

/// What identifies a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    /// Account id as the bill prints it.
    pub account: String,
    /// Service as the bill prints it.
    pub service: String,
    /// Region code, where the bill says it.
    pub region: String,
    /// Usage type as the bill prints it.
    pub usage_type: String,
    /// Operation, where the bill says it.
    pub operation: String,
    /// Kind of row.
    pub kind: Kind,
    /// The kind as the bill prints it.
    pub record: String,
    /// Unit of the quantity.
    pub unit: String,
}

/// Rows of one key and month, summed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Their key.
    #[serde(flatten)]
    pub key: LineKey,
    /// Quantity; none if no row has one.
    pub quantity: Option<Amount>,
    /// Costs by metric; none where the source has no such column.
    pub costs: [Option<Amount>; 4],
    /// Cost at public on-demand prices, where the source says it.
    pub list: Option<Amount>,
    /// Rows.
    pub rows: u64,
}

impl Line {
    /// Returns its cost by a metric.
    pub fn cost(&self, metric: Metric) -> Option<Amount> {
        self.costs[metric as usize]
    }
}

/// One month of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonthBill {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The month.
    pub month: Month,
    /// Currency.
    pub currency: String,
    /// Where it is from: a format and its files, or Cost Explorer.
    pub source: String,
    /// When it was read or pulled, UTC.
    pub read_at: String,
    /// The figures may still change.
    pub estimated: bool,
    /// Days of the month up to the last that has rows.
    pub days: u32,
    /// AWS's own forecasts from this month on, where they were pulled: month and mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
    /// Lines, in the order of their keys.
    pub lines: Vec<Line>,
    /// Rows that were not used, by reason.
    pub set_aside: Vec<SetAside>,
    /// Notes for the reader of its figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Rows of `lines` that are a forecast: the month is then not a bill, or only in part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forecast_rows: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

/// A month of AWS's own forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Account; empty for all.
    pub account: String,
    /// The month that is forecast.
    pub month: Month,
    /// Mean, in the currency of the bill.
    pub mean: Amount,
    /// Lower end of the 80 % interval.
    pub low: Option<Amount>,
    /// Upper end.
    pub high: Option<Amount>,
}

/// Rows that were not used, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Why.
    pub reason: String,
    /// Number of rows.
    pub rows: u64,
    /// The first of them: file and line.
    pub first: String,
    /// Sum of their costs, in the currency of the bill; none if no row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Amount>,
}

impl MonthBill {
    /// Returns the sum of a metric over the lines that `wanted` picks; none if no line matches or one lacks the
    /// metric.
    pub fn sum(&self, metric: Metric, wanted: impl Fn(&Line) -> bool) -> Option<Amount> {
        let mut costs =
            self.lines.iter().filter(|line| wanted(line)).map(|l| l.cost(metric)).peekable();
        costs.peek()?;
        costs.sum()
    }

    /// Returns the sums of a metric by kind of row.
    pub fn by_kind(&self, metric: Metric) -> BTreeMap<Kind, Amount> {
        let mut sums = BTreeMap::new();
        for line in &self.lines {
            if let Some(cost) = line.cost(metric) {
                *sums.entry(line.key.kind).or_insert(Amount::ZERO) += cost;
            }
        }
        sums
    }

    /// Adds another part of the same month.
    ///
    /// # Errors
    /// A part in another currency; sums that exceed an amount.
    pub fn add(&mut self, part: Self) -> Result<(), String> {
        // A part without a line is in no currency.
        if self.lines.is_empty() {
            self.currency.clone_from(&part.currency);
        }
        if !part.lines.is_empty() && part.currency != self.currency {
            let named = |currency: &str| match currency {
                "" => "no stated currency".to_owned(),
                named => named.to_owned(),
            };
            return Err(format!(
                "{} is in {}, and in {} in another file; import the bills separately",
                self.month,
                named(&part.currency),
                named(&self.currency)
            ));
        }
        self.lines.extend(part.lines);
        self.lines = gather::merged(std::mem::take(&mut self.lines));
        gather::check_sums(self.month, &self.lines)?;
        self.set_aside.extend(part.set_aside);
        for note in part.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.forecast_rows += part.forecast_rows;
        self.days = self.days.max(part.days);
        self.estimated |= part.estimated;
        let source = part.source.split_once(": ").map_or(&*part.source, |(_, file)| file);
        self.source = format!("{}, {source}", self.source);
        Ok(())
    }

    /// Gives this account to the lines without one; returns false if every line has one.
    pub fn set_account(&mut self, account: &str) -> bool {
        let mut any = false;
        for line in self.lines.iter_mut().filter(|line| line.key.account.is_empty()) {
            account.clone_into(&mut line.key.account);
            any = true;
        }
        self.lines = gather::merged(std::mem::take(&mut self.lines));
        any
    }

    /// Gives each line the kind that today's rules give it: a bill that an earlier version stored may lack some.
    /// Its stored lines no longer name a seller, so that Marketplace stays as stored.
    pub fn classify(&mut self, billing: &layout::Billing) {
        let mut changed = false;
        for line in &mut self.lines {
            let key = &line.key;
            let kind = billing.kind(&layout::Charge {
                kind: key.kind,
                service: &key.service,
                usage_type: &key.usage_type,
                entity: "",
                publisher: "",
            });
            changed |= kind != key.kind;
            if kind != key.kind && kind == Kind::ReservedUpfront {
                // The fee is amortized in the hours that it covers.
                let amortized = &mut line.costs[Metric::Amortized as usize];
                *amortized = amortized.map(|_| Amount::ZERO);
            }
            line.key.kind = kind;
        }
        if changed {
            self.lines = gather::merged(std::mem::take(&mut self.lines));
        }
    }

    /// Returns the number of used rows.
    pub fn rows(&self) -> u64 {
        self.lines.iter().map(|line| line.rows).sum()
    }

    /// Returns the share of the rows that were skipped.
    pub fn skipped_share(&self) -> f64 {
        skipped_share(std::slice::from_ref(self))
    }

    /// Returns a warning if it is a forecast; none if it is a bill.
    pub fn no_bill(&self) -> Option<String> {
        let (rows, all) = (self.forecast_rows, self.rows());
        let which = if rows == all {
            "its rows are".into()
        } else {
            format!("{rows} of its {all} rows are")
        };
        (rows > 0).then(|| format!("{}: {which} a runrate forecast, not a bill", self.month))
    }

    /// Returns whether the rows end before the month does.
    pub fn is_partial(&self) -> bool {
        (self.days as usize) < self.month.days()
    }
}

/// Returns the share of skipped rows of several bills.
pub fn skipped_share(bills: &[MonthBill]) -> f64 {
    let skipped: u64 = bills.iter().flat_map(|bill| &bill.set_aside).map(|aside| aside.rows).sum();
    let rows = skipped + bills.iter().map(MonthBill::rows).sum::<u64>();
    if rows == 0 { 0.0 } else { skipped as f64 / rows as f64 }
}
