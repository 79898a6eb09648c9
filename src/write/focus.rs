//! The plan in the columns of FOCUS 1.2: what a bill of it would look like, for tools that read bills.
//!
//! Every row says `x_RecordType` = `forecast`. There is one row for each priced line, so `BilledCost` and
//! `EffectiveCost` each add up to the plan, to the last digit. Both hold the line's cost: the plan spreads
//! upfront fees over their terms, and what is paid when is in its commitments (`x_CostBasis` says so).
//! `x_ServiceMonthP10`, `P50` and `P90` stand once for each service, account and month, on its first row:
//! quantiles do not add up, and repeated they would look as if they did.
//!
//! | plan | `ChargeCategory` | `x_LineItemType` | |
//! | --- | --- | --- | --- |
//! | usage | Usage | `Usage` | `PricingCategory` Dynamic for spot |
//! | covered usage | Usage | `SavingsPlanCoveredUsage`, `DiscountedUsage` | commitment Used |
//! | rest of a fee | Usage | `SavingsPlanRecurringFee`, `RIFee` | commitment Unused |
//! | support | Purchase | `Support` | |
//! | discount | Adjustment | `EdpDiscount`, `PrivateRateDiscount` | list cost 0 |
//! | tax | Tax | `Tax` | no quantity |
//!
//! # Source
//! FOCUS specification v1.2, column definitions: names, allowed values, which may be null.
//! # Limits
//! The payer's account is not in a scenario: the plan's name stands for it. `SkuId` and `SkuPriceId` are the
//! meter's names in the price book, since AWS's own codes are not known. `ServiceSubcategory`, a
//! recommended column, is missing. Quantities have fifteen decimals, as bills do. A unit price of a line
//! that runs through several steps is their mean.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::facts::model::Model;
use crate::{measure::calendar::Month, plan::Plan};

mod line;

/// What FOCUS says of services and regions: rows of `models/focus_services.csv` and `focus_regions.csv`.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By service code.
    services: BTreeMap<String, Service>,
    /// Names by region code.
    regions: BTreeMap<String, String>,
}

/// Who sells a service, and what it is for.
#[derive(Debug, Clone, Deserialize)]
struct Service {
    #[serde(rename = "service")]
    code: String,
    provider: String,
    publisher: String,
    invoice_issuer: String,
    category: String,
}

#[derive(Deserialize)]
struct Region {
    region: String,
    name: String,
}

impl Model for Facts {
    const FILES: &'static [&'static str] = &["focus_services.csv", "focus_regions.csv"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        let [services, regions] = texts else { return Err("two tables are needed".into()) };
        let mut facts = Self::default();
        for row in ::csv::Reader::from_reader(services.as_bytes()).deserialize() {
            let row: Service = row.map_err(|error| error.to_string())?;
            facts.services.insert(row.code.clone(), row);
        }
        for row in ::csv::Reader::from_reader(regions.as_bytes()).deserialize() {
            let row: Region = row.map_err(|error| error.to_string())?;
            facts.regions.insert(row.region, row.name);
        }
        Ok(facts)
    }
}

impl Facts {
    /// Codes of the services that are known.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// The first moment of a month, UTC.
    Moment,
    /// Ten decimals, as money has them.
    Money,
    /// Fifteen decimals: quantities and prices.
    Fine,
}

impl Kind {
    /// Decimals of its numbers.
    #[cfg(feature = "polars")]
    fn places(self) -> u32 {
        if self == Self::Money { crate::measure::units::USD_PLACES } else { 15 }
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    Moment(Month),
    Number(Decimal),
}

impl Value {
    /// Text; none where it is empty.
    fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }

    fn shown(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => crate::write::csv::safe(text),
            Self::Moment(month) => format!("{month}-01T00:00:00Z"),
            Self::Number(number) => number.normalize().to_string(),
        }
    }
}

