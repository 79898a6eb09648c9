//! Cost Explorer over the network: requests pages, checks them and joins them.
//!
//! # Formula
//! ```text
//! two dimension lists, then for each account and span of months
//!   each kind of consumption   by service and usage type    filter: the record types of the kind
//!   all else                   by record type and service   filter: the other record types
//! requests = pages of all answers;  each is charged
//! ```
//! # Source
//! Cost Explorer API reference, `GetCostAndUsage`, `GetDimensionValues`, `GetCostForecast`. What the SDK does
//! not check is checked here: every period once, keys as asked, finite amounts, one currency, tokens that
//! move on.
//! # Limits
//! A group without cost in a period is absent in the answer and here.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_costexplorer::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_cost_forecast::GetCostForecastError,
    types::{
        DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition,
        GroupDefinitionType, MatchOption, Metric as ForecastMetric, ResultByTime,
    },
};

use super::{BoundedAnswer, Connection, Permission, Settings, Unresolved};
use crate::{
    bills::actuals::{
        Forecast, Kind, Line, LineKey, Metric, MonthBill, SCHEMA,
        amount::Amount,
        gather::{self, merged},
        layout::{Billing, Charge},
        span::Span,
    },
    bounds::PAGES,
    error::Error,
    measure::calendar::Month,
};

/// Share of the forecasts' interval, in percent.
const INTERVAL: i32 = 80;

/// A connection to Cost Explorer, with its count of requests.
#[derive(Debug)]
pub struct CostExplorer {
    client: Client,
    runtime: tokio::runtime::Runtime,
    granularity: Granularity,
    /// Requests answered so far: each is charged.
    pub requests: u64,
    /// Most requests.
    most: u64,
}

/// Amount and unit of a metric, as texts.
type Measure = (Option<String>, Option<String>);

/// Accounts with their names, and names of record types.
pub type Dimensions = (Vec<(String, String)>, Vec<String>);

/// What a page says, without the SDK's types.
#[derive(Debug, Clone, PartialEq, Default)]
struct Period {
    start: String,
    end: String,
    estimated: bool,
    /// Keys and metrics.
    groups: Vec<(Vec<String>, BTreeMap<String, Measure>)>,
    /// The keys of all groups.
    keys: HashSet<Vec<String>>,
}

