//! Ids of a page: each is safe in an attribute and in an address, and stands once.
//!
//! Names of rows and sections may hold anything. Letters, digits, `-` and `_` stay, the rest becomes `-`, and a name
//! that is taken gets a number. Ids that the writer derives have a `:`, which no name keeps.

use std::{
    collections::{HashMap, HashSet},
    vec::IntoIter,
};

use crate::page::Page;

/// Ids that the writer itself uses.
const OWN: [&str; 3] = ["main", "contents", "provenance"];
const LONGEST: usize = 80;

/// The ids of a page, given out in the order of reading.
pub(super) struct Anchors<'a> {
    sections: IntoIter<String>,
    figures: IntoIter<String>,
    tables: IntoIter<String>,
    rows: IntoIter<String>,
    targets: HashMap<&'a str, String>,
}

#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    last: HashMap<String, usize>,
}

impl Names {
    fn claim(&mut self, name: &str) -> String {
        let base = safe(name);
        if self.taken.insert(base.clone()) {
            return base;
        }
        // Numbers go on where the last one of this name ended: thousands of rows may share it.
        let mut number = self.last.get(&base).copied().unwrap_or(1);
        loop {
            number += 1;
            let id = format!("{base}-{number}");
            if self.taken.insert(id.clone()) {
                self.last.insert(base, number);
                return id;
            }
        }
    }
}

fn safe(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let id: String = name.chars().take(LONGEST).map(letter).collect();
    if id.starts_with(|c: char| c.is_ascii_alphabetic()) { id } else { format!("x{id}") }
}

impl<'a> Anchors<'a> {
    pub(super) fn of(page: &'a Page) -> Self {
        let mut names = Names::default();
        for own in OWN {
            names.claim(own);
        }
        let (mut sections, mut figures, mut tables, mut rows) = (vec![], vec![], vec![], vec![]);
        let mut targets = HashMap::new();
        let mut parts = Vec::new();
        for section in &page.sections {
            let id = names.claim(&section.id);
            parts.push((&*section.id, id.clone()));
            sections.push(id);
        }
        for section in &page.sections {
            figures.extend(section.figures.iter().map(|figure| names.claim(&figure.id)));
            for table in &section.tables {
                let id = names.claim(&table.id);
                parts.push((&*table.id, id.clone()));
                tables.push(id);
                for anchor in table.rows.iter().filter_map(|row| row.anchor.as_deref()) {
                    let id = names.claim(anchor);
                    targets.entry(anchor).or_insert_with(|| id.clone());
                    rows.push(id);
                }
            }
        }
        // Links mean rows; where no row has the name, a section or table of it.
        for (name, id) in parts {
            targets.entry(name).or_insert(id);
        }
        Self {
            sections: sections.into_iter(),
            figures: figures.into_iter(),
            tables: tables.into_iter(),
            rows: rows.into_iter(),
            targets,
        }
    }

    /// The id of where a link leads, if anything has its name.
    pub(super) fn target(&self, name: &str) -> Option<&str> {
        self.targets.get(name).map(String::as_str)
    }

    /// Ids of the sections that have not been written.
    pub(super) fn sections(&self) -> &[String] {
        self.sections.as_slice()
    }

    pub(super) fn next_section(&mut self) -> String {
        self.sections.next().unwrap_or_default()
    }

    pub(super) fn next_figure(&mut self) -> String {
        self.figures.next().unwrap_or_default()
    }

    pub(super) fn next_table(&mut self) -> String {
        self.tables.next().unwrap_or_default()
    }

    /// The id of the next row that has an anchor.
    pub(super) fn next_row(&mut self) -> String {
        self.rows.next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_fall_together_stay_apart() {
        let mut names = Names::default();
        assert_eq!(names.claim("a b"), "a-b");
        assert_eq!(names.claim("a-b"), "a-b-2");
        assert_eq!(names.claim("a/b"), "a-b-3");
        assert_eq!(names.claim("a-b-3"), "a-b-3-2");
        assert_eq!(names.claim(""), "x");
        assert_eq!(names.claim("\" onload=\"x"), "x--onload--x");
    }

    proptest! {
        #[test]
        fn ids_are_safe_and_stand_once(names in proptest::collection::vec(".{0,12}", 0..40)) {
            let mut claimed = Names::default();
            let ids: HashSet<String> = names.iter().map(|name| claimed.claim(name)).collect();
            prop_assert_eq!(ids.len(), names.len());
            for id in ids {
                prop_assert!(id.starts_with(|c: char| c.is_ascii_alphabetic()));
                prop_assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)));
            }
        }
    }
}
