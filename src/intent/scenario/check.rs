//! What a schema cannot say: names that must exist elsewhere, values that must agree.

use super::{Account, Common, account, document::Document, time_of_day};
use crate::{
    bounds,
    demand::growth::Curve,
    error::{Problem, nearest},
    measure::calendar::Month,
};

/// Returns every contradiction in the part that is the same for all accounts.
pub(super) fn common(common: &Common, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |key: &str, message: &str| problems.push(document.problem(key, message));
    if common.accounts.is_empty() {
        report("accounts", "give at least one [accounts.<name>]");
    }
    for (name, account) in &common.accounts {
        let key = format!("accounts.{name}");
        if let Some(id) = &account.id
            && !account::is_id(id)
            && !account::is_pseudonym(id)
        {
            let message = format!(
                "{id:?} is not an account id; give 12 digits, or the pseudonym (`account-` and 12 letters) of bills that --redact-accounts imported"
            );
            report(&format!("{key}.id"), &message);
        }
        let twin = common
            .accounts
            .iter()
            .find(|(other, own)| *other != name && account.id.is_some() && own.id == account.id);
        if let Some((other, _)) = twin {
            let message = format!("accounts.{other} has the same id; each account has its own");
            report(&format!("{key}.id"), &message);
        }
        let Some(schedule) = &account.schedule else { continue };
        if schedule.days.is_empty() {
            report(&format!("{key}.schedule.days"), "name at least one day");
        }
        if schedule.from == "24:00" {
            report(&format!("{key}.schedule.from"), "the day begins at 00:00");
        } else if time_of_day(&schedule.from) == time_of_day(&schedule.to) {
            report(
                &format!("{key}.schedule.to"),
                "is the same as from; remove the schedule to run always",
            );
        }
    }
    if let Some(message) = too_large(common) {
        report("plan.months", &message);
    }
    if common.traffic.classes.is_empty() {
        report("traffic.classes", "give at least one class of requests");
    }
    if common.traffic.shape.is_some() && common.traffic.weekly.is_some() {
        report("traffic.weekly", "the shape comes from traffic.shape; remove one of them");
    }
    let end = common.plan.start.plus(common.plan.months);
    for (index, event) in common.traffic.events.iter().enumerate() {
        let key = format!("traffic.events[{index}].at");
        let moment = crate::measure::calendar::parse_moment(&event.at);
        match moment.and_then(|moment| Month::of(moment.date())) {
            None => report(&key, &format!("{:?} is not a time; write 2027-05-12T17:00", event.at)),
            Some(month) if month < common.plan.start || month >= end => {
                let last = common.plan.start.plus(common.plan.months - 1);
                let message =
                    format!("{} is outside the plan ({} to {last})", event.at, common.plan.start);
                report(&key, &message);
            }
            Some(_) => {}
        }
    }
    for (index, segment) in common.users.segments.iter().enumerate() {
        if let Some(month) = segment.until
            && (month <= common.plan.start || month >= end)
        {
            let message = format!("{month} is outside the plan");
            report(&format!("users.segments[{index}].until"), &message);
        }
    }
    if let Some(Curve::Steps(steps)) = &common.users.growth {
        for (index, step) in steps.steps.iter().enumerate().filter(|(_, step)| step.from >= end) {
            let message = format!("{} is after the plan's last month", step.from);
            report(&format!("users.growth.steps[{index}].from"), &message);
        }
    }
    problems.extend(regions(common, document));
    problems.extend(money(common, document));
    problems.extend(tune(common, document));
    problems
}

/// Accounts without a region.
fn regions(common: &Common, document: &Document) -> Vec<Problem> {
    let without = common.accounts.iter().filter(|(_, account)| account.region.is_empty());
    let problem = |name: &str| {
        let message = "give it, or plan.region for all accounts";
        document.problem(&format!("accounts.{name}.region"), message)
    };
    without.map(|(name, _)| problem(name)).collect()
}

