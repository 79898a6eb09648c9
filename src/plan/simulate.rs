//! All stages in one line: scenario, facts and trial to a plan. The only module that composes.

use std::{collections::BTreeMap, sync::OnceLock};

use jiff::civil::Date;
use rayon::prelude::*;

use crate::{
    cluster::{
        autoscale::{
            Cluster,
            policy::{self, Policy},
        },
        capacity::Capacity,
    },
    demand::{
        growth::{Bootstrap, Path},
        traffic::{Daily, Model, MonthTraffic, Profile},
    },
    error::{Error, Problem},
    facts::{
        commitment_rates,
        prices::{BillKey, GLOBAL, PriceBook},
        shapes::{AuroraClass, Catalog},
    },
    intent::{
        budget::Scope,
        commitment,
        scenario::{Account, Scenario},
    },
    measure::{
        calendar::{MINUTES_PER_DAY, Month},
        random::{self, Draws, Stream},
        series::Series,
    },
    money::inventory::sold_classes,
    money::rate::{
        self, Rated, Sharing, Usage,
        commitment::{Applied, Terms},
        discount::{self, Contract},
        fixed::Fixed,
        market::Market,
        surcharge,
    },
    plan::{NotModelled, Plan},
    usage::services::{self, Choice, Demand, hand_over::Received},
};

mod at_users;
mod document;
mod drill;
mod headroom;
mod line;
mod metering;
mod purchase;
pub mod replay;
mod sample;
mod spending;
pub mod trace;
pub mod window;

use self::metering::Metering;
pub use at_users::{AtUsers, Reached};
pub use drill::{Busiest, Drill, Trouble};
pub use line::{Line, Simulated};
pub use purchase::{Metered, MonthlySaving, Saving};
pub use replay::Replay;
pub use sample::{Cost, Sample};
pub use window::{Edits, Judged, Late, Luck, Overload, Strain, View};

/// Length of a plan's tick, in seconds.
const PLAN_TICK_SECONDS: u32 = 60;

/// Everything that is known apart from the scenario.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Shapes and defaults.
    pub catalog: Catalog,
    /// Prices.
    pub prices: PriceBook,
    /// Digest of the price book's manifest.
    pub price_book_sha256: String,
    /// Digest of the models' manifest.
    pub models_sha256: String,
    /// How commitments work.
    pub commitment_rules: commitment_rates::Rules,
    /// What commitments cost.
    pub commitment_rates: commitment_rates::Rates,
    /// Short names of Cost Explorer services.
    pub short_names: BTreeMap<String, String>,
    /// Systems that this version does not model.
    pub not_modelled: Vec<NotModelled>,
}

/// The series a scenario names, and the digest of all its text.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Past users.
    pub history: Option<Series>,
    /// Real load.
    pub shape: Option<Series>,
    /// Digest of the scenario and its series.
    pub sha256: String,
}

/// What one trial came to, before it is written up.
struct Outcome {
    trial: u32,
    months: Vec<Month>,
    traffic: Vec<MonthTraffic>,
    /// One account a place, in the order of the scenario.
    simulated: Vec<Vec<Capacity>>,
    /// One month and account a place.
    choices: Vec<Vec<Choice>>,
    rated: Rated,
    applied: Applied,
}

/// A scenario with every curve fitted, every name looked up: ready to run.
#[derive(Debug)]
pub struct Prepared<'a> {
    scenario: &'a Scenario,
    facts: &'a Facts,
    inputs: &'a Inputs,
    users: Path,
    traffic: Model,
    policies: Vec<Policy>,
    /// Database classes that each account's region sells.
    sold_classes: BTreeMap<&'a str, Vec<AuroraClass>>,
    residual_sigma: Option<f64>,
    /// What each budget counts.
    scopes: Vec<Scope>,
    /// What a history's trials are drawn from.
    bootstrap: OnceLock<Option<Bootstrap>>,
    /// Factor on the spot prices of trials.
    spot_level: f64,
}

