use super::super::{
    tests::{Company, POOL, luck},
    *,
};

/// The company's one workload in other words.
fn company(text: &str) -> Company {
    let mut company = Company::new(POOL);
    company.workloads["api"] = toml::from_str(text).unwrap();
    company
}

fn policy(text: &str) -> Policy {
    company(text).policy().unwrap()
}

fn problems(company: &Company) -> String {
    company.policy().unwrap_err().join("\n")
}

/// Desired replicas after each of so many ticks of a load, in messages or requests a second.
fn wishes(policy: &Policy, cluster: &mut Cluster, rps: f64, ticks: usize) -> Vec<u32> {
    let tick = |_| {
        cluster.step(policy, 60.0 * rps, true);
        cluster.workloads()[0].desired
    };
    (0..ticks).map(tick).collect()
}

const API: &str = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 100\n\
    requests = { cpu_millicores = 500, memory_mib = 256 }\n\
    limits = { cpu_millicores = 1000, memory_mib = 512 }\n";

/// Of a pod of 500m the container requests 400m and uses 9 tenths of the CPU: at 12 requests/s of 100 ms
/// 1,200m are used, 1,080m by the container. Four pods: 1080 / 1600 = 67 %, in the band of 60 %; the pods
/// as a whole: 1200 / 2000 = 60 %. In proportion to the requests both are the same. Three containers:
/// 1080 / 1200 = 90 %, ceil(1.5 × 3) = 5, and 1200 / 1500 = 80 %, ceil(1.33 × 3) = 4.
#[test]
fn a_container_metric_goes_by_its_request_and_share() {
    let of = |more: &str| {
        let metric = format!(
            "type = \"ContainerResource\", name = \"cpu\", container = \"app\", average_utilization = 60{more}"
        );
        policy(&format!(
            "{API}hpa = {{ min_replicas = 3, max_replicas = 60, metrics = [{{ {metric} }}] }}"
        ))
    };
    for (more, expected) in [
        (", container_request = 400, usage_share = 0.9", 5),
        (", container_request = 400", 4),
        ("", 4),
    ] {
        let policy = of(more);
        let mut cluster = Cluster::new(&policy, 60.0, true, luck());
        let wishes = wishes(&policy, &mut cluster, 12.0, 6);
        let first = wishes.iter().find(|wish| **wish != 3);
        assert_eq!(first, Some(&expected), "{more}: {wishes:?}");
    }
    // At the start: 12 × 100 × 0.9 / (400 × 0.6) = 4.5 pods.
    let fitted = of(", container_request = 400, usage_share = 0.9");
    assert_eq!(fitted.workloads[0].replicas_for(720.0), 5);
    assert_eq!(of("").workloads[0].replicas_for(720.0), 4);
}

/// `calculateRequests` fails for the whole pod as soon as one container requests nothing: replicas stay,
/// whatever the load, and a stretch of such ticks is passed as it is stepped.
#[test]
fn a_container_without_a_request_stops_the_autoscaler() {
    let without = "containers_without_request = { cpu = [\"proxy\"] }\n";
    let hpa = "hpa = { min_replicas = 2, max_replicas = 60, target_cpu_utilization = 60 }";
    let policy = policy(&format!("{API}{without}{hpa}"));
    assert_eq!(policy.workloads[0].replicas_for(6000.0), 2);
    let mut cluster = Cluster::new(&policy, 600.0, true, luck());
    let mut same = cluster.clone();
    assert_eq!(wishes(&policy, &mut cluster, 15.0, 30), vec![2; 30]);
    same.run(&policy, &[900.0; 30], true);
    assert_eq!(cluster, same);
    let said = policy.warnings().join("\n");
    for expected in
        ["api: container proxy requests no cpu", "FailedGetResourceMetric", "replicas stay at 2"]
    {
        assert!(said.contains(expected), "{said}");
    }
}

/// `computeReplicasForMetrics`: with one metric failing the others scale up, and nothing scales down.
#[test]
fn with_a_failing_metric_replicas_only_grow() {
    let without = "containers_without_request = { cpu = [\"proxy\"] }\n";
    let cpu = "{ type = \"Resource\", name = \"cpu\", average_utilization = 60 }";
    let rps = "{ type = \"Pods\", name = \"requests_per_second\", average_value = 2 }";
    let of = |metrics: &str| {
        policy(&format!(
            "{API}{without}hpa = {{ min_replicas = 2, max_replicas = 60, metrics = [{metrics}] }}"
        ))
    };
    let policy = of(&format!("{cpu}, {rps}"));
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    // 20 requests/s at 2 a pod: 10 pods, and they stay when the load goes.
    assert_eq!(wishes(&policy, &mut cluster, 20.0, 20).last(), Some(&10));
    assert_eq!(wishes(&policy, &mut cluster, 1.0, 60).last(), Some(&10));
    assert!(policy.warnings().join("\n").contains("by its other metrics and removes no pods"));
    let policy = of(rps);
    let mut cluster = Cluster::new(&policy, 1200.0, true, luck());
    assert_eq!(wishes(&policy, &mut cluster, 1.0, 60).last(), Some(&2));
    assert!(policy.warnings().join("\n").contains("containers_without_request.cpu has no effect"));
}

