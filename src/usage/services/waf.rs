//! AWS WAF in front of the load balancer.
//!
//! # Formula
//! ```text
//! WebACLV2 [Month]   = web ACLs
//! RuleV2   [Month]   = own rules + rule groups (a group counts as one, however many rules it holds)
//! RequestV2-… [Request] = every request that reaches the ACL, blocked or not, on the tier of its WCU
//! ```
//! # Source
//! aws.amazon.com/waf/pricing: 0.60 per million up to 1,500 WCU, 0.20 more per started 500 WCU.
//! # Limits
//! Bodies are inspected to 8 KB on a load balancer, without surcharge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, Context, Demand, Finding, Meter, Metered, Sent, Service, cloudwatch, kib_to_gb,
    sold::Sold,
};
use crate::facts::shapes::WafFacts;

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
    /// Bot Control.
    #[serde(default)]
    pub bot_control: BotControl,
    /// Share of requests that Bot Control inspects, after a scope-down statement.
    #[serde(default = "whole")]
    #[schemars(range(min = 0, max = 1))]
    pub bot_control_share: f64,
    /// Share of requests that are logged, to `CloudWatch` Logs as vended logs.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub log_share: f64,
    /// Bytes of a log record.
    #[serde(default = "record")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub log_record_bytes: f64,
    /// Blocked requests per request that the ACL lets through \[ratio\]. AWS bills both.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub blocked_per_request: f64,
}

fn one() -> u32 {
    1
}

fn whole() -> f64 {
    1.0
}

/// A JSON record with a dozen headers: an assumption.
fn record() -> f64 {
    1500.0
}

/// Managed bot protection, a rule group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BotControl {
    /// Off.
    #[default]
    None,
    /// Common bots.
    Common,
    /// Targeted bots.
    Targeted,
}

impl Spec {
    fn requests(&self, demand: &Demand<'_>) -> f64 {
        let passed = demand.capacity.sessions * demand.alb_requests_per_session();
        passed * (1.0 + self.blocked_per_request)
    }
}

/// The meter of requests to a web ACL of so many capacity units: the first tier, then one for each started step.
fn request_meter(wcu: u32, facts: &WafFacts) -> String {
    match wcu.saturating_sub(facts.included_wcu).div_ceil(facts.wcu_step) {
        0 => "RequestV2-Tier1".into(),
        step => {
            let most = facts.included_wcu + step * facts.wcu_step;
            format!("RequestV2-Tier{}-{most}WCU", step + 1)
        }
    }
}