const COLUMNS: [(&str, Kind); 66] = [
    ("BilledCost", Kind::Money),
    ("BillingAccountId", Kind::Text),
    ("BillingAccountName", Kind::Text),
    ("BillingCurrency", Kind::Text),
    ("BillingPeriodEnd", Kind::Moment),
    ("BillingPeriodStart", Kind::Moment),
    ("ChargeCategory", Kind::Text),
    ("ChargeClass", Kind::Text),
    ("ChargeDescription", Kind::Text),
    ("ChargeFrequency", Kind::Text),
    ("ChargePeriodEnd", Kind::Moment),
    ("ChargePeriodStart", Kind::Moment),
    ("CommitmentDiscountCategory", Kind::Text),
    ("CommitmentDiscountId", Kind::Text),
    ("CommitmentDiscountName", Kind::Text),
    ("CommitmentDiscountQuantity", Kind::Fine),
    ("CommitmentDiscountStatus", Kind::Text),
    ("CommitmentDiscountType", Kind::Text),
    ("CommitmentDiscountUnit", Kind::Text),
    ("ConsumedQuantity", Kind::Fine),
    ("ConsumedUnit", Kind::Text),
    ("ContractedCost", Kind::Money),
    ("ContractedUnitPrice", Kind::Fine),
    ("EffectiveCost", Kind::Money),
    ("InvoiceId", Kind::Text),
    ("InvoiceIssuerName", Kind::Text),
    ("ListCost", Kind::Money),
    ("ListUnitPrice", Kind::Fine),
    ("PricingCategory", Kind::Text),
    ("PricingQuantity", Kind::Fine),
    ("PricingUnit", Kind::Text),
    ("ProviderName", Kind::Text),
    ("PublisherName", Kind::Text),
    ("RegionId", Kind::Text),
    ("RegionName", Kind::Text),
    ("ResourceId", Kind::Text),
    ("ResourceName", Kind::Text),
    ("ResourceType", Kind::Text),
    ("ServiceCategory", Kind::Text),
    ("ServiceName", Kind::Text),
    ("SkuId", Kind::Text),
    ("SkuMeter", Kind::Text),
    ("SkuPriceId", Kind::Text),
    ("SubAccountId", Kind::Text),
    ("SubAccountName", Kind::Text),
    ("Tags", Kind::Text),
    ("x_CostBasis", Kind::Text),
    ("x_Formula", Kind::Text),
    ("x_LineItemType", Kind::Text),
    ("x_ModelsDigest", Kind::Text),
    ("x_Operation", Kind::Text),
    ("x_PriceBookDigest", Kind::Text),
    ("x_PriceDate", Kind::Text),
    ("x_RecordType", Kind::Text),
    ("x_Resource", Kind::Text),
    ("x_RunrateVersion", Kind::Text),
    ("x_Scenario", Kind::Text),
    ("x_ScenarioDigest", Kind::Text),
    ("x_Seed", Kind::Text),
    ("x_ServiceCode", Kind::Text),
    ("x_ServiceMonthP10", Kind::Money),
    ("x_ServiceMonthP50", Kind::Money),
    ("x_ServiceMonthP90", Kind::Money),
    ("x_Trial", Kind::Text),
    ("x_Trials", Kind::Text),
    ("x_UsageType", Kind::Text),
];

/// The forecast as CSV.
///
/// # Panics
/// Never: writing to memory does not fail.
pub fn csv(plan: &Plan, facts: &Facts) -> String {
    let mut out = ::csv::Writer::from_writer(Vec::new());
    let header = COLUMNS.map(|(name, _)| name);
    let mut written = out.write_record(header);
    for row in line::rows(plan, facts) {
        written = written.and_then(|()| out.write_record(row.iter().map(Value::shown)));
    }
    written.expect("writing to memory does not fail and all rows have the header's length");
    let bytes = out.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("all cells are UTF-8")
}

/// The same as Parquet: costs with ten decimals, quantities and prices with fifteen, moments in
/// milliseconds, UTC.
///
/// # Errors
/// A number too large for the file.
#[cfg(feature = "polars")]
pub fn parquet(plan: &Plan, facts: &Facts) -> Result<Vec<u8>, String> {
    use crate::{
        measure::parquet::Columns,
        write::parquet::{add_decimals, provenance},
    };

    let rows: Vec<_> = line::rows(plan, facts).collect();
    let mut columns = Columns::default();
    for (place, (name, kind)) in COLUMNS.into_iter().enumerate() {
        let cells = || rows.iter().map(|row| &row[place]);
        match kind {
            Kind::Text => columns.texts(
                name,
                cells().map(|cell| match cell {
                    Value::Text(text) => Some(&**text),
                    _ => None,
                }),
            ),
            Kind::Moment => columns.midnights(
                name,
                cells().map(|cell| match cell {
                    Value::Moment(month) => Some(month.first_day()),
                    _ => None,
                }),
            ),
            Kind::Money | Kind::Fine => {
                let numbers = cells().map(|cell| match cell {
                    Value::Number(number) => Some(*number),
                    _ => None,
                });
                add_decimals(&mut columns, name, kind.places(), numbers)?;
            }
        }
    }
    columns.finish(provenance(plan))
}
