//! Answers to the page: a line, a band, or an error. Sums are the plan's own, exact; quantiles are floats.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    error::{Error, ErrorKind},
    intent::scenario::Scenario,
    measure::units::Usd,
    plan::simulate::{Facts, Line},
};

/// An answer: JSON, or a refusal.
pub(super) type Answer = Result<Vec<u8>, Refusal>;

/// Why something is not done.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    problems: Vec<Told>,
}

#[derive(Debug, Clone, Serialize)]
struct Told {
    /// Key of the scenario that it is about.
    key: Option<String>,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, key: Option<&str>, message: &str) -> Self {
        let told = Told { key: key.map(str::to_owned), message: message.to_owned() };
        Self { status, problems: vec![told] }
    }

    pub(super) fn superseded() -> Self {
        Self::new(StatusCode::CONFLICT, None, "cancelled: a newer request replaced this one")
    }

    pub(super) fn closing() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, None, "the program is ending")
    }

    pub(super) fn broken() -> Self {
        let message = "the computation failed: a bug in runrate, please report it";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None, message)
    }

    /// Several problems with values.
    pub(super) fn values(problems: Vec<(String, String)>) -> Self {
        let told = |(key, message)| Told { key: Some(key), message };
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            problems: problems.into_iter().map(told).collect(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Input => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let told = error.problems().iter().map(|problem| Told {
            key: problem.place.key.clone(),
            message: problem.message.clone(),
        });
        Self { status, problems: told.collect() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let tell = |told: &Told| match &told.key {
            Some(key) => format!("{key}: {}", told.message),
            None => told.message.clone(),
        };
        let error: Vec<String> = self.problems.iter().map(tell).collect();
        let body = serde_json::json!({ "error": error.join("\n"), "problems": self.problems });
        (self.status, Json(body)).into_response()
    }
}

/// Returns a refusal as a response.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    Refusal::new(status, None, message).into_response()
}

/// JSON bytes of an answer.
pub(super) fn json(value: &impl Serialize) -> Answer {
    serde_json::to_vec(value).map_err(|_| Refusal::broken())
}

/// The mid case.
#[derive(Debug, Serialize)]
pub(super) struct LineTold<'a> {
    generation: u64,
    currency: &'static str,
    months: Vec<String>,
    users: &'a [f64],
    requests: &'a [f64],
    /// Of each month, in USD; nothing where the scenario has none.
    revenue: &'a [f64],
    /// Cost of each month.
    cost: Vec<Usd>,
    total: Usd,
    accounts: Vec<AccountTold<'a>>,
    /// The most expensive first.
    services: Vec<ServiceTold<'a>>,
}

#[derive(Debug, Serialize)]
struct AccountTold<'a> {
    name: &'a str,
    cost: Vec<Usd>,
    total: Usd,
    peak_nodes: Vec<u32>,
    mean_nodes: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct ServiceTold<'a> {
    name: &'a str,
    short: &'a str,
    cost: Vec<Usd>,
    total: Usd,
}

/// Sums of a line, as the page shows them.
pub(super) fn line<'a>(
    generation: u64,
    scenario: &'a Scenario,
    line: &'a Line,
    facts: &'a Facts,
) -> LineTold<'a> {
    let (plan, sample) = (&scenario.plan, &line.sample);
    let months = plan.months as usize;
    let mut cost = vec![Usd::ZERO; months];
    let mut by_account = vec![vec![Usd::ZERO; months]; scenario.accounts.len()];
    let mut by_service: BTreeMap<&str, Vec<Usd>> = BTreeMap::new();
    for one in &sample.costs {
        let month = one.month as usize;
        cost[month] += one.cost;
        by_account[one.account as usize][month] += one.cost;
        let own = by_service.entry(&one.service).or_insert_with(|| vec![Usd::ZERO; months]);
        own[month] += one.cost;
    }
    let total = |cost: &[Usd]| cost.iter().copied().sum::<Usd>();
    let accounts = scenario.accounts.iter().zip(by_account).zip(&line.nodes);
    let accounts = accounts.map(|((account, cost), nodes)| AccountTold {
        name: &account.name,
        total: total(&cost),
        cost,
        peak_nodes: nodes.iter().map(|nodes| nodes.peak).collect(),
        mean_nodes: nodes.iter().map(|nodes| nodes.mean).collect(),
    });
    let services = by_service.into_iter().map(|(name, cost)| ServiceTold {
        name,
        short: facts.short_names.get(name).map_or(name, String::as_str),
        total: total(&cost),
        cost,
    });
    let mut services: Vec<ServiceTold<'_>> = services.collect();
    services.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.name.cmp(b.name)));
    LineTold {
        generation,
        currency: "USD",
        months: (0..plan.months).map(|at| plan.start.plus(at).to_string()).collect(),
        users: &sample.users,
        requests: &sample.requests,
        revenue: &sample.revenue,
        total: total(&cost),
        cost,
        accounts: accounts.collect(),
        services,
    }
}

/// What trials came to.
#[derive(Debug, Serialize)]
pub(super) struct BandTold {
    pub(super) generation: u64,
    /// Trials in it.
    pub(super) trials: usize,
    /// Whether trials differ by more than luck.
    pub(super) uncertain: bool,
    /// P10, P50 and P90 of each month, in USD.
    pub(super) months: Vec<[f64; 3]>,
    /// Of the whole plan, in USD.
    pub(super) total: [f64; 3],
}
