//! Laws between features, over generated scenarios: two routes to one number agree.
//!
//! `RUNRATE_LAWS=2000 cargo test --test suite laws::` tries 2,000 scenarios in place of 200; a failure prints the seed, and
//! `RUNRATE_LAW_SEED=17` tries that one alone and prints its text.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::support::{self, generate::Small};
use runrate::{
    advice::commit::{Question, Quote, advise},
    app::store::{self, PriceSource},
    error::Error,
    facts::{
        commitment_rates::{Kind as CommitmentKind, Offering, OfferingClass, Payment, Term},
        prices::{COLUMNS, PriceBook, Table},
    },
    intent::scenario::Scenario,
    measure::{calendar::Month, units::Usd},
    money::{
        inventory::sold_classes,
        ledger::Entry,
        rate::{self, Sharing, usage},
    },
    page::{Importance, content::Beside},
    plan::{
        Plan,
        simulate::{
            Facts, Inputs, Prepared,
            trace::{Request, Trace},
        },
        trials::Watch,
        usage_kind,
    },
    usage::services::{self, Demand, UsageLine, hand_over::Received},
    write::{
        csv, focus,
        format::{Format, Report},
        terminal,
    },
};

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let catalog = store::embedded_catalog().unwrap();
    store::load_facts(
        catalog,
        &PriceSource::Embedded,
        &["us-east-1", "us-west-2", "ap-southeast-1"],
    )
    .unwrap()
});
static FOCUS: LazyLock<focus::Facts> = LazyLock::new(|| store::model().unwrap());

/// How many scenarios a law is tried on; a law that plans several times takes a part of them.
fn tries(part: u64) -> Vec<u64> {
    if let Ok(seed) = env::var("RUNRATE_LAW_SEED") {
        let seed = seed.parse().unwrap();
        eprintln!("{}", Small::of(seed).text());
        return vec![seed];
    }
    let all: u64 = env::var("RUNRATE_LAWS").map_or(200, |count| count.parse().unwrap());
    (0..all.div_ceil(part)).collect()
}

/// A scenario that breaks a law.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Broken {
    law: &'static str,
    seed: u64,
    why: String,
}

/// What of generated scenarios breaks laws.
fn broken(seeds: &[u64], laws: impl Fn(&Small) -> Vec<Broken> + Sync) -> Vec<Broken> {
    let next = AtomicUsize::new(0);
    // Threads of our own: a worker of rayon that waits for a plan's months would begin another scenario on its stack.
    let work = || {
        let mut broken = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            broken.extend(laws(&Small::of(*seed)));
        }
        broken
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut broken: Vec<Broken> = std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        working.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    broken.sort();
    broken
}

/// Fails with the seeds on which a law is broken.
fn assert_kept(broken: &[Broken], tried: usize) {
    let told: Vec<String> =
        broken.iter().take(8).map(|one| format!("seed {}: {}", one.seed, one.why)).collect();
    let count = broken.len();
    assert!(broken.is_empty(), "{count} of {tried} scenarios break the law:\n{}", told.join("\n"));
}

/// Holds a law on generated scenarios and names the seeds on which it fails.
fn hold(part: u64, law: impl Fn(&Small) -> Result<(), String> + Sync) {
    let seeds = tries(part);
    let broken = broken(&seeds, |small| {
        let why = law(small).err();
        why.map(|why| Broken { law: "", seed: small.seed, why }).into_iter().collect()
    });
    assert_kept(&broken, seeds.len());
}

/// A generated scenario as it is drawn, with what several laws look at: computed once for all of them.
struct Drawn {
    small: Small,
    trial: u32,
    plan: Plan,
    /// The first month's ticks and meters.
    simulated: Vec<(Trace, Vec<UsageLine>)>,
}

impl Drawn {
    fn of(small: &Small) -> Result<Self, String> {
        let trial = trial_of(small);
        let plan = plan_with(small, &FACTS, trial)?;
        let simulated = simulated(small, trial, plan.months[0].users)?;
        Ok(Self { small: small.clone(), trial, plan, simulated })
    }
}

type Law = fn(&Drawn) -> Result<(), String>;

/// Laws of a scenario as it is drawn, by the names of their tests.
const AS_DRAWN: [(&str, Law); 7] = [
    ("adds up", |drawn| drawn.plan.check()),
    ("plan and simulation agree", plan_and_simulation_agree),
    ("hours add up", hours_add_up),
    ("nothing stopped is billed", nothing_stopped_is_billed),
    ("longer plan", longer_plan_begins_with_the_shorter),
    ("read back", read_back_equal),
    ("numbers", all_is_a_number),
];

