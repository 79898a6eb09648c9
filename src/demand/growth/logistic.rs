//! Growth towards a capacity, symmetric around its middle.
//!
//! # Formula
//! ```text
//! u(t) = K / (1 + (K / start − 1) × e^(−rate × t))        K = capacity
//! ```

use super::capacity::Law;

pub(super) fn distance(users: f64, capacity: f64) -> f64 {
    capacity / users - 1.0
}

/// Users after `t` months.
pub fn at(law: &Law, t: f64) -> f64 {
    law.capacity / (1.0 + law.left(t, distance))
}
