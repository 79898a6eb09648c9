//! `CloudFront` in front of a bucket or of the load balancer: answers from the edge.
//!
//! # Formula
//! ```text
//! <zone>-DataTransfer-Out-Bytes  [GB]       = sessions × calls × response bytes    (first 1,024 GB free)
//! <zone>-Requests-Tier2-HTTPS    [Requests] = sessions × calls                 (first 10 million free)
//! Invalidations                  [URL]      = releases × paths                       (first 1,000 free)
//! <zone>-DataTransfer-Out-OBytes [GB]       = requests passed to the load balancer × request bytes
//! to S3 or the load balancer: requests × (1 − hit ratio)
//! with a flat-rate plan, CloudFrontPlan-<plan> [Month] = 1 in place of all of the above
//! ```
//! # Source
//! aws.amazon.com/cloudfront/pricing: pay-as-you-go by edge location; 1 TB and 10 million requests a month free.
//! # Limits
//! One price zone for all users. Answers of an AWS origin to the edge carry no transfer charge. A web ACL stays
//! at the load balancer: it inspects what the edge passes on. A flat-rate plan has no overage: above its quota AWS slows the
//! distribution down, which is a warning here. Its credit for S3 storage comes off `[s3]`; its WAF is one at the edge, so the
//! web ACL at the load balancer is charged.

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, Choice, Context, Demand, Edge, Finding, Meter, Metered, Sent, Service, kib_to_gb, s3,
    sold::Sold,
};
use crate::demand::traffic::Class;

/// Price zone of an edge location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Zone {
    /// United States, Mexico, Canada.
    #[default]
    US,
    /// Europe, Israel, Türkiye.
    EU,
    /// Hong Kong, Philippines, Singapore, South Korea and others of Asia Pacific.
    AP,
    /// Japan.
    JP,
    /// Australia, New Zealand.
    AU,
    /// India.
    IN,
    /// South America.
    SA,
    /// Middle East.
    ME,
    /// South Africa, Kenya, Nigeria.
    ZA,
}

impl Zone {
    const ALL: [Self; 9] =
        [Self::US, Self::EU, Self::AP, Self::JP, Self::AU, Self::IN, Self::SA, Self::ME, Self::ZA];
}

/// Flat-rate plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FlatPlan {
    /// Without a fee.
    Free,
    /// For small sites.
    Pro,
    /// For larger ones.
    Business,
}

impl FlatPlan {
    fn name(self) -> &'static str {
        match self {
            Self::Free => "Free",
            Self::Pro => "Pro",
            Self::Business => "Business",
        }
    }
}

/// Bytes of answers to users.
const OUT: &str = "*-DataTransfer-Out-Bytes";
/// Requests of users.
const REQUESTS: &str = "*-Requests-Tier2-HTTPS";
/// Bytes of requests from the edge to an origin that is no bucket.
const TO_ORIGIN: &str = "*-DataTransfer-Out-OBytes";

/// Returns the usage type of a zone.
fn of_zone(pattern: &str, zone: Zone) -> String {
    pattern.replacen('*', &format!("{zone:?}"), 1)
}

/// The distribution.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Traffic classes that it serves: from a workload behind the load balancer where one serves the class too,
    /// else from a bucket.
    pub classes: IndexSet<String>,
    /// Price zone of the users.
    #[serde(default)]
    pub zone: Zone,
    /// Share of requests answered from the edge.
    #[schemars(range(min = 0, max = 1))]
    pub hit_ratio: f64,
    /// Paths invalidated a month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub invalidated_paths: f64,
    /// Flat-rate plan of the distribution; default: pay as you go.
    pub plan: Option<FlatPlan>,
}

impl Spec {
    fn per_session(&self, demand: &Demand<'_>, of: impl Fn(&Class) -> f64) -> f64 {
        let served = self.classes.iter().filter_map(|name| demand.classes.get(name));
        served.map(|class| class.asked_per_session() * of(class)).sum()
    }

    /// Requests and their bytes that go on to the load balancer in a session: a number, and GB.
    fn to_load_balancer_gb(&self, demand: &Demand<'_>) -> f64 {
        let served = self.classes.iter().filter_map(|name| demand.classes.get(name));
        let passed = served.filter(|class| class.at_edge.is_some());
        let kib: f64 = passed.map(|class| class.per_session * class.request_kib).sum();
        kib_to_gb(demand.capacity.sessions * kib)
    }

