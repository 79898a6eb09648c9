//! One small month of demand for the tests of services.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{Context, Demand, HandOver, Received, Service};
use crate::{
    app::store,
    cluster::{
        autoscale::{settings::NodePool, tally::Disruptions},
        capacity::{Capacity, Nodes, WorkloadUse},
        workload::Workload,
    },
    demand::traffic::Class,
    facts::shapes::{AuroraClass, Catalog},
    measure::calendar::Month,
    money::rate,
};

/// How much of a kind a service sends.
pub(crate) fn sent(service: &impl Service, demand: &Demand<'_>, kind: HandOver) -> f64 {
    service.sends(demand).into_iter().collect::<Received>().total(kind)
}

#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) month: Month,
    pub(crate) capacity: Capacity,
    pub(crate) classes: IndexMap<String, Class>,
    pub(crate) workloads: IndexMap<String, Workload>,
    pub(crate) node_pools: IndexMap<String, NodePool>,
    pub(crate) catalog: Catalog,
    pub(crate) sold_classes: Vec<AuroraClass>,
}

impl Fixture {
    pub(crate) fn new(month: &str) -> Self {
        let api: Workload = toml::from_str(
            "calls_per = { api = 1.0 }\nreached = \"through-alb\"\nreplicas = 2\n\
             requests = { cpu_millicores = 100, memory_mib = 128 }",
        )
        .unwrap();
        let class = Class { per_session: 20.0, request_kib: 1.0, response_kib: 5.0, at_edge: None };
        let used = WorkloadUse {
            name: "api".into(),
            requests: 0.0,
            unserved_requests: 0.0,
            overloaded_minutes: 0.0,
            overloaded_at_most_minutes: 0.0,
            overloaded_pending_minutes: 0.0,
            late_minutes: 0.0,
            pending_pod_minutes: 0.0,
            mean_replicas: 2.0,
            peak_replicas: 2,
            peak_rps: 0.0,
            queued_requests: 0.0,
            p95_ms: 0.0,
            peak_p95_ms: 0.0,
            job: None,
            queue: None,
        };
        Self {
            month: month.parse().unwrap(),
            capacity: Capacity {
                reservations: Vec::new(),
                absent_daemons_per_node: 0.0,
                nodes: vec![],
                workloads: vec![used],
                total: Nodes::default(),
                baseline_mean: 0.0,
                on_demand_mean: 0.0,
                spot_mean: 0.0,
                evictions: 0,
                requested_spot_share: None,
                realized_spot_share: None,
                disruptions: Disruptions::default(),
                refusals: BTreeMap::new(),
                image_gb: 0.0,
                sessions: 0.0,
                peak_sessions_per_minute: 0.0,
                awake_hours: 0.0,
                hours: vec![],
                minutes: vec![],
                awake: vec![],
            },
            classes: IndexMap::from([("api".to_owned(), class)]),
            workloads: IndexMap::from([("api".to_owned(), api)]),
            node_pools: IndexMap::new(),
            catalog: store::embedded_catalog().unwrap(),
            sold_classes: vec![],
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            classes: &self.classes,
            workloads: &self.workloads,
            region: "us-east-1",
            stops_database: false,
            replicates_database: false,
            catalog: &self.catalog,
        }
    }

    /// What `quantity` of a line's meter costs, at the prices inside the program.
    pub(crate) fn price(&self, line: &super::UsageLine, quantity: f64) -> String {
        let manifest = store::price_manifest(&store::PriceSource::Embedded).unwrap();
        let book = store::load_prices(&manifest, Some(&["us-east-1"])).unwrap();
        let line = super::UsageLine {
            quantity: crate::measure::units::Quantity::new(quantity),
            ..line.clone()
        };
        let used = rate::Usage { month: self.month, account: "a".into(), line };
        let rated = rate::rate(&[used], &book, rate::Sharing::PerAccount).unwrap();
        rated.entries[0].cost.to_string()
    }

    pub(crate) fn demand(&self) -> Demand<'_> {
        Demand {
            month: self.month,
            month_index: 0,
            minutes: &[],
            region: "us-east-1",
            zones: 3,
            users: 1000.0,
            traffic_share: 1.0,
            capacity: &self.capacity,
            classes: &self.classes,
            requests_per_connection: 20.0,
            workloads: &self.workloads,
            node_pools: &self.node_pools,
            catalog: &self.catalog,
            sold_classes: &self.sold_classes,
            free_tier: false,
            stops_database: false,
            received: Received::default(),
        }
    }
}
