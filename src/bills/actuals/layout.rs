//! Which columns of an export hold what: the formats of `models/billing.toml`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::Kind;
use crate::error::{Error, Place, nearest};
use crate::facts::model::{self, Model};

/// `models/billing.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Region of usage types that carry no prefix.
    pub unprefixed_region: String,
    /// Kinds of usage that are billed at the rate of another.
    pub same_rate: std::collections::BTreeMap<String, String>,
    /// Services of a plan that AWS does not bill.
    pub not_billed_by_aws: Vec<String>,
    /// Cost Explorer's own price and reach.
    pub cost_explorer: CostExplorerFacts,
    /// Bars of forecast accuracy.
    pub accuracy: Bars,
    /// Formats of exports.
    #[serde(rename = "format")]
    pub formats: Vec<Format>,
    /// Kinds of rows by name.
    pub records: BTreeMap<String, Kind>,
    /// Kinds of rows that a service tells, whatever the type of the row.
    #[serde(rename = "kind_by_service")]
    pub kinds_by_service: Vec<KindByService>,
    /// Kinds of rows that a usage type tells.
    #[serde(rename = "kind_by_usage_type")]
    pub kinds_by_usage_type: Vec<KindByUsageType>,
    /// How rows of AWS Marketplace are known.
    pub marketplace: Marketplace,
    /// ISO codes of currencies by the sign that the Cost Explorer console prints.
    pub currency_signs: BTreeMap<String, String>,
    /// Names of services in Cost Explorer by the short names of its console.
    pub console_services: BTreeMap<String, String>,
    /// Kinds of rows by the usage types of its console that are none.
    pub console_usage_types: BTreeMap<String, String>,
    /// Price-list codes by the names that bills give services.
    pub services: BTreeMap<String, Vec<String>>,
}

impl Model for Billing {
    const FILES: &'static [&'static str] = &["billing.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

impl Billing {
    /// Returns the kind that a record type names, or [`Kind::Unknown`].
    pub fn kind_of_record(&self, record: &str) -> Kind {
        self.records.get(record).copied().unwrap_or(Kind::Unknown)
    }

    /// Returns the kind of a row. Its service, its seller and its usage type are more precise than a record type
    /// `Usage` or `Fee`; every other record type is kept.
    pub fn kind(&self, charge: &Charge<'_>) -> Kind {
        let Charge { kind, service, usage_type, entity, publisher } = *charge;
        if !matches!(kind, Kind::Usage | Kind::Fee | Kind::Unknown) {
            return kind;
        }
        if let Some(kind) = self.kind_of_service(service) {
            return kind;
        }
        if kind != Kind::Unknown && self.marketplace.sold(entity, publisher) {
            return Kind::Marketplace;
        }
        let names = |rule: &&KindByUsageType| {
            rule.of == kind && rule.contains.iter().any(|part| usage_type.contains(part))
        };
        self.kinds_by_usage_type.iter().find(names).map_or(kind, |rule| rule.kind)
    }

    /// Returns the kind that a service tells of a row whose type tells less: support is billed in rows of
    /// type `Usage` or `Fee`, and Cost Explorer's CSV has no types at all.
    fn kind_of_service(&self, service: &str) -> Option<Kind> {
        let names = |rule: &&KindByService| {
            rule.is.iter().any(|name| name == service)
                || rule.begins_with.iter().any(|start| service.starts_with(start))
        };
        self.kinds_by_service.iter().find(names).map(|rule| rule.kind)
    }
}

/// What a row says about its kind.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// The kind that its record type names.
    pub kind: Kind,
    /// The service.
    pub service: &'a str,
    /// The usage type; empty where there is none.
    pub usage_type: &'a str,
    /// CUR's billing entity or the provider of FOCUS; empty where the source has neither.
    pub entity: &'a str,
    /// The publisher of FOCUS; empty in other sources.
    pub publisher: &'a str,
}

/// A kind of row that a usage type tells, of rows of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindByUsageType {
    kind: Kind,
    of: Kind,
    contains: Vec<String>,
}

/// A kind of row that a service tells.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindByService {
    kind: Kind,
    #[serde(default)]
    is: Vec<String>,
    #[serde(default)]
    begins_with: Vec<String>,
}

/// How rows of AWS Marketplace are known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marketplace {
    billing_entities: Vec<String>,
    providers: Vec<String>,
    publishers_of_aws: Vec<String>,
}

impl Marketplace {
    /// Returns whether a row was sold by another seller through AWS: by CUR's billing entity, or by a FOCUS provider
    /// and its publisher.
    pub fn sold(&self, entity: &str, publisher: &str) -> bool {
        let has = |names: &[String]| names.iter().any(|name| name == entity);
        let by_aws = || self.publishers_of_aws.iter().any(|start| publisher.starts_with(start));
        has(&self.billing_entities) || has(&self.providers) && !publisher.is_empty() && !by_aws()
    }
}