/// `GetExternalMetricReplicas` multiplies by ready pods: 30 requests/s of a value of 20 are 1.5 times as
/// many pods each time, up to the maximum; at the start too, as no number of pods changes the ratio.
#[test]
fn a_value_for_all_pods_multiplies_the_ready_ones() {
    let of = |value: u32| {
        policy(&format!(
            "{API}hpa = {{ min_replicas = 4, max_replicas = 20, metrics = [{{ type = \"External\", name = \"requests_per_second\", value = {value} }}] }}"
        ))
    };
    let policy = of(20);
    assert_eq!(policy.workloads[0].replicas_for(1800.0), 20);
    // Inside the tolerance as many as the workers need: 21 requests/s, 10 a pod, and at least 4.
    assert_eq!(policy.workloads[0].replicas_for(1260.0), 4);
    let mut cluster = Cluster::new(&policy, 600.0, true, luck());
    let seen = wishes(&policy, &mut cluster, 30.0, 12);
    let first = seen.iter().position(|wish| *wish > 4).unwrap();
    assert_eq!(seen[first], 6, "{seen:?}");
    assert_eq!(seen.last(), Some(&20), "{seen:?}");
}

/// A worker that takes one message at a time, 10 s each (100m of CPU), from a queue.
const WORKER: &str = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 1000\nservice_ms_per_request = 10000\n\
    concurrency = 1\nrequests = { cpu_millicores = 200, memory_mib = 256 }\nqueue = {}\n";
const KEDA: &str = "hpa = { min_replicas = 0, max_replicas = 30, keda = {}, metrics = [{ type = \"External\", name = \"queue_length\", average_value = 5 }] }";

/// Nobody gives up in a queue: two pods serve 12 messages a minute; of 60 each minute 48 more wait, after
/// ten minutes 480, and none is lost. They came at 60 a minute, so the oldest is 8 minutes old. With no
/// more to come they are served in 40 minutes.
#[test]
fn messages_wait_until_they_are_served() {
    let policy = policy(&format!("{WORKER}replicas = 2"));
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    wishes(&policy, &mut cluster, 1.0, 10);
    assert!((cluster.workloads()[0].backlog - 480.0).abs() < 1e-6);
    let tally = cluster.take_tally(&policy).workloads[0].clone();
    assert!((tally.most_waiting - 480.0).abs() < 1e-6, "{tally:?}");
    assert!((tally.longest_wait - 480.0).abs() < 1e-6, "{tally:?}");
    assert_eq!((tally.unserved, tally.overloaded_minutes, tally.late_minutes), (0.0, 0.0, 0.0));
    wishes(&policy, &mut cluster, 0.0, 39);
    assert!((cluster.workloads()[0].backlog - 12.0).abs() < 1e-6);
    wishes(&policy, &mut cluster, 0.0, 2);
    assert_eq!(cluster.workloads()[0].backlog.to_bits(), 0.0_f64.to_bits());
}

/// KEDA starts the first pod once a message waits, its autoscaler goes by waiting and held messages over
/// 5 a pod, and once more than 300 s have passed since the last one the pods go.
#[test]
fn keda_starts_the_first_pod_and_removes_the_last() {
    let policy = policy(&format!("{WORKER}{KEDA}"));
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    cluster.keep_events();
    assert_eq!(wishes(&policy, &mut cluster, 0.0, 5), vec![0; 5]);
    // 30 messages arrive in the first minute. KEDA sees them in the second, in which its autoscaler goes to
    // max(2 × 1, 4) and then to ceil(30 / 5); 60 in the third are ceil(60 / 5).
    let up = wishes(&policy, &mut cluster, 0.5, 20);
    assert_eq!(up[..3], [0, 6, 12], "{up:?}");
    // Twelve pods empty the queue; the five messages that they hold on average are one pod's target, so
    // that after the window of 300 s replicas fall until messages wait again.
    assert!(up.iter().skip(3).any(|wish| *wish < 5) && up.last() > Some(&1), "{up:?}");
    let down = wishes(&policy, &mut cluster, 0.0, 30);
    assert_eq!(down.last(), Some(&0), "{down:?}");
    let events = cluster.take_events();
    let of = |event: &event::Event| matches!(event.reason, Reason::Activated { .. });
    let activated: Vec<_> = events.iter().filter(|event| of(event)).collect();
    assert!(matches!(activated[0].reason, Reason::Activated { from: 0, to: 1 }));
    assert!(matches!(activated[1].reason, Reason::Activated { to: 0, .. }));
    assert_eq!(activated.len(), 2, "{activated:?}");
    let tally = &cluster.take_tally(&policy).workloads[0];
    assert!((tally.requests - 600.0).abs() < 1e-6 && tally.unserved <= 0.0, "{tally:?}");
}

