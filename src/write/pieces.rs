//! Tables that are wider than what they are printed on, as pieces that stand below each other: each has the columns
//! that name its rows. The terminal, HTML and PDF cut them the same way, each with widths in its own unit.

use std::ops::Range;

use crate::page::Column;

/// Most columns that name a row.
const MOST_NAMES: usize = 2;

/// Columns of each piece: one piece where `room` is wide enough.
pub(super) fn pieces(columns: &[&Column], widths: &[usize], room: usize) -> Vec<Vec<usize>> {
    if widths.is_empty() || widths.iter().sum::<usize>() <= room {
        return vec![(0..widths.len()).collect()];
    }
    let names = columns.iter().take(MOST_NAMES).take_while(|column| column.kind.is_text());
    let names = names.count().max(1);
    let names = if widths[..names].iter().sum::<usize>() > room / 2 { 1 } else { names };
    let room = room.saturating_sub(widths[..names].iter().sum());
    // As few pieces as have room, then all about as wide: none is left with one column.
    let least = ranges(widths, names, room).len();
    let even = widths[names..].iter().sum::<usize>().div_ceil(least);
    let fits = |room: &usize| ranges(widths, names, *room).len() == least;
    let step = (room / 64).max(1);
    let room = (even..room).step_by(step).find(fits).unwrap_or(room);
    let pieces = ranges(widths, names, room).into_iter();
    pieces.map(|piece| (0..names).chain(piece).collect()).collect()
}

/// Columns from `first` on in stretches that are at most so wide.
fn ranges(widths: &[usize], first: usize, room: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut from, mut used) = (first, 0);
    for (index, width) in widths.iter().enumerate().skip(first) {
        if used + width > room && index > from {
            ranges.push(from..index);
            (from, used) = (index, 0);
        }
        used += width;
    }
    ranges.push(from..widths.len());
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Kind;

    #[test]
    fn each_column_is_in_one_piece_and_each_piece_names_its_rows() {
        let mut columns =
            vec![Column::new("Account", Kind::Text), Column::new("Service", Kind::Text)];
        columns.extend((0..24).map(|month| Column::new(format!("2027-{month:02}"), Kind::Dollars)));
        let columns: Vec<&Column> = columns.iter().collect();
        let mut widths = vec![16, 14];
        widths.extend([11; 24]);
        let cut = pieces(&columns, &widths, 120);
        assert_eq!(cut.len(), 3);
        assert!(cut.iter().all(|piece| piece.starts_with(&[0, 1]) && piece.len() == 10), "{cut:?}");
        let rest: Vec<usize> = cut.iter().flat_map(|piece| &piece[2..]).copied().collect();
        assert_eq!(rest, (2..26).collect::<Vec<usize>>(), "each column once");
        assert_eq!(pieces(&columns[..4], &widths[..4], 120), [[0, 1, 2, 3]]);
    }
}
