//! AWS WAF in front of the load balancer.
//!
//! # Formula
//! ```text
//! WebACLV2 [Month]   = web ACLs
//! RuleV2   [Month]   = own rules + rule groups (a group counts as one, however many rules it holds)
//! RequestV2-… [Request] = every request that reaches the ACL, blocked or not, on the tier of its WCU
//! ```
//! # Source
//! Billing rules, "WAF": 0.60 per million up to 1,500 WCU, 0.20 more per started 500 WCU.
//! # Limits
//! Bodies are inspected to 8 KB on a load balancer, without surcharge.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Meter, Metered, Service};

/// Web ACL on the load balancer.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Web ACLs.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub web_acls: u32,
    /// Rules of your own.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub rules: u32,
    /// Managed or own rule groups.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub rule_groups: u32,
    /// Web ACL capacity units of all rules together.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub wcu: u32,
    /// Requests that the ACL blocks, per request that it lets through: they are billed as well.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub blocked_per_request: f64,
}

fn one() -> u32 {
    1
}

const TIERS: [&str; 4] = [
    "RequestV2-Tier1",
    "RequestV2-Tier2-2000WCU",
    "RequestV2-Tier3-2500WCU",
    "RequestV2-Tier4-3000WCU",
];

impl Service for Spec {
    const KIND: &'static str = "waf";
    const METERS: &'static [Meter] = &[
        ("awswaf", "WebACLV2", ""),
        ("awswaf", "RuleV2", ""),
        ("awswaf", TIERS[0], ""),
        ("awswaf", TIERS[1], ""),
        ("awswaf", TIERS[2], ""),
        ("awswaf", TIERS[3], ""),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<(String, String)> {
        let most = f64::from(context.catalog.controllers.waf.max_wcu);
        super::above_limits([("wcu", f64::from(self.wcu), most)])
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let facts = &demand.catalog.controllers.waf;
        let acls = f64::from(self.web_acls);
        let rules = f64::from(self.rules + self.rule_groups);
        let passed = demand.capacity.sessions * demand.alb_requests_per_session();
        let requests = passed * (1.0 + self.blocked_per_request);
        let step = self.wcu.saturating_sub(facts.included_wcu).div_ceil(facts.wcu_step) as usize;
        let tier = TIERS[step.min(TIERS.len() - 1)];
        let acl = Basis::new("web ACLs", &[("web ACLs", acls, "web ACLs")]);
        let rule = Basis::new(
            "(rules + rule groups) × web ACLs",
            &[
                ("rules", f64::from(self.rules), "rules"),
                ("rule groups", f64::from(self.rule_groups), "rule groups"),
                ("web ACLs", acls, "web ACLs"),
            ],
        );
        let request = Basis::new(
            "requests × (1 + blocked per request)",
            &[
                ("requests", passed, "requests"),
                ("blocked per request", self.blocked_per_request, ""),
                ("WCU", f64::from(self.wcu), "WCU"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "web-acl", acls, acl),
            demand.line(Self::METERS[1], "web-acl", rules * acls, rule),
            demand.line(("awswaf", tier, ""), "web-acl", requests, request),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    #[test]
    fn blocked_requests_count_and_wcu_choose_the_tier() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.sessions = 1_000_000.0;
        let per_session = fixture.classes["api"].per_session;
        let mut spec =
            Spec { web_acls: 1, rules: 5, rule_groups: 3, wcu: 1500, blocked_per_request: 0.5 };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[1].quantity.get(), 8.0);
        assert_eq!(lines[2].quantity.get(), 1_500_000.0 * per_session);
        assert_eq!(lines[2].key.usage_type, "RequestV2-Tier1");
        spec.wcu = 1501;
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[2].key.usage_type, "RequestV2-Tier2-2000WCU");
        spec.wcu = 3000;
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[2].key.usage_type, "RequestV2-Tier4-3000WCU");
    }
}