/// More months of accounts than are simulated and kept.
fn too_large(common: &Common) -> Option<String> {
    let (accounts, months) = (common.accounts.len(), common.plan.months);
    let cube = accounts as u64 * u64::from(months);
    (cube > bounds::ACCOUNT_MONTHS).then(|| {
        format!(
            "{accounts} accounts and {months} months are {cube} months to simulate and keep, more than {}; plan fewer months, or groups of accounts by themselves",
            bounds::ACCOUNT_MONTHS
        )
    })
}

/// Commitments and budgets.
fn money(common: &Common, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |key: &str, message: &str| problems.push(document.problem(key, message));
    let end = common.plan.start.plus(common.plan.months);
    let accounts: Vec<&str> = common.accounts.keys().map(String::as_str).collect();
    for (index, commitment) in common.commitments.iter().enumerate() {
        for (key, message) in commitment.check(&accounts) {
            report(&format!("commitments[{index}].{key}"), &message);
        }
        if commitment.start >= end {
            let message = format!("{} is after the plan's last month", commitment.start);
            report(&format!("commitments[{index}].start"), &message);
        }
        if common.commitments[..index].iter().any(|other| other.name == commitment.name) {
            let message = format!("two commitments have the name {:?}", commitment.name);
            report(&format!("commitments[{index}].name"), &message);
        }
    }
    for (index, budget) in common.budgets.iter().enumerate() {
        for (key, message) in budget.check(&accounts) {
            report(&format!("budgets[{index}].{key}"), &message);
        }
        if budget.from.is_some_and(|from| from >= end) {
            report(&format!("budgets[{index}].from"), "is after the plan's last month");
        }
        if common.budgets[..index].iter().any(|other| other.name == budget.name) {
            let message = format!("two budgets have the name {:?}", budget.name);
            report(&format!("budgets[{index}].name"), &message);
        }
    }
    problems
}

/// Returns the contradictions of the settings of `tune`.
fn tune(common: &Common, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(tune) = &common.tune else { return problems };
    let mut report = |key: &str, message: &str| problems.push(document.problem(key, message));
    if let Some(name) = tune.account.as_ref().filter(|name| !common.accounts.contains_key(*name)) {
        let known: Vec<&str> = common.accounts.keys().map(String::as_str).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are {}", known.join(", ")),
        };
        report("tune.account", &format!("no account {name:?}; {hint}"));
    }
    let (start, months) = (common.plan.start, common.plan.months);
    let last = start.plus(months - 1);
    if let Some(from) = tune.from.filter(|from| *from < start || *from > last) {
        report("tune.from", &format!("{from} is outside the plan; give {start} to {last}"));
    } else if let Some(count) = tune.months {
        let left = tune.from.map_or(months, |from| last.since(from) as u32 + 1);
        if count > left {
            let message =
                format!("{count} months run past {last}, the plan's last; give 1 to {left}");
            report("tune.months", &message);
        }
    }
    for (index, knob) in tune.knobs.iter().enumerate() {
        let key = format!("tune.knobs[{index}]");
        for (below, message) in knob.check() {
            report(&format!("{key}{below}"), &message);
        }
        if tune.knobs[..index].iter().any(|other| other.key == knob.key) {
            report(
                &format!("{key}.key"),
                &format!("two knobs have the key {:?}; give one", knob.key),
            );
        }
    }
    problems
}

/// Services that an organization has once, in more than one account.
pub(super) fn once(accounts: &[Account], document: &Document) -> Vec<Problem> {
    let mut first: Vec<(&str, &str)> = Vec::new();
    let mut problems = Vec::new();
    for account in accounts {
        for service in account.stack.services.iter().filter(|service| service.once()) {
            let kind = service.kind();
            if let Some((_, other)) = first.iter().find(|(known, _)| *known == kind) {
                let message = format!(
                    "an organization has one, and {other} has it already; put it in one account's override, or in the other's remove list"
                );
                problems.push(document.account_problem(&account.name, kind, &message));
            } else {
                first.push((kind, &account.name));
            }
        }
    }
    problems
}