impl CostExplorer {
    /// Prepares a client; sends nothing yet. Requests days instead of months if
    /// `daily` is set, with `most` requests at most.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn connect(settings: &Settings, daily: bool, most: u64) -> Result<Self, Error> {
        let Connection { runtime, config } = Connection::open(settings)?;
        let granularity = if daily { Granularity::Daily } else { Granularity::Monthly };
        let config = aws_sdk_costexplorer::config::Builder::from(&config)
            .interceptor(BoundedAnswer(crate::bounds::ANSWER_BYTES))
            .retry_classifier(Unresolved)
            .build();
        Ok(Self { client: Client::from_conf(config), runtime, granularity, requests: 0, most })
    }

    /// Fails before a request above the limit is sent and charged.
    fn may_ask(&self) -> Result<(), Error> {
        if self.requests < self.most {
            return Ok(());
        }
        Err(Error::network(format!(
            "{} requests were sent, the limit of --max-requests, and the answer has more pages; nothing was stored. Raise --max-requests, or pull fewer months or accounts",
            self.requests
        )))
    }

    /// Values of a dimension in a span, with their descriptions.
    fn values(&mut self, span: &Span, of: &Dimension) -> Result<Vec<(String, String)>, Error> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            self.may_ask()?;
            let request = self
                .client
                .get_dimension_values()
                .time_period(interval(span)?)
                .dimension(of.clone())
                .set_next_page_token(token.clone());
            let answer = self
                .runtime
                .block_on(request.send())
                .map_err(|error| refused("GetDimensionValues", &error))?;
            self.requests += 1;
            for value in answer.dimension_values() {
                let name = value.value().unwrap_or_default().to_owned();
                let said = value.attributes().and_then(|of| of.get("description").cloned());
                // An account that is listed twice would be requested, and billed, twice.
                if !found.iter().any(|(known, _)| *known == name) {
                    found.push((name, said.unwrap_or_default()));
                }
            }
            match next(answer.next_page_token(), token.as_deref())? {
                Some(next) => token = Some(next),
                None => return Ok(found),
            }
        }
        Err(endless())
    }

    /// Accounts with their names, and the names of record types, in a span.
    ///
    /// # Errors
    /// What AWS refuses, with the permission that is missing.
    pub fn dimensions(&mut self, span: &Span) -> Result<Dimensions, Error> {
        let accounts = self.values(span, &Dimension::LinkedAccount)?;
        let records = self.values(span, &Dimension::RecordType)?;
        if accounts.is_empty() {
            return Err(Error::network(format!(
                "Cost Explorer has no account with costs from {} to {}",
                span.start, span.end
            )));
        }
        Ok((accounts, records.into_iter().map(|(name, _)| name).collect()))
    }

    /// Months of one account.
    ///
    /// # Errors
    /// What AWS refuses; the response is incomplete.
    pub fn pull(
        &mut self,
        account: &str,
        span: &Span,
        records: &[String],
        (billing, read_at): (&Billing, &str),
    ) -> Result<Vec<MonthBill>, Error> {
        let mut months: BTreeMap<Month, MonthBill> = BTreeMap::new();
        let mut currency: Option<String> = None;
        for (consumed, records) in questions(records, billing) {
            let keys = match consumed {
                Some(_) => [Dimension::Service, Dimension::UsageType],
                None => [Dimension::RecordType, Dimension::Service],
            };
            let of = consumed.map(|kind| (kind, records.join(", ")));
            let periods = self.periods(account, span, &records, &keys)?;
            check_periods(&periods, span, self.granularity == Granularity::Daily)?;
            for period in periods {
                add(
                    &mut months,
                    &period,
                    (account, of.as_ref()),
                    (billing, read_at),
                    &mut currency,
                )?;
            }
        }
        for bill in months.values_mut() {
            bill.currency = currency.clone().unwrap_or_default();
            bill.lines = merged(std::mem::take(&mut bill.lines));
        }
        Ok(months.into_values().collect())
    }

    /// Returns all pages of one question, their periods put together.
    fn periods(
        &mut self,
        account: &str,
        span: &Span,
        records: &[String],
        keys: &[Dimension; 2],
    ) -> Result<Vec<Period>, Error> {
        match self.pages(account, span, records, keys) {
            // The answer changed while it was read: from the first page, once.
            Err(Paging::Restart(_)) => {
                self.pages(account, span, records, keys).map_err(Paging::error)
            }
            other => other.map_err(Paging::error),
        }
    }

    fn pages(
        &mut self,
        account: &str,
        span: &Span,
        records: &[String],
        keys: &[Dimension; 2],
    ) -> Result<Vec<Period>, Paging> {
        let filter = both(
            equals(Dimension::LinkedAccount, &[account.to_owned()]),
            equals(Dimension::RecordType, records),
        );
        let mut periods: Vec<Period> = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            self.may_ask().map_err(Paging::Failed)?;
            let mut request = self
                .client
                .get_cost_and_usage()
                .time_period(interval(span).map_err(Paging::Failed)?)
                .granularity(self.granularity.clone())
                .filter(filter.clone())
                .metrics("UsageQuantity")
                .set_next_page_token(token.clone());
            for metric in Metric::ALL {
                request = request.metrics(metric.name());
            }
            for key in keys {
                let group = GroupDefinition::builder()
                    .r#type(GroupDefinitionType::Dimension)
                    .key(key.as_str())
                    .build();
                request = request.group_by(group);
            }
            let answer = self.runtime.block_on(request.send()).map_err(|error| {
                let restart = error.as_service_error().is_some_and(|error| {
                    error.is_invalid_next_token_exception() || error.is_request_changed_exception()
                });
                let refused = refused("GetCostAndUsage", &error);
                if restart { Paging::Restart(refused) } else { Paging::Failed(refused) }
            })?;
            self.requests += 1;
            for result in answer.results_by_time() {
                merge(&mut periods, plain(result)).map_err(Paging::Restart)?;
            }
            match next(answer.next_page_token(), token.as_deref()).map_err(Paging::Failed)? {
                Some(next) => token = Some(next),
                None => return Ok(periods),
            }
        }
        Err(Paging::Failed(endless()))
    }

    /// AWS's own forecast of an account, month by month; none where it has too little history.
    ///
    /// # Errors
    /// What AWS refuses otherwise.
    pub fn forecast(&mut self, account: &str, span: &Span) -> Result<Vec<Forecast>, Error> {
        self.may_ask()?;
        let request = self
            .client
            .get_cost_forecast()
            .time_period(interval(span)?)
            .metric(ForecastMetric::UnblendedCost)
            .granularity(Granularity::Monthly)
            .prediction_interval_level(INTERVAL)
            .filter(equals(Dimension::LinkedAccount, &[account.to_owned()]));
        let answer = match self.runtime.block_on(request.send()) {
            Ok(answer) => answer,
            Err(error) => {
                let known = error.as_service_error();
                if known.is_some_and(GetCostForecastError::is_data_unavailable_exception) {
                    return Ok(Vec::new());
                }
                return Err(refused("GetCostForecast", &error));
            }
        };
        self.requests += 1;
        let mut found = Vec::new();
        for result in answer.forecast_results_by_time() {
            let start = result.time_period().map_or("", |period| period.start());
            // The first period is what is left of a month, unless it begins with one.
            if !start.ends_with("-01") {
                continue;
            }
            let month = gather::month_of(start);
            let mean = result.mean_value().and_then(Amount::parse);
            let (Some(month), Some(mean)) = (month, mean) else {
                return Err(Error::network(format!(
                    "GetCostForecast returned no amount for {start:?}"
                )));
            };
            if found.iter().any(|known: &Forecast| known.month == month) {
                return Err(Error::network(format!("GetCostForecast returned {month} twice")));
            }
            found.push(Forecast {
                account: account.to_owned(),
                month,
                mean,
                low: result.prediction_interval_lower_bound().and_then(Amount::parse),
                high: result.prediction_interval_upper_bound().and_then(Amount::parse),
            });
        }
        Ok(found)
    }
}

