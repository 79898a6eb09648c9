//! Small valid scenarios with real variety, for laws that must hold on all of them.
//!
//! A scenario is kept as its parts, so that a law can change one of them (twice the users, a second month) and
//! write the text again. The same seed gives the same scenario.

use std::{collections::BTreeMap, fmt::Write as _};

/// Draws of one scenario: `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// A number from `low` to `high` with three digits after the point.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let share = self.below(1001) as f64 / 1000.0;
        ((low + share * (high - low)) * 1000.0).round() / 1000.0
    }
}

#[derive(Debug, Clone)]
pub struct Schedule {
    pub days: &'static str,
    pub from: u64,
    pub to: u64,
    pub stop_database: bool,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub region: &'static str,
    pub traffic_share: f64,
    pub schedule: Option<Schedule>,
    /// Lines below `[accounts.<name>.override]`.
    pub overrides: String,
}

#[derive(Debug, Clone)]
pub struct Small {
    pub seed: u64,
    pub start: &'static str,
    pub months: u32,
    pub users: u64,
    /// Settings of the curve without its start.
    pub curve: String,
    /// The load varies from minute to minute.
    pub noise: f64,
    /// Lines of `[traffic]` and tables below it.
    pub traffic: String,
    pub accounts: Vec<Account>,
    pub cluster: String,
    /// Baseline nodes outside a schedule; all of them if none.
    pub asleep_nodes: Option<f64>,
    /// Karpenter buys nodes: interruptions, start-ups and types are drawn.
    pub has_pools: bool,
    pub workloads: String,
    /// Jobs, queues, affinity, buffers and reservations.
    pub controllers: String,
    /// Tables of services by name, each with its header.
    pub services: BTreeMap<&'static str, String>,
    /// Lines of `[billing]`.
    pub billing: String,
    pub consolidated: bool,
    /// `[[commitments]]` tables.
    pub commitments: String,
}

/// Regions whose book has every meter of every service.
const REGIONS: [&str; 2] = ["us-east-1", "us-west-2"];