/// Cost Explorer's own price and reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostExplorerFacts {
    /// The region whose endpoint answers.
    pub region: String,
    /// Price of one request, in USD.
    pub usd_per_request: Decimal,
    /// Months of history, the current one included.
    pub months: u32,
    /// Most months of a forecast.
    pub forecast_months: u32,
}

/// Forecast error below which a practice is called so.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// Crawl.
    pub crawl: f64,
    /// Walk.
    pub walk: f64,
    /// Run.
    pub run: f64,
}

/// One format: for each figure the names of the columns that hold it, the first that is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// Its name.
    pub name: String,
    /// Columns that no other format has.
    pub recognized_by: Vec<String>,
    account: Vec<String>,
    month: Vec<String>,
    end: Vec<String>,
    record: Vec<String>,
    class: Vec<String>,
    service: Vec<String>,
    region: Vec<String>,
    usage_type: Vec<String>,
    operation: Vec<String>,
    quantity: Vec<String>,
    unit: Vec<String>,
    currency: Vec<String>,
    unblended: Vec<String>,
    amortized: Vec<String>,
    net_unblended: Vec<String>,
    list: Vec<String>,
    plan_effective: Vec<String>,
    plan_commitment: Vec<String>,
    plan_used: Vec<String>,
    reserved_effective: Vec<String>,
    reserved_unused: Vec<String>,
    commitment: Vec<String>,
    stated: Vec<String>,
    entity: Vec<String>,
    publisher: Vec<String>,
}

/// Texts of a row, by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Account.
    Account,
    /// Billing period.
    Month,
    /// End of the charge.
    End,
    /// Kind of row.
    Record,
    /// FOCUS: a correction.
    Class,
    /// Service.
    Service,
    /// Region.
    Region,
    /// Usage type.
    UsageType,
    /// Operation.
    Operation,
    /// Unit.
    Unit,
    /// Second unit, where the first quantity is empty.
    OtherUnit,
    /// Currency.
    Currency,
    /// FOCUS: the commitment that a charge buys or uses.
    Commitment,
    /// What runrate's own exports say they are.
    Stated,
    /// CUR: the billing entity; FOCUS: the provider.
    Entity,
    /// FOCUS: the publisher.
    Publisher,
}

/// How many texts a row has.
pub const TEXTS: usize = 16;

/// Figures of a row, by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Quantity.
    Quantity,
    /// Quantity where the first is empty.
    OtherQuantity,
    /// Unblended cost.
    Unblended,
    /// Amortized cost.
    Amortized,
    /// Net unblended cost.
    NetUnblended,
    /// Cost at list prices.
    List,
    /// Effective cost under a Savings Plan.
    PlanEffective,
    /// Commitment of a Savings Plan to date.
    PlanCommitment,
    /// Its used part.
    PlanUsed,
    /// Effective cost under a reservation.
    ReservedEffective,
    /// Unused upfront part of a reservation.
    ReservedUnusedUpfront,
    /// Unused recurring part.
    ReservedUnusedRecurring,
}

/// How many figures a row has.
pub const FIGURES: usize = 12;

/// A format as a file has it: where each text and figure stands among its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Name of the format.
    pub format: String,
    /// Columns of the texts, in the order of [`Text`].
    pub texts: [Option<usize>; TEXTS],
    /// Columns of the figures, in the order of [`Figure`].
    pub figures: [Option<usize>; FIGURES],
}