/// Record types by the kind of consumption they are, each kind a question; all others are one.
pub fn questions(records: &[String], billing: &Billing) -> Vec<(Option<Kind>, Vec<String>)> {
    // Covered usage, its negation and the plan's fees share usage types, so one sum would hide them.
    let mut questions: BTreeMap<Option<Kind>, Vec<String>> = BTreeMap::new();
    for record in records {
        let kind = billing.kind_of_record(record);
        let consumed = Some(kind).filter(|kind| kind.is_consumption());
        questions.entry(consumed).or_default().push(record.clone());
    }
    let others = questions.remove(&None).map(|others| (None, others));
    questions.into_iter().chain(others).collect()
}

/// Why paging ended early.
enum Paging {
    /// The token has expired: the request may start again, once.
    Restart(Error),
    /// It is of no use.
    Failed(Error),
}

impl Paging {
    fn error(self) -> Error {
        match self {
            Self::Restart(error) | Self::Failed(error) => error,
        }
    }
}

fn endless() -> Error {
    Error::network(format!("the response has more than {PAGES} pages; request fewer months"))
}

/// Returns the next page's token, which must be another than the last.
fn next(token: Option<&str>, last: Option<&str>) -> Result<Option<String>, Error> {
    match token.filter(|token| !token.is_empty()) {
        None => Ok(None),
        token if token == last => Err(Error::network(
            "the next page of the response is the page itself; nothing was stored, try again",
        )),
        Some(token) => Ok(Some(token.to_owned())),
    }
}

fn interval(span: &Span) -> Result<DateInterval, Error> {
    let built = DateInterval::builder().start(&span.start).end(&span.end).build();
    built.map_err(|error| Error::network(error.to_string()))
}

fn equals(of: Dimension, values: &[String]) -> Expression {
    let values = DimensionValues::builder()
        .key(of)
        .set_values(Some(values.to_vec()))
        .match_options(MatchOption::Equals)
        .build();
    Expression::builder().dimensions(values).build()
}

fn both(one: Expression, other: Expression) -> Expression {
    Expression::builder().and(one).and(other).build()
}

/// Says what AWS refused, and how to fix it.
fn refused<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    const PERMISSION: Permission =
        Permission { prefix: "ce", hint: "`runrate actuals policy` prints all of them" };
    super::refused(PERMISSION, operation, error)
}

fn plain(result: &ResultByTime) -> Period {
    let groups = result.groups().iter().map(|group| {
        let metrics = group.metrics().into_iter().flatten();
        let metrics = metrics.map(|(name, value)| {
            let own = (value.amount().map(str::to_owned), value.unit().map(str::to_owned));
            (name.clone(), own)
        });
        (group.keys().to_vec(), metrics.collect())
    });
    Period {
        start: result.time_period().map_or_else(String::new, |period| period.start().to_owned()),
        end: result.time_period().map_or_else(String::new, |period| period.end().to_owned()),
        estimated: result.estimated(),
        groups: groups.collect(),
        keys: HashSet::new(),
    }
}

/// A period may be split over pages, each of its groups is on one of them: a group that comes again is a page
/// that was sent twice, perhaps in place of another.
fn merge(periods: &mut Vec<Period>, more: Period) -> Result<(), Error> {
    let same = |known: &Period| known.start == more.start && known.end == more.end;
    let place = periods.iter().position(same).unwrap_or_else(|| {
        let (start, end) = (more.start.clone(), more.end.clone());
        periods.push(Period { start, end, ..Period::default() });
        periods.len() - 1
    });
    let known = &mut periods[place];
    known.estimated |= more.estimated;
    for (keys, metrics) in more.groups {
        if !known.keys.insert(keys.clone()) {
            return Err(Error::network(format!(
                "the response has {} of {} twice; nothing was stored, try again",
                keys.join(", "),
                known.start
            )));
        }
        known.groups.push((keys, metrics));
    }
    Ok(())
}