impl Small {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let services = services(dice);
        let mut accounts = accounts(dice);
        let first = &mut accounts[0];
        if dice.chance(30) {
            first.overrides.push_str(
                "github_actions = { plan = \"Team\", jobs = [{ runner = \"linux\", runs_per_month = 2000, minutes = 3.5 }] }\n",
            );
        }
        // AWS stops no cluster of a Global Database.
        let stops = first.schedule.as_ref().is_some_and(|schedule| schedule.stop_database);
        if services.contains_key("aurora") && !stops && dice.chance(30) {
            let other = REGIONS.into_iter().find(|region| *region != first.region).unwrap();
            let _ = writeln!(
                first.overrides,
                "dr = {{ region = {other:?}, stand_by = {:?} }}",
                dice.pick(&["none", "pilot-light"])
            );
        }
        let has_pools = dice.chance(65);
        let asleep_nodes = dice.chance(40).then(|| dice.below(2) as f64);
        let mut billing = String::new();
        if dice.chance(30) {
            let plan = dice.pick(&["Business Support+", "Developer (classic)", "Enterprise"]);
            let _ = writeln!(billing, "support = {plan:?}");
        }
        if dice.chance(25) {
            let _ = writeln!(billing, "discount_percent = {}", dice.between(1.0, 20.0));
        }
        if dice.chance(25) {
            let _ = writeln!(billing, "tax_percent = {}", dice.between(1.0, 25.0));
        }
        let curve = match dice.below(4) {
            0 => "curve = \"linear\", per_month = 0".to_owned(),
            1 => format!("curve = \"linear\", per_month = {}", dice.below(2000)),
            2 => format!("curve = \"compound\", monthly_rate = {}", dice.between(0.0, 0.4)),
            _ => format!(
                "curve = \"logistic\", capacity = 100000, rate = {}",
                dice.between(0.0, 0.5)
            ),
        };
        let users = if curve.contains("logistic") {
            1 + dice.below(40_000)
        } else {
            dice.pick(&[0, 1, 300, 2_000, 9_000, 30_000, 80_000])
        };
        let start = dice.pick(&["2026-12", "2027-01", "2027-02", "2027-06", "2028-02", "2027-10"]);
        Self {
            seed,
            start,
            months: if dice.chance(70) { 1 } else { 2 },
            users,
            curve,
            noise: if dice.chance(50) { dice.between(0.01, 0.15) } else { 0.0 },
            traffic: traffic(dice, start),
            cluster: cluster(dice, has_pools, asleep_nodes),
            asleep_nodes,
            has_pools,
            workloads: workloads(dice, has_pools, services.contains_key("aurora")),
            controllers: if has_pools { controllers(seed) } else { String::new() },
            services,
            billing,
            consolidated: accounts.len() > 1 && dice.chance(50),
            accounts,
            commitments: String::new(),
        }
    }

    /// The scenario as a file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        let _ = write!(
            out,
            "[plan]\nname = \"law {}\"\nstart = \"{}\"\nmonths = {}\nseed = {}\n\n[billing]\nconsolidated = {}\n{}\n",
            self.seed, self.start, self.months, self.seed, self.consolidated, self.billing
        );
        let _ = write!(out, "[users]\ngrowth = {{ start = {}, {} }}\n\n", self.users, self.curve);
        let _ = write!(out, "[traffic]\nnoise = {}\n{}\n", self.noise, self.traffic);
        for account in &self.accounts {
            let name = &account.name;
            let _ = write!(
                out,
                "[accounts.{name}]\nregion = {:?}\ntraffic_share = {}\n",
                account.region, account.traffic_share
            );
            if let Some(schedule) = &account.schedule {
                let _ = write!(
                    out,
                    "[accounts.{name}.schedule]\ndays = {}\nfrom = \"{:02}:00\"\nto = \"{:02}:00\"\nstop_database = {}\n",
                    schedule.days, schedule.from, schedule.to, schedule.stop_database
                );
            }
            if !account.overrides.is_empty() {
                let _ = write!(out, "[accounts.{name}.override]\n{}", account.overrides);
            }
            out.push('\n');
        }
        if self.controllers.contains("capacity_buffers") {
            let gates = "[cluster]\nfeature_gates = [\"CapacityBuffer\"]\n";
            out.push_str(&self.cluster.replacen("[cluster]\n", gates, 1));
        } else {
            out.push_str(&self.cluster);
        }
        out.push_str(&self.workloads);
        out.push_str(&self.controllers);
        for table in self.services.values() {
            out.push_str(table);
            out.push('\n');
        }
        out.push_str(&self.commitments);
        text
    }
}

fn traffic(dice: &mut Dice, start: &str) -> String {
    let mut text = format!(
        "sessions_per_user = {}\nrequests_per_connection = {}\n",
        dice.between(1.0, 30.0),
        1 + dice.below(40)
    );
    if dice.chance(60) {
        let _ = writeln!(
            text,
            "daily = {{ peak_hour = {}, peak_to_trough = {} }}",
            dice.below(24),
            dice.between(1.0, 8.0)
        );
    }
    if dice.chance(40) {
        text.push_str("weekly = [1, 1, 1.1, 1, 1, 0.6, 0.5]\n");
    }
    for (name, most) in [("api", 60.0), ("spa", 400.0)] {
        let _ = write!(
            text,
            "[traffic.classes.{name}]\nper_session = {}\nrequest_kib = {}\nresponse_kib = {}\n",
            dice.between(1.0, 40.0),
            dice.between(0.1, 3.0),
            dice.between(0.5, most)
        );
    }
    if dice.chance(30) {
        let _ = write!(
            text,
            "[[traffic.seasons]]\nname = \"season\"\nfrom = \"01-10\"\nto = \"12-20\"\nfactor = {}\n",
            dice.between(0.5, 1.6)
        );
    }
    if dice.chance(30) {
        let _ = write!(
            text,
            "[[traffic.events]]\nname = \"launch\"\nat = \"{start}-{:02}T15:00:{}\"\npeak = {}\nrise_minutes = {}\nhalf_life_hours = {}\n",
            1 + dice.below(28),
            dice.pick(&["00", "30"]),
            dice.between(1.0, 8.0),
            dice.pick(&[0, 20, 60]),
            dice.between(0.5, 12.0)
        );
    }
    text
}

