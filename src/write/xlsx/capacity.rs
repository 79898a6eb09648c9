//! `Capacity`: what the clusters used, month by month.

use super::{
    sheet::{BODY, Done, HEADER, Sheet, Tie, head, span},
    style::Look,
};
use crate::{cluster::capacity::Capacity, plan::Plan};

/// Name of the sheet.
pub(super) const NAME: &str = "Capacity";
const NODE_HOURS: u16 = 7;

/// Figures of a cluster's month, in the order of the columns behind month, account and users.
fn figures(capacity: &Capacity) -> [f64; 9] {
    let requests = capacity.workloads.iter().map(|workload| workload.requests).sum();
    let pods = capacity.workloads.iter().map(|workload| workload.mean_replicas).sum();
    [
        capacity.total.mean,
        f64::from(capacity.total.peak),
        capacity.baseline_mean,
        capacity.spot_mean,
        capacity.node_hours(),
        f64::from(capacity.launches()),
        pods,
        requests,
        capacity.sessions,
    ]
}

/// Writes the sheet.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan) -> Done {
    let rows = plan.months.iter().map(|month| month.accounts.len()).sum::<usize>();
    let last = BODY + (rows.max(1) as u32) - 1;
    let all = plan.months.iter().flat_map(|month| &month.accounts);
    let sum: f64 = all.map(|account| account.capacity.node_hours()).sum();
    let tie = Tie {
        unit: "node-hours".into(),
        formula: format!("=SUM({})", span(NODE_HOURS, (BODY, last))),
        result: sum,
        plan: sum,
        tolerance: 0.005,
    };
    let note = "As simulated. It is for information: no factor of this book moves it.";
    sheet.top("Capacity of the clusters", note, &tie)?;
    sheet.header(&[
        head("Month", Look::Month),
        head("Account", Look::Text),
        head("Monthly users", Look::Number(0)),
        head("Mean nodes", Look::Number(2)),
        head("Most nodes", Look::Number(0)),
        head("Baseline nodes, mean", Look::Number(2)),
        head("Spot nodes, mean", Look::Number(2)),
        head("Node-hours", Look::Number(1)),
        head("Nodes launched", Look::Number(0)),
        head("Mean pods", Look::Number(1)),
        head("Requests to workloads", Look::Number(0)),
        head("Sessions", Look::Number(0)),
    ])?;
    let mut row = BODY;
    for month in &plan.months {
        for account in &month.accounts {
            sheet.month(row, 0, month.month)?;
            sheet.text(row, 1, &account.account)?;
            sheet.number(row, 2, month.users)?;
            for (column, figure) in (3..).zip(figures(&account.capacity)) {
                sheet.number(row, column, figure)?;
            }
            row += 1;
        }
    }
    sheet.out.autofilter(HEADER, 0, last, 11)?;
    Ok(())
}