/// Every period of the span is there, one after the other.
fn check_periods(periods: &[Period], span: &Span, daily: bool) -> Result<(), Error> {
    let mut starts: Vec<(&str, &str)> =
        periods.iter().map(|period| (&*period.start, &*period.end)).collect();
    starts.sort_unstable();
    let mut reached = span.start.as_str();
    for (start, end) in starts {
        if start != reached || end <= start {
            let message = format!(
                "the response is incomplete: {start:?} to {end:?} follows {reached}; nothing was stored, try again"
            );
            return Err(Error::network(message));
        }
        reached = end;
    }
    if reached != span.end {
        let what = if daily { "days" } else { "months" };
        let message = format!(
            "the response is incomplete: {what} from {reached} to {} are missing; nothing was stored, try again",
            span.end
        );
        return Err(Error::network(message));
    }
    Ok(())
}

fn add(
    months: &mut BTreeMap<Month, MonthBill>,
    period: &Period,
    (account, consumed): (&str, Option<&(Kind, String)>),
    (billing, read_at): (&Billing, &str),
    currency: &mut Option<String>,
) -> Result<(), Error> {
    let month = gather::month_of(&period.start).ok_or_else(|| {
        Error::network(format!(
            "the response has the period {:?}, which is not a month",
            period.start
        ))
    })?;
    let bill = months.entry(month).or_insert_with(|| MonthBill {
        schema: SCHEMA,
        month,
        currency: String::new(),
        source: "Cost Explorer".into(),
        read_at: read_at.to_owned(),
        estimated: false,
        days: 0,
        forecasts: Vec::new(),
        lines: Vec::new(),
        set_aside: Vec::new(),
        notes: Vec::new(),
        forecast_rows: 0,
    });
    bill.estimated |= period.estimated;
    // The end is not in the period. An open day without a group has no rows yet.
    let whole = month.days() as u32;
    let ends = gather::month_of(&period.end) == Some(month);
    let day = period.end.get(8..10).and_then(|day| day.parse::<u32>().ok());
    let days = if ends { day.map_or(whole, |day| day - 1) } else { whole };
    if !period.groups.is_empty() || !period.estimated {
        bill.days = bill.days.max(days);
    }
    for (names, metrics) in &period.groups {
        let [first, second] = names.as_slice() else {
            let message = format!("the response has the keys {names:?}; expected two");
            return Err(Error::network(message));
        };
        let named = || billing.kind_of_record(first);
        let (kind, record) = consumed.cloned().unwrap_or_else(|| (named(), first.clone()));
        let consumed = consumed.is_some();
        let service = if consumed { first } else { second };
        let amount = |name: &str| amount(metrics.get(name), name, (month, names));
        let mut costs = [None; 4];
        for metric in Metric::ALL {
            let (cost, unit) = amount(metric.name())?;
            if currency.get_or_insert_with(|| unit.clone()) != &unit {
                let message = format!("the response has two currencies: {currency:?} and {unit:?}");
                return Err(Error::network(message));
            }
            costs[metric as usize] = Some(cost);
        }
        let quantity = if consumed { Some(amount("UsageQuantity")?) } else { None };
        let usage_type = if consumed { second.as_str() } else { "" };
        // Cost Explorer groups by two dimensions, so an answer does not name the seller.
        let charge = Charge { kind, service, usage_type, entity: "", publisher: "" };
        bill.lines.push(Line {
            key: LineKey {
                account: account.to_owned(),
                service: service.clone(),
                region: String::new(),
                usage_type: if usage_type == "NoUsageType" { "" } else { usage_type }.to_owned(),
                operation: String::new(),
                kind: billing.kind(&charge),
                record,
                unit: quantity.as_ref().map_or(String::new(), |(_, unit)| unit.clone()),
            },
            quantity: quantity.map(|(quantity, _)| quantity),
            costs,
            list: None,
            rows: 1,
        });
    }
    Ok(())
}

/// Returns a metric's amount and unit.
fn amount(
    value: Option<&Measure>,
    name: &str,
    (month, names): (Month, &[String]),
) -> Result<(Amount, String), Error> {
    let text = value.and_then(|(amount, _)| amount.as_deref());
    let amount = text.and_then(Amount::parse).ok_or_else(|| {
        Error::network(format!(
            "the response has no number for {name} of {} in {month}: {}",
            names.join(", "),
            text.unwrap_or("nothing")
        ))
    })?;
    Ok((amount, value.and_then(|(_, unit)| unit.clone()).unwrap_or_default()))
}