impl Layout {
    /// Recognizes the format of a file from its columns.
    ///
    /// # Errors
    /// Columns of no format, or of one with a needed column missing.
    pub fn find(file: &str, header: &[&str], billing: &Billing) -> Result<Self, Error> {
        let has = |name: &String| header.contains(&name.as_str());
        let wrong =
            |message: String| Error::at(Place { line: Some(1), ..Place::file(file) }, message);
        let mut known =
            billing.formats.iter().filter(|format| format.recognized_by.iter().all(has));
        let Some(format) = known.next() else { return Err(unknown(file, header, billing)) };
        if let Some(other) = known.next() {
            let message = format!(
                "the columns match two formats, {} and {}; keep the columns of one",
                format.name, other.name
            );
            return Err(wrong(message));
        }
        let place = |names: &[String], nth: usize| {
            let there = names.iter().filter_map(|n| header.iter().position(|column| column == n));
            there.into_iter().nth(nth)
        };
        let texts = [
            place(&format.account, 0),
            place(&format.month, 0),
            place(&format.end, 0),
            place(&format.record, 0),
            place(&format.class, 0),
            place(&format.service, 0),
            place(&format.region, 0),
            place(&format.usage_type, 0),
            place(&format.operation, 0),
            place(&format.unit, 0),
            place(&format.unit, 1),
            place(&format.currency, 0),
            place(&format.commitment, 0),
            place(&format.stated, 0),
            place(&format.entity, 0),
            place(&format.publisher, 0),
        ];
        let figures = [
            place(&format.quantity, 0),
            place(&format.quantity, 1),
            place(&format.unblended, 0),
            place(&format.amortized, 0),
            place(&format.net_unblended, 0),
            place(&format.list, 0),
            place(&format.plan_effective, 0),
            place(&format.plan_commitment, 0),
            place(&format.plan_used, 0),
            place(&format.reserved_effective, 0),
            place(&format.reserved_unused, 0),
            place(&format.reserved_unused, 1),
        ];
        for (found, name, names) in [
            (texts[Text::Month as usize], "the billing period", &format.month),
            (texts[Text::Service as usize], "the service", &format.service),
        ] {
            if found.is_none() {
                let message =
                    format!("{} needs {name}: add the column {}", format.name, names.join(" or "));
                return Err(wrong(message));
            }
        }
        let layout = Self { format: format.name.clone(), texts, figures };
        for first in layout.columns() {
            let second = header.iter().skip(first + 1).position(|name| *name == header[first]);
            if let Some(second) = second.map(|gap| first + 1 + gap) {
                let message = format!(
                    "the column {} occurs twice, as columns {} and {}; keep one",
                    header[first],
                    first + 1,
                    second + 1
                );
                return Err(wrong(message));
            }
        }
        Ok(layout)
    }

    /// Returns columns that are read, each once, in rising order.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> =
            self.texts.iter().chain(&self.figures).filter_map(|place| *place).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Returns the same with places counted among `columns` alone.
    #[must_use]
    pub fn within(&self, columns: &[usize]) -> Self {
        let among = |place: &Option<usize>| place.and_then(|p| columns.binary_search(&p).ok());
        Self {
            format: self.format.clone(),
            texts: std::array::from_fn(|index| among(&self.texts[index])),
            figures: std::array::from_fn(|index| among(&self.figures[index])),
        }
    }
}

/// Says what is missing of the format that a file comes nearest to.
fn unknown(file: &str, header: &[&str], billing: &Billing) -> Error {
    let missing = |format: &&Format| -> Vec<String> {
        let absent = |name: &&String| !header.contains(&name.as_str());
        format.recognized_by.iter().filter(absent).cloned().collect()
    };
    let near = billing
        .formats
        .iter()
        .filter(|format| missing(format).len() < format.recognized_by.len())
        .min_by_key(|format| missing(format).len());
    let names: Vec<&str> = billing.formats.iter().map(|format| &*format.name).collect();
    let message = match near {
        Some(format) => {
            let absent = missing(&format);
            let like = nearest(&absent[0], header.iter().copied());
            let hint = like.map(|like| format!(" ({like:?} is not it)")).unwrap_or_default();
            format!("looks like {}, but has no column {}{hint}", format.name, absent.join(", "))
        }
        None => format!(
            "the columns match no known export ({}, Cost Explorer CSV); a plain CSV needs month,account,service,cost and may have region, usage_type, operation, quantity, unit, record_type, currency",
            names.join(", ")
        ),
    };
    Error::at(Place { line: Some(1), ..Place::file(file) }, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Support in rows of type Fee or Usage, the upfront fee of a reservation in one of type Fee; the tax on
    /// support stays tax, and the recurring fee of a reservation has the same meter.
    #[test]
    fn one_rule_gives_the_kind_of_a_row() {
        let billing: Billing =
            toml::from_str(include_str!("../../../models/billing.toml")).unwrap();
        for (kind, service, usage_type, entity, expected) in [
            (Kind::Fee, "AWSSupportBusiness", "Dollar", "AWS", Kind::Support),
            (Kind::Usage, "AWSSupportEnterprise", "", "", Kind::Support),
            (Kind::Unknown, "AWS Premium Support", "", "", Kind::Support),
            (Kind::Unknown, "Savings Plans for AWS Compute usage", "", "", Kind::PlanFee),
            (Kind::Tax, "AWSSupportBusiness", "", "AWS", Kind::Tax),
            (Kind::Fee, "AmazonEC2", "USW2-HeavyUsage:m7g.large", "AWS", Kind::ReservedUpfront),
            (Kind::ReservedFee, "AmazonEC2", "HeavyUsage:m7g.large", "AWS", Kind::ReservedFee),
            (Kind::Usage, "AmazonEC2", "HeavyUsage:m7g.large", "AWS", Kind::Usage),
            (Kind::Fee, "a1b2c3", "HeavyUsage:x", "AWS Marketplace", Kind::Marketplace),
            (Kind::Fee, "AmazonRegistrar", "", "AWS", Kind::Fee),
        ] {
            let charge = Charge { kind, service, usage_type, entity, publisher: "" };
            assert_eq!(billing.kind(&charge), expected, "{charge:?}");
        }
    }
}