impl Service for Spec {
    const KIND: &'static str = "waf";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("awswaf", "WebACLV2", ""),
        Meter::new("awswaf", "RuleV2", ""),
        Meter::new("awswaf", "RequestV2-Tier*", ""),
        Meter::new("awswaf", "AMR-BotControl", ""),
        Meter::new("awswaf", "AMR-BotControl-Request", ""),
        Meter::new("awswaf", "AMR-BotControl-Targeted-Request", ""),
    ];

    fn usage_types(_: &str, sold: &Sold<'_>) -> Vec<String> {
        let facts = &sold.catalog.controllers.waf;
        let steps = (facts.included_wcu..=facts.max_wcu).step_by(facts.wcu_step.max(1) as usize);
        steps.map(|wcu| request_meter(wcu, facts)).collect()
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let logged = self.requests(demand) * self.log_share;
        let gb = kib_to_gb(logged * self.log_record_bytes / 1024.0);
        vec![cloudwatch::VENDED_LOGS_GB.amount(gb)]
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let most = f64::from(context.catalog.controllers.waf.max_wcu);
        super::above_limits([("wcu", f64::from(self.wcu), most)])
    }

    fn unused(&self, _: &Context<'_>) -> Vec<Finding> {
        let inspects = self.bot_control != BotControl::None;
        let share = [("bot_control_share", !inspects && self.bot_control_share < whole())];
        let bytes = [(
            "log_record_bytes",
            self.log_share <= 0.0 && (self.log_record_bytes - record()).abs() > 0.0,
        )];
        let mut unused = super::unused_keys(share, "bot_control is off");
        unused.extend(super::unused_keys(bytes, "log_share is 0, so nothing is logged"));
        unused
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let facts = &demand.catalog.controllers.waf;
        let acls = f64::from(self.web_acls);
        let bots = u32::from(self.bot_control != BotControl::None);
        let rules = f64::from(self.rules + self.rule_groups + bots);
        let passed = demand.capacity.sessions * demand.alb_requests_per_session();
        let requests = self.requests(demand);
        let tier = request_meter(self.wcu, facts);
        let acl = Basis::new("web ACLs", &[("web ACLs", acls, "web ACLs")]);
        let rule = Basis::new(
            "(rules + rule groups) × web ACLs",
            &[
                ("rules", f64::from(self.rules), "rules"),
                ("rule groups", f64::from(self.rule_groups + bots), "rule groups"),
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
        let mut lines = vec![
            demand.line(Self::METERS[0], "web-acl", acls, acl),
            demand.line(Self::METERS[1], "web-acl", rules * acls, rule),
            demand.line(Meter::new("awswaf", &tier, ""), "web-acl", requests, request),
        ];
        let inspected = match self.bot_control {
            BotControl::None => return lines.into(),
            BotControl::Common => "AMR-BotControl-Request",
            BotControl::Targeted => "AMR-BotControl-Targeted-Request",
        };
        let group = Basis::new("rule group × web ACLs", &[("web ACLs", acls, "web ACLs")]);
        let bots = Basis::new(
            "requests × inspected share",
            &[("requests", requests, "requests"), ("inspected share", self.bot_control_share, "")],
        );
        lines.push(demand.line(Meter::new("awswaf", "AMR-BotControl", ""), "web-acl", acls, group));
        let share = requests * self.bot_control_share;
        lines.push(demand.line(Meter::new("awswaf", inspected, ""), "web-acl", share, bots));
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    #[test]
    fn blocked_requests_count_and_wcu_choose_the_tier() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.sessions = 1_000_000.0;
        let per_session = fixture.classes["api"].per_session;
        let mut spec: Spec = toml::from_str(
            "rules = 5
rule_groups = 3
wcu = 1500
blocked_per_request = 0.5",
        )
        .unwrap();
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
        // A million at 4,000 WCU: 0.60 + 5 × 0.20, where five steps of 500 are begun above 1,500; 5,000 is the most.
        for (wcu, expected) in [(4000, "1.6"), (4001, "1.8"), (5000, "2")] {
            spec.wcu = wcu;
            assert_eq!(Service::check(&spec, &fixture.context()), []);
            let lines = Service::meter(&spec, &fixture.demand()).lines;
            assert_eq!(fixture.price(&lines[2], 1e6), expected, "{wcu}");
        }
        spec.wcu = 5001;
        assert_eq!(Service::check(&spec, &fixture.context()).len(), 1);
    }

    /// 12 million inspected: 10 free, 2 × 1.00; targeted: 1 free, 11 × 10.
    #[test]
    fn bot_control_is_a_rule_group_with_its_own_requests() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 1.0;
        fixture.capacity.sessions = 12e6;
        let spec: Spec = toml::from_str("bot_control = \"common\"\nlog_share = 0.1").unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[3], 1.0), "10");
        assert_eq!(fixture.price(&lines[4], lines[4].quantity.get()), "2");
        let targeted = Spec { bot_control: BotControl::Targeted, ..spec.clone() };
        let lines = Service::meter(&targeted, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[4], lines[4].quantity.get()), "110");
        let logged = sent(&spec, &fixture.demand(), cloudwatch::VENDED_LOGS_GB);
        assert!((logged - 1.2e6 * 1500.0 / 1_073_741_824.0).abs() < 1e-9);
        fixture.capacity.sessions = 0.0;
        let idle = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(idle[2].quantity.get() + idle[4].quantity.get(), 0.0);
    }
}
