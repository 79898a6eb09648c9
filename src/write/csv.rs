//! Tables as CSV: those of pages, and those that are too long for one.

use crate::page::{Cell, Kind, Page, Table, content, text::printable};
use crate::{
    bills::actuals::{Metric, MonthBill, amount::Amount, text::is_formula},
    money::rate::{market, usage::AMOUNT},
    plan::Plan,
};

/// Returns a cell that no spreadsheet takes for a formula and no terminal for a command: a leading apostrophe
/// before what would be a formula, control characters as their escapes (`\u{1b}`).
pub fn safe(text: &str) -> String {
    let text = printable(text);
    if is_formula(&text) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.into_owned()
    }
}

pub(super) fn write(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(header.iter().map(|cell| safe(cell))).and_then(|()| {
        rows.into_iter().try_for_each(|row| writer.write_record(row.iter().map(|cell| safe(cell))))
    });
    written.expect("writing to memory does not fail and all rows have the header's length");
    let bytes = writer.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("all cells are UTF-8")
}

/// `usage.csv`: what was metered, without prices; what the price book does not price has its amount.
pub fn usage(plan: &Plan) -> String {
    let mut header = content::ledger::USAGE_COLUMNS.to_vec();
    header.push(AMOUNT);
    let rows = plan.entries.iter().map(|entry| {
        let moved = plan.made_from.trial > 0 && market::moves(&entry.key);
        let priced = plan.price_of(entry).is_of_book() && !moved;
        let mut row = content::ledger::usage(entry);
        row.push(if priced { String::new() } else { entry.cost.to_string() });
        row
    });
    write(&header, rows)
}

/// `ledger.csv`: every priced line.
pub fn ledger(plan: &Plan) -> String {
    records(&content::ledger::lines(plan, plan.entries.iter()))
}

/// `capacity.csv`: node-hours by month, account, type and purchase.
pub fn capacity(plan: &Plan) -> String {
    let header = [
        "month",
        "account",
        "instance_type",
        "purchase",
        "node_pool",
        "node_hours",
        "mean_nodes",
        "launches",
        "account_peak_nodes",
    ];
    let rows = plan.months.iter().flat_map(|month| {
        month.accounts.iter().flat_map(move |account| {
            account.capacity.nodes.iter().map(move |node| {
                vec![
                    month.month.to_string(),
                    account.account.clone(),
                    node.instance_type.clone(),
                    node.purchase.clone(),
                    node.pool.clone(),
                    node.hours.to_string(),
                    (node.hours / month.month.hours() as f64).to_string(),
                    node.launches.to_string(),
                    account.capacity.total.peak.to_string(),
                ]
            })
        })
    });
    write(&header, rows)
}

/// Lines of bills, one row each.
pub fn bills(bills: &[MonthBill]) -> String {
    let mut header = vec![
        "month",
        "account",
        "service",
        "region",
        "usage_type",
        "operation",
        "kind",
        "record_type",
        "quantity",
        "unit",
    ];
    header.extend(Metric::ALL.map(Metric::name));
    header.extend(["list_cost", "rows", "currency", "estimated"]);
    let rows = bills.iter().flat_map(|bill| {
        bill.lines.iter().map(|line| {
            let key = &line.key;
            let amount = |value: Option<Amount>| value.map_or(String::new(), |v| v.to_string());
            let mut row = vec![
                bill.month.to_string(),
                key.account.clone(),
                key.service.clone(),
                key.region.clone(),
                key.usage_type.clone(),
                key.operation.clone(),
                key.kind.name().to_owned(),
                key.record.clone(),
                amount(line.quantity),
                key.unit.clone(),
            ];
            row.extend(line.costs.map(amount));
            row.extend([
                amount(line.list),
                line.rows.to_string(),
                bill.currency.clone(),
                bill.estimated.to_string(),
            ]);
            row
        })
    });
    write(&header, rows)
}

/// One table of a report: all digits, its amounts' currency in the heading.
pub fn table(table: &Table, currency: &str) -> String {
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|column| match column.kind {
            kind if kind.is_money() => format!("{} [{currency}]", column.name.trim()),
            Kind::Share => format!("{} [share]", column.name.trim()),
            _ => column.name.trim().to_owned(),
        })
        .collect();
    let header: Vec<&str> = names.iter().map(String::as_str).collect();
    let width = header.len();
    let rows = table.rows.iter().map(|row| {
        let cell = |place: usize| row.cells.get(place).map_or_else(String::new, Cell::plain);
        (0..width).map(cell).collect()
    });
    write(&header, rows)
}

/// Rows for programs: the columns are named as keys, and cells are as they stand.
pub fn records(table: &Table) -> String {
    let header: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    write(&header, table.rows.iter().map(|row| row.cells.iter().map(Cell::plain).collect()))
}

/// A page as one file: its records, or else its first table.
pub fn page(page: &Page) -> String {
    match (&page.records, page.tables().next()) {
        (Some(rows), _) => records(rows),
        (None, Some(first)) => table(first, &page.currency),
        (None, None) => String::new(),
    }
}

/// What the tables are: their files, titles, and what a reader must know of their amounts.
pub fn index(page: &Page) -> String {
    let rows = page.tables().map(|table| {
        vec![format!("table-{}.csv", table.id), table.title.clone(), table.note.clone()]
    });
    write(&["file", "title", "note"], rows)
}

/// What a report was made from: name and value.
pub fn provenance(page: &Page) -> String {
    let rows = page.provenance.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    write(&["name", "value"], rows)
}

#[cfg(test)]
mod tests {
    use super::safe;
    use crate::{bills::actuals::text::unguarded, page::text::printable};

    #[test]
    fn a_reader_takes_the_apostrophe_off() {
        for name in ["=1", "+x", "\"+x", " -x", "＝x", "\tx"] {
            assert_eq!(unguarded(&safe(name)), printable(name));
        }
        for name in ["x", "'x", "''", "-5"] {
            assert_eq!(unguarded(&safe(name)), name);
        }
    }

    #[test]
    fn formulas_are_neutralised_and_numbers_are_not() {
        assert_eq!(safe("=1+1"), "'=1+1");
        assert_eq!(safe("@cmd"), "'@cmd");
        assert_eq!(safe("-0.5"), "-0.5");
        assert_eq!(safe("-x"), "'-x");
        for full in ["＝1+1", "＋1", "－1+1", "＠cmd", " =1+1", "\n=1", "\u{a0}＝1", "\"=1+1"]
        {
            assert_eq!(safe(full), format!("'{full}"));
        }
        assert_eq!(safe("a\u{1b}[31m\u{202e}b\u{9b}"), "a\\u{1b}[31m\\u{202e}b\\u{9b}");
        assert_eq!(safe("two\nlines"), "two\nlines");
        assert_eq!(safe("m7g.large"), "m7g.large");
        assert_eq!(super::write(&["=1+1", "b"], std::iter::empty()), "'=1+1,b\n");
    }
}
