//! Usage lines of all accounts and months.

use crate::{
    intent::scenario::Account,
    measure::calendar::Month,
    money::rate::Usage,
    usage::services::{self, Choice, Demand, Metered},
};

/// Usage of all accounts and months, in the order they were metered.
#[derive(Default)]
pub(super) struct Metering {
    pub(super) usage: Vec<Usage>,
    pub(super) choices: Vec<Vec<Choice>>,
}

impl Metering {
    pub(super) fn add(&mut self, account: &Account, demand: &Demand<'_>) {
        self.put(account, demand.month, services::meter(&account.stack.services, demand));
    }

    pub(super) fn put(&mut self, account: &Account, month: Month, metered: Metered) {
        let account = &account.name;
        let usage = |line| Usage { month, account: account.clone(), line };
        self.usage.extend(metered.lines.into_iter().map(usage));
        self.choices.push(metered.choices);
    }
}