fn accounts(dice: &mut Dice) -> Vec<Account> {
    let count = dice.pick(&[1_u64, 1, 2, 2, 3]);
    let names = ["production", "staging", "europe"];
    (0..count as usize)
        .map(|index| Account {
            name: names[index].to_owned(),
            region: dice.pick(&REGIONS),
            traffic_share: if index == 0 { 1.0 } else { dice.pick(&[0.02, 0.3, 1.0]) },
            schedule: (index == 1 && dice.chance(60) || dice.chance(15)).then(|| Schedule {
                days: dice
                    .pick(&["[\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]", "[\"sat\", \"mon\"]"]),
                from: dice.below(12),
                to: 13 + dice.below(10),
                stop_database: dice.chance(70),
            }),
            overrides: String::new(),
        })
        .collect()
}

fn cluster(dice: &mut Dice, has_pools: bool, asleep_nodes: Option<f64>) -> String {
    let zones = 1 + dice.below(3);
    let kind = dice.pick(&["m7g.large", "m7g.xlarge", "t4g.large"]);
    // Pods that no pool takes need room here.
    let nodes = if has_pools { 1 + dice.below(3) } else { 4 + dice.below(3) };
    let asleep = asleep_nodes.map_or_else(String::new, |nodes| format!(", asleep_nodes = {nodes}"));
    let mut text = format!(
        "[cluster]\navailability_zones = {zones}\nbaseline = {{ instance_type = \"{kind}\", nodes = {nodes}{asleep} }}\n\n"
    );
    if has_pools {
        let purchase = match dice.below(4) {
            0 => String::new(),
            1 => "capacity_types = [\"on-demand\"]\n".into(),
            2 => "capacity_types = [\"spot\", \"on-demand\"]\n".into(),
            _ => format!("spot_share = {}\n", dice.between(0.0, 1.0)),
        };
        let _ = write!(
            text,
            "[cluster.node_pools.general]\ncategories = [\"m\", \"c\"]\nmin_generation = 6\narchitectures = [\"arm64\"]\nmin_vcpus = 2\nmax_vcpus = {}\nconsolidate_after_seconds = {}\n{purchase}\n",
            dice.pick(&[4, 8, 16]),
            dice.pick(&[0, 60, 300])
        );
    }
    text
}