/// A message each ten minutes starts a pod, which serves it and goes after the cooldown: the fraction of a
/// message that a mean arrival rate brings to each tick starts none.
#[test]
fn a_queue_counts_whole_messages() {
    let policy = policy(&format!("{WORKER}{KEDA}"));
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    let wishes = wishes(&policy, &mut cluster, 1.0 / 600.0, 120);
    assert_eq!(wishes[..10], [0; 10], "{wishes:?}");
    let running = wishes.iter().filter(|wish| **wish > 0).count();
    assert!((30..=60).contains(&running), "{running} of 120: {wishes:?}");
    assert!(wishes.iter().all(|wish| *wish <= 1), "{wishes:?}");
    // A worker takes 10 s for it: 95 % of times that are exponential are below ln 20 × 10 s. It waited from
    // the minute in which it was whole to the one in which KEDA looked and the pod was there.
    let tally = &cluster.take_tally(&policy).workloads[0];
    assert!((tally.p95_peak - 10_000.0 * 20.0_f64.ln()).abs() < 1.0, "{tally:?}");
    assert!((60.0..=180.0).contains(&tally.longest_wait), "{tally:?}");
}

/// Scale to zero needs no gate from Kubernetes 1.37 on, and none with KEDA; before, the error names both.
#[test]
fn zero_replicas_go_by_the_version() {
    let hpa = "hpa = { min_replicas = 0, max_replicas = 30, metrics = [{ type = \"External\", name = \"queue_length\", average_value = 5 }] }";
    let mut company = company(&format!("{WORKER}{hpa}"));
    let said = problems(&company);
    assert!(said.contains("0 needs Kubernetes 1.37 or newer, or the feature gate HPAScaleToZero"));
    company.kubernetes_minor = Some(36);
    let said = problems(&company);
    assert!(said.contains("HPAScaleToZero, which is off by default in Kubernetes 1.36"), "{said}");
    company.kubernetes_minor = Some(37);
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    // 30 messages wait after a minute: max(2 × 0, 4) in the first reconcile, then ceil(30 / 5).
    let up = wishes(&policy, &mut cluster, 0.5, 2);
    assert_eq!(up, [0, 6]);
}

#[test]
fn contradictions_of_metrics_and_queues_are_found() {
    let hpa =
        |metric: &str| format!("{API}hpa = {{ max_replicas = 9, metrics = [{{ {metric} }}] }}");
    let container = "type = \"ContainerResource\", name = \"cpu\", average_utilization = 60";
    for (text, expected) in [
        (hpa(container), "names its container: container = \"app\""),
        (
            hpa(&format!("{container}, container = \"app\", container_request = 600")),
            "container_request (600) is above the request of the pod (500)",
        ),
        (
            hpa(&format!("{container}, container = \"app\", container_request = 0")),
            "the utilization of app needs a request above 0",
        ),
        (
            hpa("type = \"Resource\", name = \"cpu\", average_utilization = 60, usage_share = 0.5"),
            "usage_share applies only to metrics of type ContainerResource",
        ),
        (
            hpa("type = \"External\", name = \"queue_length\", average_value = 5"),
            "needs a queue of the workload; add queue = {}",
        ),
        (
            hpa("type = \"External\", name = \"concurrency\", average_value = 5, activation = 2"),
            "hpa.metrics.0.activation: is KEDA's",
        ),
        (
            format!("{WORKER}{}", KEDA.replace("min_replicas = 0", "min_replicas = 1")),
            "hpa.keda: has an effect with min_replicas = 0 only",
        ),
        (
            format!("{API}hpa = {{ max_replicas = 9, keda = {{}} }}"),
            "hpa.keda: needs a metric of type External",
        ),
        (
            format!("{WORKER}replicas = 1\ntimeout_seconds = 30"),
            "timeout_seconds: in a queue requests wait until a worker takes them",
        ),
        (
            format!("{WORKER}replicas = 1\nreached = \"through-alb\""),
            "reached: a workload takes its requests from its queue",
        ),
        (
            format!(
                "{}\nhpa = {{ max_replicas = 9 }}",
                API.replace("cpu_millicores = 500", "cpu_millicores = 0")
            ),
            "or name the containers in containers_without_request.cpu",
        ),
    ] {
        let said = problems(&company(&text));
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let quiet = policy(&WORKER.replace("calls_per = { api = 1.0 }\n", &format!("{KEDA}\n")));
    assert!(quiet.warnings().join("\n").contains("its queue receives no messages: give calls_per"));
}