impl<'a> Prepared<'a> {
    /// Prepares a scenario.
    ///
    /// # Errors
    /// Every name that does not exist, every setting that contradicts, a region without prices.
    pub fn new(
        scenario: &'a Scenario,
        facts: &'a Facts,
        inputs: &'a Inputs,
    ) -> Result<Self, Error> {
        let document = &scenario.document;
        let mut problems: Vec<Problem> = Vec::new();
        let plan = &scenario.plan;
        let users = scenario.users.path(plan.start, plan.months, inputs.history.as_ref());
        let users = users.and_then(|users| users.check(plan.start, plan.months).map(|()| users));
        let users =
            users.map_err(|message| problems.push(document.problem_below("users", &message))).ok();
        let profile = profile(scenario, inputs.shape.as_ref());
        let mut residual_sigma = None;
        let traffic = profile.and_then(|profile| {
            residual_sigma = profile.residual_sigma;
            let first = users.as_ref().map_or(1.0, |users| users.at(0.0));
            scenario.traffic.model(profile, first, plan.start, plan.seed)
        });
        let traffic = traffic
            .map_err(|message| problems.push(document.problem_below("traffic", &message)))
            .ok();
        problems.extend(purchase::unsold(scenario, facts));
        let days = (0..plan.months).map(|index| plan.start.plus(index).days() as u32).sum();
        let span = (PLAN_TICK_SECONDS, plan.start.first_day(), days);
        let mut policies = Vec::new();
        for account in &scenario.accounts {
            match policy(scenario, account, facts, span) {
                Ok(policy) => policies.push(policy),
                Err(found) => problems.extend(found),
            }
        }
        let scopes = spending::scopes(scenario, facts).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        let (Some(users), Some(traffic), true) = (users, traffic, problems.is_empty()) else {
            return Err(Error::input(problems));
        };
        let bootstrap = OnceLock::new();
        let spot_level = 1.0;
        Ok(Self {
            scenario,
            facts,
            inputs,
            users,
            traffic,
            policies,
            sold_classes: sold_by_region(scenario, facts),
            residual_sigma,
            scopes,
            bootstrap,
            spot_level,
        })
    }

    /// Runs one trial of the whole plan; trial 0 is the mid case.
    ///
    /// # Errors
    /// Every meter without a price; values of a trial that contradict each other.
    pub fn run(&self, trial: u32) -> Result<Plan, Error> {
        self.in_trial(trial, |drawn| {
            let outcome = drawn.outcome(trial)?;
            let headroom = drawn.headroom(&outcome)?;
            let mut plan = document::plan(drawn, outcome);
            plan.notes.extend(headroom);
            Ok(plan)
        })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        self.scenario
    }

    /// What each budget counts, in the order of the scenario.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// What is known apart from the scenario.
    pub fn facts(&self) -> &Facts {
        self.facts
    }

