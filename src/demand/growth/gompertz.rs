//! Growth towards a capacity: early rise, long tail.
//!
//! # Formula
//! ```text
//! u(t) = K × e^(ln(start / K) × e^(−rate × t))        K = capacity
//! ```

use super::capacity::Law;

pub(super) fn distance(users: f64, capacity: f64) -> f64 {
    (users / capacity).ln()
}

/// Users after `t` months.
pub fn at(law: &Law, t: f64) -> f64 {
    law.capacity * law.left(t, distance).exp()
}