    /// The month's fee of a flat-rate plan, and a warning where the quota is exceeded.
    fn flat_rate(demand: &Demand<'_>, plan: FlatPlan, requests: f64, gb: f64) -> Metered {
        let usage_type = format!("CloudFrontPlan-{}", plan.name());
        let why = Basis::new(
            "flat-rate plan, whatever is used",
            &[("requests", requests, "requests"), ("sent", gb, "GB")],
        );
        let meter = Meter::new("CloudFrontPlans", &usage_type, "");
        let quota = demand.catalog.controllers.cloudfront_plans.get(plan.name());
        let over = quota.filter(|quota| requests > quota.requests || gb > quota.gb);
        let warned = over.map(|quota| Choice {
            subject: "cloudfront".into(),
            choice: plan.name().into(),
            reason: format!(
                "{requests:.0} requests and {gb:.0} GB exceed the plan's {:.0} requests or {:.0} GB: AWS charges no overage, and may slow the distribution down or move it to another plan",
                quota.requests, quota.gb
            ),
            warning: true,
        });
        Metered {
            lines: vec![demand.global_line(meter, "cloudfront", 1.0, why)],
            choices: warned.into_iter().collect(),
        }
    }
}

impl Service for Spec {
    const KIND: &'static str = "cloudfront";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonCloudFront", OUT, ""),
        Meter::new("AmazonCloudFront", REQUESTS, ""),
        Meter::new("AmazonCloudFront", "Invalidations", ""),
        Meter::new("AmazonCloudFront", TO_ORIGIN, ""),
        Meter::new("CloudFrontPlans", "CloudFrontPlan-*", ""),
    ];

    fn usage_types(pattern: &str, _: &Sold<'_>) -> Vec<String> {
        let zones = if pattern.starts_with('*') { &Zone::ALL[..] } else { &[] };
        zones.iter().map(|zone| of_zone(pattern, *zone)).collect()
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let mut problems = context.unknown_classes("classes", self.classes.iter());
        if self.classes.is_empty() {
            let message = "name at least one traffic class, or remove [cloudfront]";
            problems.push(Finding::new("classes", message));
        }
        problems
    }

    fn edge(&self) -> Option<Edge<'_>> {
        Some(Edge { classes: &self.classes, hit_ratio: self.hit_ratio })
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let from_bucket = |class: &Class| f64::from(u8::from(class.at_edge.is_none()));
        let requests = demand.capacity.sessions * self.per_session(demand, from_bucket);
        let mut sent = vec![s3::READS.amount(requests * (1.0 - self.hit_ratio))];
        let plans = &demand.catalog.controllers.cloudfront_plans;
        let plan = self.plan.and_then(|plan| plans.get(plan.name()));
        sent.extend(plan.map(|plan| s3::CREDIT_GB.amount(plan.s3_gb)));
        sent
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let sessions = demand.capacity.sessions;
        let requests = sessions * self.per_session(demand, |_| 1.0);
        let gb = kib_to_gb(sessions * self.per_session(demand, |class| class.response_kib));
        if let Some(plan) = self.plan {
            return Self::flat_rate(demand, plan, requests, gb);
        }
        let out = Basis::new("sessions × calls × response bytes", &[("sent", gb, "GB")]);
        let asked = Basis::new("sessions × calls", &[("sessions", sessions, "sessions")]);
        let paths = Basis::new("invalidated paths", &[("paths", self.invalidated_paths, "paths")]);
        let passed = self.to_load_balancer_gb(demand);
        let origin = Basis::new(
            "sessions × requests passed on × request bytes",
            &[("sent to the load balancer", passed, "GB")],
        );
        let line = |usage_type: &str, quantity, why| {
            let usage_type = of_zone(usage_type, self.zone);
            let meter = Meter::new("AmazonCloudFront", &usage_type, "");
            demand.global_line(meter, "cloudfront", quantity, why)
        };
        vec![
            line(OUT, gb, out),
            line(REQUESTS, requests, asked),
            line("Invalidations", self.invalidated_paths, paths),
            line(TO_ORIGIN, passed, origin),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    fn spec() -> Spec {
        toml::from_str("classes = [\"api\"]\nhit_ratio = 0.9").unwrap()
    }

    /// 1,048,576 sessions of one request of 1 KiB are 1 GB, a tenth of them fetched from the bucket.
    #[test]
    fn bytes_requests_and_origin_fetches() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 1.0;
        fixture.classes["api"].response_kib = 1.0;
        fixture.capacity.sessions = 1_048_576.0;
        let lines = Service::meter(&spec(), &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 1.0);
        assert_eq!(lines[1].quantity.get(), 1_048_576.0);
        assert!((sent(&spec(), &fixture.demand(), s3::READS) - 104_857.6).abs() < 1e-6);
        // 2,024 GB: 1,024 free, 1,000 × 0.085. 11 million requests: one million × 1.00.
        assert_eq!(fixture.price(&lines[0], 2024.0), "85");
        assert_eq!(fixture.price(&lines[1], 11_000_000.0), "1");
        assert_eq!(fixture.price(&lines[2], 1001.0), "0.005");
    }

    /// Pro is 15 a month, whatever is used; above 10 million requests there is a warning.
    #[test]
    fn a_flat_rate_plan_takes_the_place_of_usage() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 1.0;
        fixture.classes["api"].response_kib = 1.0;
        let spec: Spec =
            toml::from_str("classes = [\"api\"]\nhit_ratio = 0.9\nplan = \"Pro\"").unwrap();
        for (sessions, warnings) in [(0.0, 0), (1e7, 0), (1e7 + 1.0, 1)] {
            fixture.capacity.sessions = sessions;
            let Metered { lines, choices } = Service::meter(&spec, &fixture.demand());
            assert_eq!((lines.len(), choices.len()), (1, warnings), "{sessions}");
            assert_eq!(fixture.price(&lines[0], lines[0].quantity.get()), "15");
        }
    }

    /// A class that the load balancer serves too: users ask for 1,048,576 answers of 1 KiB, a tenth of which come
    /// from the load balancer, as 0.1 GB of requests of 1 KiB; the bucket gets no request.
    #[test]
    fn a_load_balancer_may_be_the_origin() {
        let mut fixture = Fixture::new("2027-04");
        let class = &mut fixture.classes["api"];
        class.at_edge = Some(1.0);
        class.per_session = 0.1;
        class.response_kib = 1.0;
        fixture.capacity.sessions = 1_048_576.0;
        assert_eq!(Service::check(&spec(), &fixture.context()), []);
        let demand = fixture.demand();
        let Metered { lines, choices } = Service::meter(&spec(), &demand);
        assert_eq!((lines[0].quantity.get(), lines[1].quantity.get()), (1.0, 1_048_576.0));
        assert!((lines[3].quantity.get() - 0.1).abs() < 1e-12);
        assert_eq!(fixture.price(&lines[3], 100.0), "2");
        assert_eq!(sent(&spec(), &demand, s3::READS), 0.0);
        assert_eq!((choices, demand.alb_response_kib_per_session()), (vec![], 0.0));
        assert!((demand.alb_requests_per_session() - 0.1).abs() < 1e-12);
    }

    /// 2,024 GB to users are 1,000 GB above the free part, and 100 GB go to the load balancer.
    #[test]
    fn each_zone_has_its_prices() {
        let fixture = Fixture::new("2027-04");
        for (zone, out, requests, origin) in [
            (Zone::EU, "85", "1.2", "2"),
            (Zone::AP, "120", "1.2", "6"),
            (Zone::JP, "114", "1.2", "6"),
            (Zone::AU, "114", "1.25", "8"),
            (Zone::IN, "109", "1.2", "16"),
            (Zone::SA, "110", "2.2", "13"),
            (Zone::ME, "110", "1.2", "6"),
            (Zone::ZA, "110", "1.2", "6"),
        ] {
            let spec = Spec { zone, ..spec() };
            let lines = Service::meter(&spec, &fixture.demand()).lines;
            let costs = [(0, 2024.0), (1, 11_000_000.0), (3, 100.0)]
                .map(|(line, quantity)| fixture.price(&lines[line], quantity));
            assert_eq!(costs, [out, requests, origin], "{zone:?}");
        }
    }

    /// Pro pays for 50 GB of the bucket's 80.5, and Business for all of them.
    #[test]
    fn a_flat_rate_plan_pays_for_storage() {
        let fixture = Fixture::new("2027-04");
        let bucket: s3::Spec = toml::from_str("stored_gb = 80\ngrowth_gb_per_month = 1").unwrap();
        for (plan, stored) in
            [(None, 80.5), (Some(FlatPlan::Pro), 30.5), (Some(FlatPlan::Business), 0.0)]
        {
            let spec = Spec { plan, ..spec() };
            let mut demand = fixture.demand();
            demand.received = Service::sends(&spec, &demand).into_iter().collect();
            let lines = Service::meter(&bucket, &demand).lines;
            assert_eq!(lines[0].quantity.get(), stored, "{plan:?}");
        }
    }
}