    /// The mid case with so many times the users.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn with_users(&self, factor: f64) -> Result<Plan, Error> {
        let mut more = Prepared::new(self.scenario, self.facts, self.inputs)?;
        more.users.drift = vec![factor.ln()];
        more.run(0)
    }

    /// Draws the values of a trial and does something with the scenario that they make.
    fn in_trial<T>(
        &self,
        trial: u32,
        task: impl FnOnce(&Prepared<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if trial == 0 {
            return task(self);
        }
        let plan = &self.scenario.plan;
        let values = self.scenario.ranges.draw(plan.seed, trial);
        let drawn = self
            .scenario
            .with_values(&values, &self.facts.catalog)
            .map_err(|error| self.in_words(trial, &values, &error))?;
        let mut prepared = Prepared::new(&drawn, self.facts, self.inputs)
            .map_err(|error| self.in_words(trial, &values, &error))?;
        if self.scenario.users.strays() {
            let history = self.bootstrap.get_or_init(|| {
                self.scenario.users.bootstrap(&self.users, self.inputs.history.as_ref())
            });
            let luck = random::stream(plan.seed, trial, Stream::Growth, 0);
            prepared.users =
                drawn.users.stray(&prepared.users, plan.months, history.as_ref(), luck);
            prepared.users.check(plan.start, plan.months).map_err(|message| {
                let problem = drawn.document.problem_below("users", &message);
                self.in_words(trial, &values, &Error::input(vec![problem]))
            })?;
        }
        task(&prepared)
    }

    /// What a trial was refused for, with the values it drew.
    fn in_words(&self, trial: u32, values: &[f64], error: &Error) -> Error {
        let inputs = self.scenario.ranges.inputs.iter().zip(values);
        let drawn: Vec<String> =
            inputs.map(|(input, value)| format!("{} = {value:.6}", input.key)).collect();
        let problems = error.problems().iter().map(|problem| {
            let message = format!(
                "{}; so it is in trial {trial}, which drew {}: narrow the ranges",
                problem.message,
                drawn.join(", ")
            );
            Problem { message, ..problem.clone() }
        });
        Error::input(problems.collect())
    }

    /// Runs the stages on what was drawn: accounts in parallel in the mid case, where one plan is all
    /// that is needed; month by month in a trial, whose months so stay in the cache.
    fn outcome(&self, trial: u32) -> Result<Outcome, Error> {
        let plan = &self.scenario.plan;
        let months: Vec<Month> = (0..plan.months).map(|index| plan.start.plus(index)).collect();
        let month = |index: u32| self.month_traffic(index, &self.users, trial);
        let traffic: Result<Vec<MonthTraffic>, Error> =
            (0..plan.months).into_par_iter().map(month).collect();
        let traffic = traffic?;
        let ran: Vec<(Vec<Capacity>, Vec<services::Metered>)> = (0..self.scenario.accounts.len())
            .into_par_iter()
            .map(|account| {
                let mut running = self.begin(account, trial, months[0], &traffic[0]);
                let both = months.iter().zip(&traffic).enumerate();
                let own = &self.scenario.accounts[account];
                both.map(|(index, (month, traffic))| {
                    let mut capacity = running.month(*month, traffic);
                    let demand = self.demand(own, index, *month, &capacity);
                    let mut metered = services::meter(&own.stack.services, &demand);
                    // Minutes and hours of all accounts and months would be most of a plan's memory.
                    capacity.forget_times();
                    if self.scenario.commitments.is_empty() {
                        metered.lines.iter_mut().for_each(|line| line.hours = Vec::new());
                    }
                    (capacity, metered)
                })
                .unzip()
            })
            .collect();
        let (simulated, metered): (Vec<Vec<Capacity>>, Vec<Vec<services::Metered>>) =
            ran.into_iter().unzip();
        let mut metering = Metering::default();
        let mut metered: Vec<_> = metered.into_iter().map(IntoIterator::into_iter).collect();
        for month in &months {
            for (account, metered) in self.scenario.accounts.iter().zip(&mut metered) {
                if let Some(metered) = metered.next() {
                    metering.put(account, *month, metered);
                }
            }
        }
        let (rated, applied) = self.rate(metering.usage, trial)?;
        let choices = metering.choices;
        Ok(Outcome { trial, months, traffic, simulated, choices, rated, applied })
    }

    /// The traffic of a month of the plan.
    fn month_traffic(&self, index: u32, users: &Path, trial: u32) -> Result<MonthTraffic, Error> {
        let month = self.scenario.plan.start.plus(index);
        self.traffic.month(index, month, users, trial).map_err(|message| {
            Error::input(vec![self.scenario.document.problem_below("traffic", &message)])
        })
    }

    /// An account's cluster at the start of the plan.
    fn begin(&self, index: usize, trial: u32, first: Month, traffic: &MonthTraffic) -> Running<'_> {
        let (account, policy) = (&self.scenario.accounts[index], &self.policies[index]);
        let luck = self.scenario.cluster_luck(trial, index);
        Running::new(account, policy, (first, traffic), luck)
    }

    /// Usage to money under the scenario's commitments.
    fn rate(&self, usage: Vec<Usage>, trial: u32) -> Result<(Rated, Applied), Error> {
        self.rate_under(usage, trial, &self.scenario.commitments, &[])
    }

    /// Usage to money: commitments first, then prices, the charges that are known already, support, discounts
    /// and tax.
    fn rate_under(
        &self,
        mut usage: Vec<Usage>,
        trial: u32,
        bought: &[commitment::Commitment],
        fixed: &[Fixed],
    ) -> Result<(Rated, Applied), Error> {
        let regions = self.regions_of(bought);
        let terms = self.terms(bought, &regions);
        let applied = if bought.is_empty() {
            Applied::default()
        } else {
            rate::commitment::apply(&mut usage, &terms).map_err(|wrong| self.unbought(wrong))?
        };
        let mut rated = self.priced(&usage, trial)?;
        applied.add_to(&mut rated, &terms);
        rated.add_fixed(fixed);
        self.add_surcharges(&mut rated)?;
        Ok((rated, applied))
    }

    /// Usage at the prices of a trial.
    fn priced(&self, usage: &[Usage], trial: u32) -> Result<Rated, Error> {
        let plan = &self.scenario.plan;
        let sharing = if self.scenario.billing.consolidated {
            Sharing::Consolidated
        } else {
            Sharing::PerAccount
        };
        let market = (trial > 0).then(|| {
            let luck = random::stream(plan.seed, trial, Stream::SpotPrices, 0).key();
            let facts = &self.facts.catalog.controllers.spot;
            Market::new(luck, trial, plan.start, facts).at_level(self.spot_level)
        });
        rate::rate_in(usage, (&self.facts.prices, market.as_ref()), sharing)
            .map_err(|unpriced| self.unpriced(usage, &unpriced))
    }

    /// Whether a charge changes with the sum of others.
    fn has_surcharges(&self) -> bool {
        let billing = &self.scenario.billing;
        let discounted = billing.discount_percent > 0.0 || !billing.discounts.is_empty();
        billing.support.is_some() || discounted || billing.tax_percent > 0.0
    }

    /// Commitments that have no price.
    fn unbought(&self, wrong: Vec<rate::commitment::Wrong>) -> Error {
        let place = |rate::commitment::Wrong { place: index, message }: rate::commitment::Wrong| {
            self.scenario.document.problem(&format!("commitments[{index}]"), &message)
        };
        Error::input(wrong.into_iter().map(place).collect())
    }

    /// How commitments work.
    pub fn commitment_rules(&self) -> &commitment_rates::Rules {
        &self.facts.commitment_rules
    }

    /// What commitments cost.
    pub fn commitment_rates(&self) -> &commitment_rates::Rates {
        &self.facts.commitment_rates
    }

    /// The on-demand price of an EC2 instance type, where the book has one, in USD an hour.
    pub fn on_demand_price(&self, region: &str, instance_type: &str) -> Option<f64> {
        let usage_type = format!("BoxUsage:{instance_type}");
        let key = BillKey::new("AmazonEC2", region, &usage_type, "RunInstances");
        Some(self.facts.prices.find(&key)?.rows[0].price.to_f64())
    }

    /// Instance types, database classes and the defaults of controllers.
    pub fn catalog(&self) -> &Catalog {
        &self.facts.catalog
    }

    /// Whether the book has an on-demand price of a database class of the bill, `db.r6g.xl`.
    pub fn sells_database(&self, region: &str, class: &str) -> bool {
        purchase::sells_database(&self.facts.prices, region, class)
    }

    /// Regions of commitments, the account's where none is named.
    fn regions_of(&self, bought: &[commitment::Commitment]) -> Vec<String> {
        let region = |bought: &commitment::Commitment| {
            let own = self.scenario.accounts.iter().find(|account| account.name == bought.account);
            let own = own.map(|account| account.settings.region.clone());
            bought.region.clone().or(own).unwrap_or_default()
        };
        bought.iter().map(region).collect()
    }

    fn terms<'t>(
        &'t self,
        bought: &'t [commitment::Commitment],
        regions: &'t [String],
    ) -> Terms<'t> {
        Terms {
            bought,
            regions,
            rules: &self.facts.commitment_rules,
            rates: &self.facts.commitment_rates,
            book: &self.facts.prices,
            shared: self.scenario.billing.consolidated,
        }
    }

    /// What a contract takes off.
    fn add_discounts(&self, rated: &mut Rated) -> Result<(), Error> {
        let billing = &self.scenario.billing;
        let by_service: Vec<(String, f64)> =
            billing.discounts.iter().map(|own| (own.service.clone(), own.percent)).collect();
        let contract = Contract {
            percent: billing.discount_percent,
            by_service: &by_service,
            other_vendors: &self.facts.catalog.controllers.support.other_vendors,
        };
        let unused = discount::add(rated, contract);
        let Some(place) = unused.first() else { return Ok(()) };
        let key = format!("billing.discounts[{place}].service");
        let mut known: Vec<&str> = rated.prices.iter().map(|price| &*price.key.service).collect();
        known.sort_unstable();
        known.dedup();
        let message = format!(
            "the plan has no charges of {:?}; it has {}",
            by_service[*place].0,
            known.join(", ")
        );
        Err(Error::input(vec![self.scenario.document.problem(&key, &message)]))
    }

    /// Support and tax, as the scenario says.
    fn add_surcharges(&self, rated: &mut Rated) -> Result<(), Error> {
        let (billing, document) = (&self.scenario.billing, &self.scenario.document);
        if let Some(plan) = &billing.support {
            surcharge::add_support(
                rated,
                plan,
                &self.facts.catalog.controllers.support,
                &self.facts.prices,
            )
            .map_err(|_| {
                let known: Vec<String> =
                    surcharge::support_plans(&self.facts.prices).into_iter().collect();
                let message = format!("no support plan {plan:?}; there are {}", known.join(", "));
                Error::input(vec![document.problem("billing.support", &message)])
            })?;
        }
        self.add_discounts(rated)?;
        if billing.tax_percent > 0.0 {
            surcharge::add_tax(rated, billing.tax_percent).map_err(|message| {
                Error::input(vec![document.problem("billing.tax_percent", &message)])
            })?;
        }
        Ok(())
    }

    /// One problem for each account that uses meters its regions have no price for.
    fn unpriced(&self, usage: &[Usage], unpriced: &[rate::Unpriced]) -> Error {
        const MOST_NAMED: usize = 4;
        let document = &self.scenario.document;
        let mut problems = Vec::new();
        for account in &self.scenario.accounts {
            let own = unpriced.iter().filter(|u| usage[u.line].account == account.name);
            let own: Vec<&rate::Unpriced> = own.collect();
            if own.is_empty() {
                continue;
            }
            let mut named: Vec<&str> = own.iter().take(MOST_NAMED).map(|u| &*u.message).collect();
            let more = format!("and {} more", own.len().saturating_sub(MOST_NAMED));
            if own.len() > MOST_NAMED {
                named.push(&more);
            }
            let count = match own.len() {
                1 => "a meter has".to_owned(),
                more => format!("{more} meters have"),
            };
            // A refresh of any region reads the lists without a region too.
            let mut regions: Vec<&str> = own
                .iter()
                .map(|gap| match &*usage[gap.line].line.key.region {
                    GLOBAL => &*account.settings.region,
                    region => region,
                })
                .collect();
            regions.sort_unstable();
            regions.dedup();
            let regions = regions.join(" --region ");
            let message = format!(
                "{count} no price, so the plan would be too low: {}. `runrate prices missing --region {regions} {}` lists all of them; `runrate prices refresh --region {regions} --dir DIR` downloads prices, which --prices DIR reads",
                named.join("; "),
                document.file
            );
            let key = self.scenario.region_key(account);
            problems.push(document.problem(&key, &message));
        }
        Error::input(problems)
    }

    fn demand<'d>(
        &'d self,
        account: &'d Account,
        index: usize,
        month: Month,
        capacity: &'d Capacity,
    ) -> Demand<'d> {
        let schedule = account.settings.schedule.as_ref();
        Demand {
            month,
            month_index: index as u32,
            minutes: &capacity.minutes,
            region: &account.settings.region,
            zones: account.stack.cluster.availability_zones,
            users: self.users.at(index as f64),
            traffic_share: account.settings.traffic_share,
            capacity,
            classes: &account.classes,
            requests_per_connection: self.scenario.traffic.requests_per_connection,
            workloads: &account.stack.workloads,
            node_pools: &account.stack.cluster.node_pools,
            catalog: &self.facts.catalog,
            sold_classes: self
                .sold_classes
                .get(&*account.settings.region)
                .map_or(&[][..], Vec::as_slice),
            free_tier: account.settings.free_tier_until.is_some_and(|last| month <= last),
            stops_database: schedule.is_some_and(|schedule| schedule.stop_database),
            received: Received::default(),
        }
    }
}