/// What controllers do beyond the usual, from dice of its own.
fn controllers(seed: u64) -> String {
    let dice = &mut Dice::new(seed ^ 0xC0_1174_011E);
    let mut text = String::new();
    if dice.chance(30) {
        let _ = write!(
            text,
            "[workloads.report]\nkind = \"cron-job\"\nrequests = {{ cpu_millicores = 700, memory_mib = 900 }}\njob = {{ schedule = {:?}, time_zone = \"America/Sao_Paulo\", parallelism = {}, duration_seconds = {}, concurrency_policy = {:?} }}\n\n",
            dice.pick(&["15 */6 * * *", "0 3 * * *", "*/45 9-17 * * mon-fri"]),
            1 + dice.below(3),
            dice.pick(&[20, 600, 4000]),
            dice.pick(&["Allow", "Forbid", "Replace"]),
        );
    }
    // No stretch of it is calm, so each is slow to plan.
    if dice.chance(20) {
        let _ = write!(
            text,
            "[workloads.worker]\ncalls_per = {{ api = 0.1 }}\ncpu_ms_per_request = 40\nconcurrency = 2\nrequests = {{ cpu_millicores = 250, memory_mib = 256 }}\nlimits = {{ cpu_millicores = 500, memory_mib = 512 }}\nqueue = {{}}\nhpa = {{ min_replicas = 0, max_replicas = 12, keda = {{}}, metrics = [{{ type = \"External\", name = \"queue_length\", average_value = 5 }}] }}\n\n",
        );
    }
    if dice.chance(30) {
        let term = dice.pick(&["required = true", "weight = 40"]);
        let key = dice.pick(&["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
        let _ = write!(
            text,
            "[workloads.cache]\nreplicas = 2\nrequests = {{ cpu_millicores = 200, memory_mib = 512 }}\npod_affinity = [{{ workload = \"api\", topology_key = {key:?}, {term} }}]\n\n",
        );
    }
    if dice.chance(30) {
        let _ = write!(
            text,
            "[cluster.node_pools.held]\ninstance_types = [\"m7g.xlarge\"]\ncapacity_types = [\"reserved\", \"on-demand\"]\nconsolidate_after_seconds = 0\n\n[cluster.capacity_reservations.steady]\ninstance_type = \"m7g.xlarge\"\nzone = \"a\"\ninstances = {}\n\n",
            1 + dice.below(2),
        );
    }
    if dice.chance(30) {
        text.push_str("[cluster.capacity_buffers.room]\nworkload = \"api\"\nreplicas = 2\n\n");
    }
    text
}

fn workloads(dice: &mut Dice, has_pools: bool, has_database: bool) -> String {
    let mut text = String::new();
    for (name, class) in [("api", "api"), ("web", "spa")] {
        // What scales without pools must fit the baseline at its most.
        let scaling = if dice.chance(70) {
            format!(
                "hpa = {{ min_replicas = {}, max_replicas = {}, target_cpu_utilization = {} }}\n",
                1 + dice.below(2),
                if has_pools { 5 + dice.below(40) } else { 3 },
                40 + dice.below(45)
            )
        } else {
            format!("replicas = {}\n", 1 + dice.below(3))
        };
        let request = dice.pick(&[100, 250, 500]);
        let _ = write!(
            text,
            "[workloads.{name}]\ncalls_per = {{ {class} = 1 }}\nreached = \"through-alb\"\ncpu_ms_per_request = {}\n{scaling}requests = {{ cpu_millicores = {request}, memory_mib = {} }}\nlimits = {{ cpu_millicores = {}, memory_mib = 1024 }}\nstartup_seconds = {}\nimage_mib = {}\nlog_kib_per_request = {}\nexternal_kib_per_request = {}\n",
            dice.between(0.5, 30.0),
            dice.pick(&[128, 256, 700]),
            request * 2,
            dice.below(60),
            dice.below(400),
            dice.between(0.0, 2.0),
            dice.between(0.0, 2.0),
        );
        if has_database && name == "api" {
            text.push_str("database_connections = 4\n");
        }
        text.push('\n');
    }
    if dice.chance(50) {
        text.push_str("[workloads.coredns]\nprofile = \"coredns\"\n\n");
    }
    if dice.chance(50) {
        text.push_str("[workloads.agent]\nkind = \"daemon-set\"\nrequests = { cpu_millicores = 50, memory_mib = 64 }\n\n");
    }
    text
}

// One table of each service.
#[allow(clippy::too_many_lines)]
fn services(dice: &mut Dice) -> BTreeMap<&'static str, String> {
    let mut tables = BTreeMap::new();
    // What hands its logs to S3 or CloudWatch needs them there.
    let has_s3 = dice.chance(70);
    let has_cloudwatch = dice.chance(70);
    tables.insert(
        "eks",
        dice.pick(&["[eks]\n", "[eks]\nversion = \"1.34\"\n", "[eks]\nversion = \"1.33\"\n"])
            .to_owned(),
    );
    tables.insert(
        "alb",
        format!("[alb]\nrules = {}\naccess_logs = {}\n", dice.below(30), has_s3 && dice.chance(50)),
    );
    if dice.chance(60) {
        let iops = dice.pick(&["", "iops = 4000\n", "throughput_mibps = 200\n"]);
        tables.insert(
            "ebs",
            format!(
                "[ebs]\nvolume_gib = {}\nsnapshot_gb = {}\n{iops}",
                20 + dice.below(80),
                dice.below(50)
            ),
        );
    }
    if dice.chance(50) {
        let bots = dice.pick(&["none", "common", "targeted"]);
        let bots =
            if bots == "none" { String::new() } else { format!("bot_control = \"{bots}\"\n") };
        tables.insert(
            "waf",
            format!(
                "[waf]\nrules = {}\nwcu = {}\n{bots}",
                dice.below(10),
                dice.pick(&[0, 1_100, 1_500])
            ),
        );
    }
    if dice.chance(70) {
        tables.insert("nat", dice.pick(&["[nat]\n", "[nat]\ngateways = 1\n"]).to_owned());
    }
    if dice.chance(30) {
        tables.insert(
            "vpc_endpoints",
            "[vpc_endpoints]\ninterface = [\"ecr.dkr\"]\ngateway = [\"s3\"]\n".to_owned(),
        );
    }
    if has_cloudwatch && dice.chance(30) {
        tables.insert(
            "vpc_flow_logs",
            "[vpc_flow_logs]\nrecords_per_request = 3\nrecord_bytes = 110\n".to_owned(),
        );
    }
    if dice.chance(40) {
        let classes = dice.pick(&["\"spa\"", "\"api\", \"spa\""]);
        let ratio = dice.between(0.0, 1.0);
        tables.insert(
            "cloudfront",
            format!("[cloudfront]\nclasses = [{classes}]\nhit_ratio = {ratio}\n"),
        );
    }
    if dice.chance(50) {
        tables.insert(
            "route53",
            format!(
                "[route53]\nhosted_zones = {}\nqueries_per_session = {}\nalias_share = {}\n",
                1 + dice.below(3),
                dice.between(0.0, 2.0),
                dice.between(0.0, 1.0)
            ),
        );
    }
    if dice.chance(30) {
        tables.insert("acm", "[acm]\npublic_certificates = 2\n".to_owned());
    }
    if has_s3 {
        tables.insert(
            "s3",
            format!(
                "[s3]\nstored_gb = {}\ngrowth_gb_per_month = {}\nreads_per_month = {}\n",
                dice.below(500),
                dice.below(20),
                dice.below(2_000_000)
            ),
        );
    }
    if has_cloudwatch {
        tables.insert(
            "cloudwatch",
            format!("[cloudwatch]\nlog_gb_per_month = {}\nretention_days = 30\ncompression = 0.2\ncustom_metrics = {}\nalarm_metrics = {}\n", dice.below(40), dice.below(30), dice.below(30)),
        );
    }
    if dice.chance(60) {
        let size = match dice.below(4) {
            0 => "serverless = { min_acu = 0.5, max_acu = 16 }\n",
            1 => "instance_class = \"db.r6g.large\"\nstorage_type = \"io-optimized\"\n",
            2 => "families = [\"r6g\"]\n",
            _ => "",
        };
        tables.insert(
            "aurora",
            format!(
                "[aurora]\n{size}min_readers = {}\nqueries_per = {{ api = {} }}\nwrite_share = 0.2\ncpu_ms_per_query = {}\npages_per_query = 6\nwal_bytes_per_write = 5000\nkib_per_query = 1\nstorage_gib = {}\nstorage_mib_per_user = 0.1\nworking_set_share = 0.1\nchanged_per_day = 0.02\nbackup_retention_days = {}\n",
                dice.below(3), dice.between(0.1, 4.0), dice.between(0.1, 1.0), 10 + dice.below(100), 1 + dice.below(14)
            ),
        );
    }
    if dice.chance(40) {
        tables.insert(
            "kms",
            format!(
                "[kms]\ncustomer_keys = {}\nrequests_per_month = {}\n",
                dice.below(4),
                dice.below(200_000)
            ),
        );
        if dice.chance(70) {
            tables.insert(
                "ssm",
                "[ssm]\nstandard_parameters = 20\nadvanced_parameters = 2\npoll_seconds = 300\n"
                    .to_owned(),
            );
        }
        if dice.chance(70) {
            tables.insert(
                "secrets_manager",
                "[secrets_manager]\nsecrets = 2\npoll_seconds = 600\n".to_owned(),
            );
        }
    }
    if dice.chance(40) {
        tables.insert("ecr", "[ecr]\nrepositories = 2\nbase_mib = 100\nnew_mib_per_version = 10\nversions_per_month = 10\nversions_kept = 20\n".to_owned());
    }
    if dice.chance(30) {
        tables.insert(
            "cloudtrail",
            "[cloudtrail]\nmanagement_events_per_month = 100_000\nfurther_trails = 1\n".to_owned(),
        );
    }
    if has_cloudwatch && dice.chance(40) {
        tables.insert(
            "datadog",
            format!("[datadog]\nlog_event_bytes = 800\nindexed_log_share = 0.3\nlog_retention_days = 15\napm = {}\nspans_per_request = 8\nspan_bytes = 600\nindexed_span_share = 0.05\ncustom_metrics = 2_000\nmetrics_read_per_hour = 100\n", dice.chance(50)),
        );
    }
    tables
}
