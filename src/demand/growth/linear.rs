//! The same number of users added each month.
//!
//! # Formula
//! ```text
//! u(t) = start + per_month × t
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_of;

/// Settings: `per_month` or `end`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Users added a month; negative when users leave.
    #[schemars(range(min = -1e10, max = 1e10))]
    pub per_month: Option<f64>,
    /// Users in the last month.
    #[schemars(range(min = 0, max = 1e10))]
    pub end: Option<f64>,
}

/// The curve with all parameters known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Users at the start.
    pub start: f64,
    /// Users added a month.
    pub per_month: f64,
}

impl Linear {
    pub(super) fn bind(&self, start: f64, span: f64) -> Result<Law, String> {
        let per_month =
            one_of(self.per_month, self.end, "per_month", |end| Ok((end - start) / span))?;
        Ok(Law { start, per_month })
    }
}

impl Law {
    /// Users after `t` months.
    pub fn at(&self, t: f64) -> f64 {
        self.start + self.per_month * t
    }
}