/// Returns the database classes that the region of each account sells.
fn sold_by_region<'a>(
    scenario: &'a Scenario,
    facts: &Facts,
) -> BTreeMap<&'a str, Vec<AuroraClass>> {
    let mut sold = BTreeMap::new();
    for account in &scenario.accounts {
        let region = &*account.settings.region;
        let classes = || sold_classes(region, &facts.catalog, &facts.prices);
        sold.entry(region).or_insert_with(|| classes().into_iter().cloned().collect());
    }
    sold
}

fn profile(scenario: &Scenario, series: Option<&Series>) -> Result<Profile, String> {
    let traffic = &scenario.traffic;
    let daily = traffic.daily.clone().unwrap_or_default();
    match (&traffic.shape, series) {
        (Some(shape), Some(series)) => Profile::from_series(series, &daily)
            .map_err(|message| format!("shape: {}: {message}", shape.file)),
        (Some(_), None) => Err("shape: the file was not read".into()),
        (None, _) => Profile::from_parameters(&Daily { ..daily }, traffic.weekly.as_deref()),
    }
}

/// What an account's cluster decides by over `days` from `start` on.
fn policy(
    scenario: &Scenario,
    account: &Account,
    facts: &Facts,
    (tick_seconds, start, days): (u32, Date, u32),
) -> Result<Policy, Vec<Problem>> {
    let document = &scenario.document;
    let region = &account.settings.region;
    if !facts.prices.has_region(region) {
        let message = if facts.catalog.prefix(region).is_some() {
            format!(
                "the price book has no prices of {region}; `runrate prices refresh --region {region} --dir DIR` downloads them, and --prices DIR reads them"
            )
        } else {
            format!(
                "{} (for another region of AWS: `runrate prices refresh --region {region} --dir DIR` downloads its prices, and --prices DIR reads them)",
                facts.catalog.unknown_region(region)
            )
        };
        return Err(vec![document.problem(&scenario.region_key(account), &message)]);
    }
    let inputs = policy::Inputs {
        workloads: &account.stack.workloads,
        cluster: &account.stack.cluster,
        classes: &account.classes,
        catalog: &facts.catalog,
        prices: &facts.prices,
        region,
        tick_seconds,
        start,
        days,
        kubernetes_minor: account.kubernetes_minor(),
    };
    Policy::build(&inputs).map_err(|problems| {
        let place = |problem: Problem| {
            let key = problem.place.key.unwrap_or_default();
            document.account_problem(&account.name, &key, &problem.message)
        };
        problems.into_iter().map(place).collect()
    })
}