/// Holds one of the laws above; all of them are tried by whoever is first.
fn hold_as_drawn(law: &str) {
    static BROKEN: LazyLock<Vec<Broken>> = LazyLock::new(|| {
        broken(&tries(1), |small| {
            let drawn = Drawn::of(small);
            let broken = |(law, holds): &(&'static str, Law)| {
                let why = drawn.as_ref().map_err(String::clone).and_then(holds).err();
                why.map(|why| Broken { law, seed: small.seed, why })
            };
            AS_DRAWN.iter().filter_map(broken).collect()
        })
    });
    assert!(AS_DRAWN.iter().any(|(name, _)| *name == law), "{law} is no law");
    let own: Vec<Broken> = BROKEN.iter().filter(|one| one.law == law).cloned().collect();
    assert_kept(&own, tries(1).len());
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` gives it.
fn words(error: Error) -> String {
    error.to_string()
}

fn scenario(small: &Small) -> Result<Scenario, String> {
    Scenario::parse("law.toml", &small.text(), &FACTS.catalog).map_err(words)
}

/// Plans with the facts of one's choice.
fn plan_with(small: &Small, facts: &Facts, trial: u32) -> Result<Plan, String> {
    let scenario = scenario(small)?;
    let inputs = Inputs::default();
    Prepared::new(&scenario, facts, &inputs).and_then(|prepared| prepared.run(trial)).map_err(words)
}

fn plan(small: &Small) -> Result<Plan, String> {
    plan_with(small, &FACTS, 0)
}

/// A trial that differs between seeds: laws hold on trials as on the mid case.
fn trial_of(small: &Small) -> u32 {
    (small.seed % 3) as u32
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn equal(what: &str, a: f64, b: f64) -> Result<(), String> {
    if close(a, b) { Ok(()) } else { Err(format!("{what}: {a} and {b}")) }
}

fn same(what: &str, a: Usd, b: Usd) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what}: {a} and {b}")) }
}

/// Without support, discounts and tax: what was metered, at list price.
fn at_list(small: &Small) -> Small {
    Small { billing: String::new(), ..small.clone() }
}

/// Ticks of the first month of each account, and what its services meter from them, for so many users.
fn simulated(
    small: &Small,
    trial: u32,
    users: f64,
) -> Result<Vec<(Trace, Vec<UsageLine>)>, String> {
    let small = Small { months: 1, ..small.clone() };
    let scenario = scenario(&small)?;
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &FACTS, &inputs).map_err(words)?;
    let month: Month = small.start.parse().unwrap();
    let of_account = |account: &runrate::intent::scenario::Account| {
        let request = Request {
            account: Some(account.name.clone()),
            days: Some(month.days() as u32),
            tick_seconds: 60,
            trial,
            ..Request::default()
        };
        let trace = prepared.trace(&request).map_err(words)?;
        let sold = sold_classes(&account.settings.region, &FACTS.catalog, &FACTS.prices);
        let sold: Vec<_> = sold.into_iter().cloned().collect();
        let demand = Demand {
            month,
            month_index: 0,
            minutes: &trace.capacity.minutes,
            region: &account.settings.region,
            zones: account.stack.cluster.availability_zones,
            users,
            traffic_share: account.settings.traffic_share,
            capacity: &trace.capacity,
            classes: &account.classes,
            requests_per_connection: scenario.traffic.requests_per_connection,
            workloads: &account.stack.workloads,
            node_pools: &account.stack.cluster.node_pools,
            catalog: &FACTS.catalog,
            sold_classes: &sold,
            free_tier: false,
            stops_database: account.settings.schedule.as_ref().is_some_and(|s| s.stop_database),
            received: Received::default(),
        };
        let lines = services::meter(&account.stack.services, &demand).lines;
        Ok((trace, lines))
    };
    scenario.accounts.iter().map(of_account).collect()
}

#[test]
fn the_generator_has_real_variety() {
    let all: Vec<Small> = (0..200).map(Small::of).collect();
    let share = |has: &dyn Fn(&Small) -> bool| all.iter().filter(|small| has(small)).count();
    let at_least = |what: &str, count: usize| assert!(count >= 20, "{what}: {count} of 200");
    at_least("several accounts", share(&|small| small.accounts.len() > 1));
    at_least(
        "two regions",
        share(&|small| small.accounts.iter().any(|a| a.region != small.accounts[0].region)),
    );
    at_least("schedules", share(&|small| small.accounts.iter().any(|a| a.schedule.is_some())));
    at_least("pools", share(&|small| small.has_pools));
    at_least("no pools", share(&|small| !small.has_pools));
    for feature in
        ["cron-job", "queue", "pod_affinity", "capacity_reservations", "capacity_buffers"]
    {
        at_least(feature, share(&|small| small.controllers.contains(feature)));
    }
    at_least("spot", share(&|small| small.cluster.contains("spot")));
    at_least("no users or one", share(&|small| small.users < 2));
    at_least("support, discounts, tax", share(&|small| !small.billing.is_empty()));
    for service in [
        "aurora",
        "cloudfront",
        "waf",
        "nat",
        "s3",
        "datadog",
        "ecr",
        "route53",
        "vpc_endpoints",
        "ebs",
        "kms",
    ] {
        at_least(service, share(&|small| small.services.contains_key(service)));
    }
}

#[test]
fn every_generated_scenario_is_planned_and_its_parts_add_up() {
    hold_as_drawn("adds up");
}

#[test]
fn a_plan_and_a_simulation_of_the_same_days_agree() {
    hold_as_drawn("plan and simulation agree");
}

fn plan_and_simulation_agree(drawn: &Drawn) -> Result<(), String> {
    let trial = drawn.trial;
    // What is simulated is at list price, whatever the scenario's contract.
    let has_contract = !drawn.small.billing.is_empty();
    let listed = has_contract.then(|| plan_with(&at_list(&drawn.small), &FACTS, trial));
    let listed = listed.transpose()?;
    let plan = listed.as_ref().unwrap_or(&drawn.plan);
    for (index, (trace, lines)) in drawn.simulated.iter().enumerate() {
        let planned = &plan.months[0].accounts[index];
        let who = &planned.account;
        equal(
            &format!("node-hours of {who}"),
            planned.capacity.node_hours(),
            trace.capacity.node_hours(),
        )?;
        let own = |entry: &&Entry| entry.month == plan.months[0].month && entry.account == *who;
        // Spot prices of trials move; `simulate` states list prices.
        if trial == 0 {
            let nodes = plan.entries.iter().filter(own).filter(|entry| {
                matches!(usage_kind(&entry.key.usage_type), "BoxUsage" | "SpotUsage")
                    && entry.key.region == trace.region
            });
            let cost: Usd = nodes.map(|entry| entry.cost).sum();
            let (plan, trace) = (cost.to_f64(), trace.node_cost);
            if (plan - trace).abs() > 0.01 {
                return Err(format!("cost of {who}'s nodes: {plan} planned, {trace} simulated"));
            }
        }
        let mut metered: BTreeMap<(String, String), f64> = BTreeMap::new();
        for line in lines {
            *metered.entry((line.key.to_string(), line.resource.clone())).or_default() +=
                line.quantity.get();
        }
        for entry in plan.entries.iter().filter(own) {
            let key = (entry.key.to_string(), entry.resource.clone());
            let quantity = metered.remove(&key).unwrap_or(f64::NAN);
            equal(&format!("{who}: {} {}", key.0, key.1), entry.quantity.get(), quantity)?;
        }
        if let Some((key, quantity)) = metered.into_iter().next() {
            return Err(format!("{who}: {key:?} has {quantity} simulated and no line in the plan"));
        }
    }
    Ok(())
}

#[test]
fn the_hours_of_a_line_add_up_to_its_quantity() {
    hold_as_drawn("hours add up");
}

fn hours_add_up(drawn: &Drawn) -> Result<(), String> {
    for (trace, lines) in &drawn.simulated {
        for line in lines.iter().filter(|line| !line.hours.is_empty()) {
            let what = format!("{} {} {}", trace.account, line.key, line.resource);
            equal(&what, line.hours.iter().sum(), line.quantity.get())?;
            if line.hours.iter().any(|hour| !hour.is_finite() || *hour < 0.0) {
                return Err(format!("{what}: an hour is negative or not finite"));
            }
            let calendar = trace.len() / 60;
            if line.hours.len() != calendar {
                return Err(format!("{what}: {} hours of {calendar}", line.hours.len()));
            }
        }
    }
    Ok(())
}

/// Whether a schedule has an account awake in an hour that begins at its minute 0.
fn awake(small: &Small, account: usize, hour: usize) -> bool {
    let month: Month = small.start.parse().unwrap();
    let Some(schedule) = &small.accounts[account].schedule else { return true };
    let weekday = (month.first_weekday() + hour / 24) % 7;
    let name = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][weekday];
    let at = (hour % 24) as u64;
    schedule.days.contains(name) && (schedule.from..schedule.to).contains(&at)
}

#[test]
fn nothing_that_is_stopped_is_billed() {
    hold_as_drawn("nothing stopped is billed");
}

fn nothing_stopped_is_billed(drawn: &Drawn) -> Result<(), String> {
    let small = &drawn.small;
    if small.accounts.iter().all(|account| account.schedule.is_none()) {
        return Ok(());
    }
    let mid_case = (drawn.trial != 0).then(|| simulated(small, 0, small.users as f64));
    let mid_case = mid_case.transpose()?;
    let mid_case = mid_case.as_ref().unwrap_or(&drawn.simulated);
    for (index, (trace, lines)) in mid_case.iter().enumerate() {
        let Some(schedule) = &small.accounts[index].schedule else { continue };
        let hours = trace.len() / 60;
        let awake_hours = (0..hours).filter(|hour| awake(small, index, *hour)).count() as f64;
        equal("awake hours", trace.capacity.awake_hours, awake_hours)?;
        // Work happens in waking hours alone.
        let asleep = |hour: &usize| !awake(small, index, *hour);
        for hour in (0..hours).filter(asleep) {
            let sessions: f64 = trace.capacity.minutes[hour * 60..(hour + 1) * 60].iter().sum();
            equal(&format!("sessions of sleeping hour {hour}"), sessions, 0.0)?;
        }
        for line in lines {
            let what = format!("{} {} {}", trace.account, line.key, line.resource);
            let kind = usage_kind(&line.key.usage_type);
            let own = line.key.region == trace.region;
            let database = kind.starts_with("InstanceUsage") || kind == "Aurora:ServerlessV2Usage";
            if own && database && schedule.stop_database {
                if line.hours.is_empty() {
                    return Err(format!("{what}: a database that stops has hours of its own"));
                }
                let asleep: f64 = (0..hours).filter(asleep).map(|hour| line.hours[hour]).sum();
                equal(&format!("{what} asleep"), asleep, 0.0)?;
            }
            // Nodes drain for a while; an hour into the sleep no more than the sleeping ones are there.
            if line.resource.starts_with("baseline/") {
                let least = small.asleep_nodes.unwrap_or(f64::INFINITY);
                let deep = |hour: &usize| *hour > 0 && asleep(hour) && asleep(&(hour - 1));
                for hour in (0..hours).filter(deep) {
                    if line.hours[hour] > least + 1e-9 {
                        let nodes = line.hours[hour];
                        return Err(format!("{what}: {nodes} nodes in sleeping hour {hour}"));
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_first_months_of_a_longer_plan_are_the_shorter_plan() {
    hold_as_drawn("longer plan");
}

fn longer_plan_begins_with_the_shorter(drawn: &Drawn) -> Result<(), String> {
    let (small, trial, short) = (&drawn.small, drawn.trial, &drawn.plan);
    let long = plan_with(&Small { months: small.months * 2, ..small.clone() }, &FACTS, trial)?;
    for (short, long) in short.months.iter().zip(&long.months) {
        equal(&format!("users of {}", short.month), short.users, long.users)?;
        for (short, long) in short.accounts.iter().zip(&long.accounts) {
            for (service, cost) in &short.services {
                let longer = long.services.get(service).copied().unwrap_or_default();
                same(&format!("{} {service}", short.account), *cost, longer)?;
            }
            same(&short.account, short.cost, long.cost)?;
        }
    }
    Ok(())
}

#[test]
fn a_year_of_two_years_is_that_year() {
    for seed in [3, 11] {
        let year = Small { months: 12, ..Small::of(seed) };
        let short = plan(&year).unwrap();
        let long = plan(&Small { months: 24, ..year }).unwrap();
        assert_eq!(short.months, long.months[..12], "seed {seed}");
    }
}

/// Usage lines as `plan --out` writes them, priced as `rate` prices them.
fn rated(plan: &Plan, sharing: Sharing) -> Result<rate::Rated, String> {
    let read = usage::parse("usage.csv", &csv::usage(plan), &FACTS.prices).map_err(words)?;
    let support = &FACTS.catalog.controllers.support;
    read.rate(&FACTS.prices, sharing, support).map_err(|wrong| format!("{wrong:?}"))
}

/// With support, tax, discounts, commitments and spot prices of the scenario, each on a part of the seeds, beside
/// what the seed has of them.
fn under_contract(small: &Small) -> Small {
    let mut small = small.clone();
    let has = |nth: u64| (small.seed >> nth) & 1 == 1;
    let mut billing = small.billing.clone();
    let mut add = |key: &str, line: &str| {
        if !billing.contains(key) {
            billing.push_str(line);
        }
    };
    if has(0) {
        add("tax_percent", "tax_percent = 8.875\n");
    }
    if has(1) {
        add("discount_percent", "discount_percent = 6.3\n");
        add(
            "discounts",
            "discounts = [{ service = \"Amazon Elastic Compute Cloud - Compute\", percent = 11.1 }]\n",
        );
    }
    if has(2) {
        add("support", "support = \"Business Support+\"\n");
    }
    let mut commitments = String::new();
    let mut buy = |name: &str, more: &str| {
        let (account, start) = (&small.accounts[0].name, small.start);
        let _ = write!(
            commitments,
            "[[commitments]]\nname = \"{name}\"\naccount = {account:?}\nstart = {start:?}\nterm = \"1yr\"\npayment = \"no-upfront\"\ndiscount_percent = 27.7\n{more}\n"
        );
    };
    if has(3) {
        buy("compute", "kind = \"compute-savings-plan\"\nusd_per_hour = 0.137\n");
    }
    if has(4) {
        let kind = "kind = \"ec2-reserved-instance\"\ninstance_type = \"m7g.large\"\ncount = 3\n";
        buy("reserved", kind);
    }
    (small.billing, small.commitments) = (billing, commitments);
    small
}

#[test]
fn rating_the_usage_file_gives_the_ledger() {
    let charged = AtomicUsize::new(0);
    hold(1, |small| {
        let small = under_contract(small);
        let plan = plan_with(&small, &FACTS, trial_of(&small))?;
        let unpriced = plan.entries.iter().any(|entry| !plan.price_of(entry).is_of_book());
        charged.fetch_add(usize::from(unpriced), Ordering::Relaxed);
        let sharing = if small.consolidated { Sharing::Consolidated } else { Sharing::PerAccount };
        let again = rated(&plan, sharing)?;
        let by = |entries: &[Entry]| {
            runrate::money::ledger::sum_by(entries, |entry| {
                (entry.month, entry.account.clone(), entry.key.to_string())
            })
        };
        let (planned, again) = (by(&plan.entries), by(&again.entries));
        for (key, cost) in &planned {
            same(&format!("{key:?}"), *cost, again.get(key).copied().unwrap_or_default())?;
        }
        if planned.len() == again.len() { Ok(()) } else { Err("rate has lines of its own".into()) }
    });
    let (charged, all) = (charged.into_inner(), tries(1).len());
    assert!(all == 1 || charged * 2 > all, "{charged} of {all} plans have amounts of their own");
}

/// The book with every price doubled; what AWS Support charges is a share and stays.
fn doubled() -> Facts {
    let mut book = PriceBook::default();
    for (region, service, table) in FACTS.prices.tables() {
        let mut out = ::csv::Writer::from_writer(Vec::new());
        out.write_record(COLUMNS).unwrap();
        for row in table.rows() {
            let price = row.price.to_string().parse::<rust_decimal::Decimal>().unwrap();
            let price = if service == "AWSSupport" { price } else { price + price };
            let end = row.end.map_or_else(|| "Inf".to_owned(), |end| end.to_string());
            out.write_record([
                row.usage_type(),
                row.operation(),
                row.description(),
                row.unit(),
                &row.begin.to_string(),
                &end,
                &price.to_string(),
                row.pool(),
                row.billed_usage_type(),
                row.cost_explorer_service(),
                row.as_of(),
                row.source(),
                row.confidence(),
                row.note(),
            ])
            .unwrap();
        }
        let text = String::from_utf8(out.into_inner().unwrap()).unwrap();
        book.insert(
            region,
            service,
            Table::parse(&format!("{region}/{service}.csv"), &text).unwrap(),
        );
    }
    Facts { prices: book, ..FACTS.clone() }
}

/// Support has bands and least fees, so it does not double and is left out; free parts are rows at price zero,
/// and stay free.
#[test]
fn twice_the_prices_is_twice_the_cost() {
    let twice = doubled();
    hold(1, |small| {
        let billing = small.billing.lines().filter(|line| !line.starts_with("support"));
        let small =
            Small { billing: billing.flat_map(|line| [line, "\n"]).collect(), ..small.clone() };
        let (once, twice) = (plan(&small)?, plan_with(&small, &twice, 0)?);
        let (cost, more) = (once.cost.to_f64(), twice.cost.to_f64());
        if (more - 2.0 * cost).abs() <= 1e-6 * cost.max(1.0) {
            return Ok(());
        }
        let meters = |plan: &Plan| {
            runrate::money::ledger::sum_by(&plan.entries, |entry| {
                (entry.month, entry.account.clone(), entry.key.to_string())
            })
        };
        let doubled = meters(&twice);
        let odd = meters(&once).into_iter().find(|(key, cost)| {
            let more = doubled.get(key).copied().unwrap_or_default().to_f64();
            (more - 2.0 * cost.to_f64()).abs() > 1e-6 * cost.to_f64().abs().max(1.0)
        });
        Err(format!(
            "{cost} becomes {more}; {odd:?}, doubled {:?}",
            odd.as_ref().and_then(|(key, _)| doubled.get(key))
        ))
    });
}

/// Exact where nothing is drawn: no nodes are bought and none wakes up.
#[test]
fn two_accounts_alike_cost_the_same() {
    hold(1, |small| {
        let first =
            support::generate::Account { overrides: String::new(), ..small.accounts[0].clone() };
        let second = support::generate::Account { name: "twin".into(), ..first.clone() };
        // Enterprise support has one minimum for the organization, and one account carries it.
        let billing = small.billing.replace("\"Enterprise\"", "\"Business Support+\"");
        // Which node a pod lands on, and so which one pulls its image, is drawn.
        let kept = small.workloads.lines().filter(|line| !line.starts_with("image_mib"));
        let workloads = kept.flat_map(|line| [line, "\n"]).collect();
        let accounts = vec![first, second];
        let twins = Small { accounts, billing, workloads, consolidated: false, ..small.clone() };
        let plan = plan(&twins)?;
        let drawn = twins.has_pools || twins.accounts[0].schedule.is_some();
        for month in &plan.months {
            let [one, two] = [&month.accounts[0], &month.accounts[1]].map(|account| account.cost);
            if drawn {
                let (one, two) = (one.to_f64(), two.to_f64());
                if (one - two).abs() > 0.1 * one.max(two) {
                    return Err(format!("{}: {one} and {two}", month.month));
                }
            } else {
                same(&month.month.to_string(), one, two)?;
            }
        }
        Ok(())
    });
}

/// Meters whose quantity may fall when users rise, because something else takes their place: nodes and databases
/// of another size, and Datadog's allotments, which grow with hosts.
fn is_replaced(usage_type: &str) -> bool {
    const REPLACED: [&str; 9] = [
        "BoxUsage",
        "SpotUsage",
        "CPUCredits",
        "InstanceUsage",
        "EBS:Volume",
        "container:",
        "apm_",
        "custom_metrics",
        "Aurora:StorageIOUsage",
    ];
    REPLACED.iter().any(|start| usage_type.starts_with(start))
}

#[test]
fn cost_never_falls_when_users_rise_but_by_a_step_that_has_a_name() {
    hold(1, |small| {
        // Workers that KEDA starts and stops pull their images each time: busier ones may pull fewer.
        let controllers = String::new();
        let few = Small { users: small.users.min(30_000), controllers, ..at_list(small) };
        let many = Small { users: few.users * 2 + 100, ..few.clone() };
        let (few, many) = (plan(&few)?, plan(&many)?);
        let meters = |plan: &Plan| {
            let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
            for entry in &plan.entries {
                let key = (
                    entry.month,
                    entry.account.clone(),
                    entry.key.to_string(),
                    entry.key.usage_type.clone(),
                );
                let sum = sums.entry(key).or_default();
                *sum = (sum.0 + entry.quantity.get(), sum.1 + entry.cost.to_f64());
            }
            sums
        };
        let more = meters(&many);
        let mut replaced = 0.0;
        for (key, (quantity, cost)) in meters(&few) {
            let (above, dearer) = more.get(&key).copied().unwrap_or_default();
            if is_replaced(&key.3) {
                replaced += (cost - dearer).max(0.0);
            } else if above < quantity * (1.0 - 1e-9) {
                return Err(format!("{key:?}: {quantity} falls to {above}"));
            }
        }
        let fall = few.cost.to_f64() - many.cost.to_f64();
        if fall > replaced + 1e-6 {
            Err(format!("cost falls by {fall}, of which {replaced} has a name"))
        } else {
            Ok(())
        }
    });
}

#[test]
fn without_users_only_the_standing_cost_is_left() {
    hold(1, |small| {
        let none =
            Small { users: 0, curve: "curve = \"linear\", per_month = 0".into(), ..small.clone() };
        // What nobody does costs nothing, however much of it there would be.
        let busier = none.traffic.replacen("per_session = ", "per_session = 9", 1);
        let idle = plan(&none)?;
        same("standing cost", idle.cost, plan(&Small { traffic: busier, ..none })?.cost)?;
        let cost =
            plan(&Small { curve: "curve = \"linear\", per_month = 0".into(), ..small.clone() })?
                .cost;
        if idle.cost.to_f64() <= cost.to_f64() * 1.02 + 1.0 {
            Ok(())
        } else {
            Err(format!("{} idle, {cost} busy", idle.cost))
        }
    });
}

#[test]
fn what_is_written_is_read_back_equal() {
    hold_as_drawn("read back");
}

fn read_back_equal(drawn: &Drawn) -> Result<(), String> {
    let plan = &drawn.plan;
    let text = serde_json::to_string(plan).map_err(|error| error.to_string())?;
    let again: Plan = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    again.check()?;
    let again = serde_json::to_string(&again).map_err(|error| error.to_string())?;
    if text != again {
        return Err("plan.json is read back otherwise".into());
    }
    let usage = csv::usage(plan);
    let read = usage::parse("usage.csv", &usage, &FACTS.prices).map_err(words)?;
    let planned: f64 = plan.entries.iter().map(|entry| entry.quantity.get()).sum();
    let charged = read.charged.iter().map(|charged| &charged.usage);
    let all = read.usage.iter().chain(charged);
    let held: f64 = all.map(|usage| usage.line.quantity.get()).sum();
    equal("quantities of usage.csv", planned, held)
}

/// Sum of one column of a CSV.
fn column_sum(text: &str, name: &str) -> Result<rust_decimal::Decimal, String> {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let place = reader.headers().unwrap().iter().position(|column| column == name);
    let place = place.ok_or_else(|| format!("no column {name}: {:?}", reader.headers()))?;
    let mut sum = rust_decimal::Decimal::ZERO;
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        sum += record[place]
            .parse::<rust_decimal::Decimal>()
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(sum)
}

/// What a workbook's ledger adds up to.
fn tie_out(bytes: &[u8]) -> Result<f64, String> {
    use calamine::{Data, Reader};
    let mut book =
        calamine::Xlsx::new(std::io::Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let sheet = book.worksheet_range("Lines").map_err(|error| error.to_string())?;
    match (sheet.get_value((2, 0)), sheet.get_value((3, 1))) {
        (Some(Data::String(title)), Some(Data::Float(sum))) if title == "Tie-out" => Ok(*sum),
        cells => Err(format!("the ledger's sheet has no tie-out: {cells:?}")),
    }
}

#[test]
fn every_format_states_the_same_totals() {
    hold(1, |small| {
        let plan = plan(small)?;
        let total =
            plan.cost.to_string().parse::<rust_decimal::Decimal>().map_err(|e| e.to_string())?;
        let report = Report::new(&plan, Beside::default(), &FOCUS);
        let shown = format!(
            "{:.2}",
            total.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
        );
        let (whole, cents) = shown.split_once('.').unwrap();
        let digits: Vec<char> = whole.chars().rev().collect();
        let grouped: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
        let grouped: String = grouped.join(",").chars().rev().collect();
        let money = format!("{grouped}.{cents}");
        let terminal = terminal::render(
            report.page(),
            terminal::View { width: 120, color: false, depth: Importance::Main },
        );
        if !terminal.contains(&money) {
            return Err(format!("the terminal does not show {money}"));
        }
        for format in Format::ALL {
            let files = report.files(*format)?;
            let text = String::from_utf8_lossy(&files[0].bytes).into_owned();
            let sum = match format.name() {
                "html" | "md" if text.contains(&money) => total,
                "json" => serde_json::from_str::<Plan>(&text)
                    .map_err(|e| e.to_string())?
                    .cost
                    .to_string()
                    .parse()
                    .unwrap(),
                "csv" => column_sum(&text, "cost_usd")?,
                "focus" => column_sum(&text, "BilledCost")?,
                "xlsx" => {
                    let (sum, planned) = (tie_out(&files[0].bytes)?, plan.cost.to_f64());
                    if (sum - planned).abs() > 0.005 {
                        return Err(format!("the workbook sums to {sum}, the plan to {planned}"));
                    }
                    continue;
                }
                "pdf" => {
                    // Poppler takes a second a report.
                    if small.seed.is_multiple_of(5)
                        && support::poppler("pdftotext", &["-layout"], &files[0].bytes)
                            .is_some_and(|text| !text.contains(&money))
                    {
                        return Err(format!("the PDF does not show {money}"));
                    }
                    continue;
                }
                // tests/focus_export.rs reads it with polars.
                "parquet" => continue,
                name => return Err(format!("{name} does not show {money}")),
            };
            if sum != total {
                return Err(format!("{} sums to {sum}, the plan to {total}", format.name()));
            }
        }
        Ok(())
    });
}

/// A launch that multiplies traffic by one or more takes none away, whenever it begins.
#[test]
fn a_launch_takes_no_traffic_away() {
    hold(1, |small| {
        let Some((before, _)) = small.traffic.split_once("[[traffic.events]]") else {
            return Ok(());
        };
        let without = Small { traffic: before.to_owned(), ..small.clone() };
        let traffic = |small: &Small| -> Result<_, String> {
            let first = Small { accounts: small.accounts[..1].to_vec(), ..small.clone() };
            let scenario = scenario(&first)?;
            let inputs = Inputs::default();
            let prepared = Prepared::new(&scenario, &FACTS, &inputs).map_err(words)?;
            let month: Month = small.start.parse().unwrap();
            let days = Some(month.days() as u32);
            let request = Request { days, tick_seconds: 60, ..Request::default() };
            prepared.trace(&request).map(|trace| trace.sessions).map_err(words)
        };
        let (with, without) = (traffic(small)?, traffic(&without)?);
        match with.iter().zip(&without).position(|(with, without)| *with < without * (1.0 - 1e-12))
        {
            Some(at) => {
                Err(format!("minute {at}: {} with the launch, {} without", with[at], without[at]))
            }
            None => Ok(()),
        }
    });
}

/// Every number of a document, with where it is; `NaN` and infinity become null there.
fn numbers_are_finite(
    value: &serde_json::Value,
    place: &str,
    optional: &[&str],
) -> Result<(), String> {
    match value {
        serde_json::Value::Null if !optional.iter().any(|key| place.ends_with(key)) => {
            Err(format!("{place} is not finite"))
        }
        serde_json::Value::Array(all) => {
            all.iter().try_for_each(|value| numbers_are_finite(value, place, optional))
        }
        serde_json::Value::Object(all) => all.iter().try_for_each(|(key, value)| {
            numbers_are_finite(value, &format!("{place}.{key}"), optional)
        }),
        _ => Ok(()),
    }
}

#[test]
fn no_stage_passes_on_what_is_no_number() {
    hold_as_drawn("numbers");
}

fn all_is_a_number(drawn: &Drawn) -> Result<(), String> {
    // Settings that may be missing.
    const OPTIONAL: [&str; 5] =
        [".id", ".requested_spot_share", ".realized_spot_share", ".fit", ".steps.to"];
    let document = serde_json::to_value(&drawn.plan).map_err(|error| error.to_string())?;
    numbers_are_finite(&document, "plan", &OPTIONAL)?;
    for (trace, lines) in &drawn.simulated {
        let finite = |what: &str, values: &[f64]| match values
            .iter()
            .position(|value| !value.is_finite() || *value < 0.0)
        {
            Some(at) => Err(format!("{what} at tick {at} is {}", values[at])),
            None => Ok(()),
        };
        finite("sessions", &trace.sessions)?;
        finite("utilization", &trace.utilization)?;
        for workload in &trace.workloads {
            finite(&format!("{} requests", workload.name), &workload.rps)?;
            finite(&format!("{} queue", workload.name), &workload.queued)?;
            if workload.p95_ms.iter().chain(&workload.load).any(|value| value.is_nan()) {
                return Err(format!("{}: NaN", workload.name));
            }
        }
        for line in lines {
            finite(&line.key.to_string(), &[line.quantity.get()])?;
        }
    }
    Ok(())
}

/// Small companies that differ in all that commitments touch: regions with prices of their own, accounts with
/// and without one payer, sizes of a family, databases of either storage, purchases made before, support,
/// discounts and tax, terms that end in the plan.
fn companies() -> Vec<String> {
    let aurora = |class: &str, storage: &str| {
        format!(
            "[aurora]\ninstance_class = \"{class}\"\nmin_readers = 1\nstorage_type = \"{storage}\"\n\
             queries_per = {{ api = 4 }}\nwrite_share = 0.2\ncpu_ms_per_query = 1.0\npages_per_query = 8\n\
             wal_bytes_per_write = 5000\nkib_per_query = 2\nstorage_gib = 20\nstorage_mib_per_user = 0\n\
             working_set_share = 0.1\nchanged_per_day = 0.02\nbackup_retention_days = 7\n"
        )
    };
    let second = |region: &str, nodes: &str| {
        format!(
            "[accounts.second]\nregion = \"{region}\"\ntraffic_share = 0\n\
             [accounts.second.override]\ncluster.baseline = {nodes}\n"
        )
    };
    let bought = |kind: &str, payment: &str, more: &str| {
        format!(
            "[[commitments]]\nname = \"{kind}\"\nkind = \"{kind}\"\naccount = \"production\"\n\
             start = \"2027-02\"\nterm = \"1yr\"\npayment = \"{payment}\"\n{more}\n"
        )
    };
    let company = |months: u32| {
        support::base("2027-02", months, 6_000).replace(
            "sessions_per_user = 30",
            "sessions_per_user = { low = 20, mid = 30, high = 50 }",
        ) + "[alb]\n"
    };
    let consolidated = "[billing]\nconsolidated = true\n";
    let large = "{ instance_type = \"m7g.large\", nodes = 3 }";
    let xlarge = "{ instance_type = \"m7g.xlarge\", nodes = 1 }";
    vec![
        // One price for each region, and one payer.
        company(2) + consolidated + &second("ap-southeast-1", large),
        // Two payers: what one buys does not serve the other.
        company(2) + &second("us-east-1", large),
        // Sizes of a family, in the second account too; an upfront plan bought before, which reservations push
        // aside; support, discounts and tax on all.
        company(2)
            + "[billing]\nconsolidated = true\nsupport = \"Business Support+\"\ndiscount_percent = 5\n\
               discounts = [{ service = \"AmazonRDS\", percent = 20 }]\ntax_percent = 19\n"
            + &second("us-east-1", xlarge)
            + &aurora("db.r6g.large", "io-optimized")
            + &bought(
                "compute-savings-plan",
                "all-upfront",
                "usd_per_hour = 0.1\ndiscount_percent = 27",
            ),
        // I/O-Optimized instances use 1.3 units each.
        company(3) + &aurora("db.r6g.xlarge", "io-optimized"),
        // A Database Savings Plan covers their premium, and serves the second account's region too.
        company(2)
            + consolidated
            + &second("us-west-2", large)
            + &aurora("db.r8g.large", "io-optimized")
            + &bought(
                "database-savings-plan",
                "no-upfront",
                "usd_per_hour = 0.1\ndiscount_percent = 20",
            ),
        company(2)
            + &aurora("db.r6g.large", "standard")
            + &bought(
                "rds-reserved-instance",
                "no-upfront",
                "instance_type = \"db.r6g.large\"\ncount = 1\ndiscount_percent = 30",
            ),
        // A year of 8,760 hours ends a day before the 14th month does: 2028 has a 29 February.
        company(14) + consolidated + &second("us-west-2", large),
    ]
}

/// What `commit` says is saved in the plan's months, and what two plans differ by, with what it recommends as
/// `[[commitments]]` and without. None where nothing pays.
fn savings(text: &str, trial: u32) -> Result<Option<(f64, f64)>, String> {
    let inputs = Inputs::default();
    let parsed = |text: &str| Scenario::parse("law.toml", text, &FACTS.catalog).map_err(words);
    let scenario = parsed(text)?;
    let without = Prepared::new(&scenario, &FACTS, &inputs).map_err(words)?;
    let quote = |kind: CommitmentKind, discount: f64| Quote {
        offering: Offering {
            kind,
            class: OfferingClass::Standard,
            term: Term::One,
            payment: Payment::NoUpfront,
        },
        discount,
        serverless: None,
    };
    let question = Question {
        from: scenario.plan.start,
        every: 3,
        max_loss_chance: 0.1,
        max_loss: None,
        quotes: vec![
            quote(CommitmentKind::ComputeSavingsPlan, 0.27),
            quote(CommitmentKind::DatabaseSavingsPlan, 0.2),
            quote(CommitmentKind::RdsReservedInstance, 0.25),
        ],
    };
    let watch = Watch { done: &|| (), stop: &|| false };
    let advised = advise(&without, &question, &[trial], watch).map_err(words)?;
    let Some(recommended) = advised.recommended else { return Ok(None) };
    if recommended.saving.mean <= 0.0 {
        return Err(format!("recommends what saves {}", recommended.saving.mean));
    }
    if recommended.loses > question.max_loss_chance {
        return Err(format!("recommends what loses in {} of the trials", recommended.loses));
    }
    // What products add to those before them is the whole, and so are the months.
    let added: f64 =
        advised.products.iter().filter(|own| own.recommended).map(|own| own.saving.mean).sum();
    equal("what the products add", added, recommended.saving.mean)?;
    let months: f64 = recommended.months.iter().map(|own| own.saved).sum();
    equal("the months", months, recommended.in_plan)?;
    let mut more = text.to_owned();
    for commitment in &recommended.commitments {
        more += "[[commitments]]\n";
        more += &toml::to_string(commitment).map_err(|error| error.to_string())?;
    }
    let bought = parsed(&more)?;
    let with = Prepared::new(&bought, &FACTS, &inputs).map_err(words)?;
    let [cost, less] =
        [&without, &with].map(|own| own.run(trial).map(|plan| plan.cost).map_err(words));
    Ok(Some((recommended.in_plan, (cost? - less?).to_f64())))
}

#[test]
fn what_commit_says_is_saved_is_the_difference_of_two_plans() {
    let same = |what: &str, saved: Option<(f64, f64)>| match saved {
        Some((said, difference)) if (said - difference).abs() > 1e-6 => {
            Err(format!("{what}: commit says {said}, the plans differ by {difference}"))
        }
        saved => Ok(saved.is_some()),
    };
    for (place, text) in companies().into_iter().enumerate() {
        for trial in [0, 1] {
            let what = format!("company {place}, trial {trial}");
            assert!(same(&what, savings(&text, trial).unwrap()).unwrap(), "{what}: nothing pays");
        }
    }
    hold(1, |small| same("generated", savings(&small.text(), trial_of(small))?).map(|_| ()));
}