/// One account's cluster, minute by minute.
struct Running<'a> {
    policy: &'a Policy,
    cluster: Cluster,
    share: f64,
    /// Minutes of a week in which the account is awake; always if none.
    week: Option<Vec<bool>>,
}

impl<'a> Running<'a> {
    fn new(
        account: &Account,
        policy: &'a Policy,
        (month, traffic): (Month, &MonthTraffic),
        luck: Draws,
    ) -> Self {
        let share = account.settings.traffic_share;
        let week = account.settings.schedule.as_ref().map(crate::intent::scenario::Schedule::week);
        let first = traffic.sessions.first().copied().unwrap_or(0.0);
        let start = month.first_weekday() * MINUTES_PER_DAY;
        let awake = week.as_ref().is_none_or(|week| week[start % week.len()]);
        let cluster = Cluster::new(policy, first * share, awake, luck);
        Self { policy, cluster, share, week }
    }

    fn count_costs_only(&mut self) {
        self.cluster.count_costs_only();
    }

    /// Every minute of a month.
    fn month(&mut self, month: Month, traffic: &MonthTraffic) -> Capacity {
        let first_minute = month.first_weekday() * MINUTES_PER_DAY;
        let awake = |minute: usize| {
            self.week.as_ref().is_none_or(|week| week[(first_minute + minute) % week.len()])
        };
        let mut loads: Vec<f64> = traffic.sessions.iter().map(|s| s * self.share).collect();
        if self.week.is_some() {
            for (_, load) in loads.iter_mut().enumerate().filter(|(at, _)| !awake(*at)) {
                *load = 0.0;
            }
        }
        let mut from = 0;
        while from < loads.len() {
            let changes = |minute: &usize| self.week.is_some() && awake(*minute) != awake(from);
            let to = (from..loads.len()).find(changes).unwrap_or(loads.len());
            self.cluster.run(self.policy, &loads[from..to], awake(from));
            from = to;
        }
        let minutes = month.minutes() as f64;
        let tally = self.cluster.take_tally(self.policy);
        let awake = self.week.as_ref().map(|_| (0..loads.len()).map(awake).collect());
        let awake = awake.unwrap_or_default();
        Capacity { awake, ..Capacity::from_tally(tally, self.policy, minutes, loads) }
    }
}
