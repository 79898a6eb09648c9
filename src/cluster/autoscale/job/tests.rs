//! Runs that come and go, by hand: ticks are minutes, and two baseline nodes of 2 vCPUs have room.

use super::super::tests::{Company, POOL, check, luck};
use super::super::{Cluster, event::Reason, policy::Policy, tally::JobUse};

/// A company that serves nobody, with one job.
fn company(job: &str) -> Company {
    let mut company = Company::new(POOL);
    company.workloads.clear();
    company.workloads.insert("report".into(), toml::from_str(job).unwrap());
    company
}

const REQUESTS: &str =
    "requests = { cpu_millicores = 100, memory_mib = 128 }\nidle_cpu_millicores = 80\n";

fn policy(job: &str) -> Policy {
    company(&format!("{REQUESTS}{job}")).policy().unwrap()
}

/// Pods that run after each tick, and the tally.
fn run(policy: &Policy, ticks: usize) -> (Vec<u32>, JobUse, Cluster) {
    let mut cluster = Cluster::new(policy, 0.0, true, luck());
    let mut running = Vec::new();
    for _ in 0..ticks {
        cluster.step(policy, 0.0, true);
        check(&cluster, policy);
        running.push(cluster.workloads()[0].ready);
    }
    let mut copy = cluster.clone();
    (running, copy.take_tally(policy).workloads[0].job.clone(), cluster)
}

/// Every ten minutes two pods of three minutes.
#[test]
fn a_cron_job_runs_at_its_times_and_leaves() {
    let policy = policy(
        "kind = \"cron-job\"\n\
         job = { schedule = \"*/10 * * * *\", parallelism = 2, duration_seconds = 180 }",
    );
    let (running, tally, mut cluster) = run(&policy, 30);
    let ten = [2, 2, 2, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(running, [ten, ten, ten].concat());
    assert_eq!((tally.runs, tally.started, tally.completed, tally.overlapping), (3, 3, 3, 0));
    assert_eq!(tally.most_delay_seconds, 0, "the image is small, and there is room");
    let whole = cluster.take_tally(&policy);
    // 3 runs × 2 pods × 3 minutes, at 80 millicores while they run.
    assert!((whole.workloads[0].ready_pod_minutes - 18.0).abs() < 1e-9);
    assert!((whole.hours[0].cpu_minutes - 18.0 * 0.08).abs() < 1e-9);
    assert_eq!(cluster.nodes().map(|node| node.pod_count).sum::<u32>(), 0, "no pod holds room");
}

/// Five pods, two at a time, of 90 seconds: two ticks each, so three rounds from minute 0 on.
#[test]
fn completions_follow_one_another() {
    let policy = policy(
        "kind = \"job\"\n\
         job = { starts_at = \"2027-01-01T00:05\", parallelism = 2, completions = 5, duration_seconds = 90 }",
    );
    let (running, tally, _) = run(&policy, 15);
    assert_eq!(running, [0, 0, 0, 0, 0, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0]);
    assert_eq!((tally.runs, tally.completed), (1, 1));
}

/// A pod of ten seconds takes up a tick.
#[test]
fn a_pod_shorter_than_a_tick_takes_up_a_tick() {
    let policy = policy(
        "kind = \"cron-job\"\nstartup_seconds = 20\n\
         job = { schedule = \"*/2 * * * *\", duration_seconds = 10 }",
    );
    let (running, tally, _) = run(&policy, 6);
    assert_eq!(running, [1, 0, 1, 0, 1, 0]);
    assert!((tally.delay_seconds - 60.0).abs() < 1e-9, "20 seconds of start, three times");
}

/// Each minute a run of 150 seconds. Allow: three side by side. Forbid: the next begins as the earlier ends,
/// after 3 ticks, and those due meanwhile but the last are missed. Replace: each lasts for one tick.
#[test]
fn runs_that_meet_follow_the_concurrency_policy() {
    let with = |concurrency: &str| {
        let job = format!(
            "kind = \"cron-job\"\njob = {{ schedule = \"* * * * *\", duration_seconds = 150, concurrency_policy = \"{concurrency}\" }}"
        );
        let (running, tally, _) = run(&policy(&job), 9);
        (running, tally)
    };
    let (running, tally) = with("Allow");
    assert_eq!(running, [1, 2, 3, 3, 3, 3, 3, 3, 3]);
    assert_eq!((tally.runs, tally.overlapping), (9, 8));
    let (running, tally) = with("Forbid");
    assert_eq!(running, [1; 9]);
    // Begun at 0, 3 and 6. At 3 and at 6 a run is due at the very moment at which the earlier one ends: that one
    // begins, and the one that waited since 2, or 5, is missed with the one of 1, or 4.
    // So 1, 2, 4, 5 and 7 are missed, and 8 waits.
    assert_eq!((tally.runs, tally.completed, tally.missed), (3, 2, 5));
    let (running, tally) = with("Replace");
    assert_eq!(running, [1; 9]);
    assert_eq!((tally.runs, tally.replaced, tally.completed), (9, 8, 0));
}

/// An hour's run each half hour: the one that waits begins 30 minutes late, unless a deadline ends its wait.
#[test]
fn a_run_that_waits_is_given_up_at_its_deadline() {
    let with = |deadline: &str| {
        let job = format!(
            "kind = \"cron-job\"\njob = {{ schedule = \"0,40 * * * *\", duration_seconds = 3600, concurrency_policy = \"Forbid\"{deadline} }}"
        );
        run(&policy(&job), 110).1
    };
    // Due at 0, 40, 60 and 100: the one of 60 begins as the first ends, and that of 40 is missed.
    let tally = with("");
    assert_eq!((tally.runs, tally.missed), (2, 1));
    let job = "kind = \"cron-job\"\njob = { schedule = \"0,40 * * * *\", duration_seconds = 3000, concurrency_policy = \"Forbid\"";
    // Of 50 minutes: that of 40 begins at 50, and ends at 100; that of 60 has waited for 40 minutes then.
    let (_, tally, _) = run(&policy(&format!("{job} }}")), 110);
    assert_eq!((tally.runs, tally.missed, tally.most_delay_seconds), (3, 1, 600));
    let (_, tally, _) = run(&policy(&format!("{job}, starting_deadline_seconds = 300 }}")), 110);
    assert_eq!((tally.runs, tally.missed, tally.most_delay_seconds), (2, 1, 0));
}

/// A pod that fits on no node brings one from Karpenter, which goes once the run has ended.
#[test]
fn a_job_brings_a_node_and_the_node_goes() {
    let pool = format!("{POOL}consolidate_after_seconds = 60\n");
    let mut company = Company::new(&pool);
    company.workloads.clear();
    let job = "kind = \"cron-job\"\nrequests = { cpu_millicores = 6000, memory_mib = 1024 }\n\
               node_pools = [\"general\"]\n\
               job = { schedule = \"30 0 * * *\", duration_seconds = 1200 }";
    company.workloads.insert("report".into(), toml::from_str(job).unwrap());
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    let mut nodes = Vec::new();
    for _ in 0..80 {
        cluster.step(&policy, 0.0, true);
        check(&cluster, &policy);
        nodes.push(cluster.nodes().count());
    }
    assert_eq!((nodes[29], nodes[30], nodes[50], nodes[79]), (2, 3, 3, 2), "{nodes:?}");
    let tally = cluster.take_tally(&policy).workloads[0].job.clone();
    assert_eq!((tally.runs, tally.completed), (1, 1));
    // The launch takes 45 seconds in the median, and 80 at most in 95 of 100.
    assert!((20..=120).contains(&tally.most_delay_seconds), "{}", tally.most_delay_seconds);
}

/// A pod that loses its node runs anew, for its whole time; with a limit of 0 the run fails at once.
#[test]
fn an_evicted_pod_runs_anew() {
    let with = |limit: &str| {
        let job = format!(
            "kind = \"job\"\njob = {{ starts_at = \"2027-01-01T00:00\", duration_seconds = 600{limit} }}"
        );
        let policy = policy(&job);
        let mut cluster = Cluster::new(&policy, 0.0, true, luck());
        cluster.keep_events();
        let mut running = Vec::new();
        for tick in 0..20 {
            if tick == 5 {
                let holds = |index: &usize| cluster.nodes[*index].as_ref().unwrap().pod_count > 0;
                let node = (0..2).find(holds).unwrap();
                cluster.evict_all(&policy, node);
            }
            cluster.step(&policy, 0.0, true);
            check(&cluster, &policy);
            running.push(cluster.workloads()[0].ready);
        }
        let failed = |reason: &Reason| matches!(reason, Reason::RunFailed { lost: 1 });
        let failed = cluster.take_events().iter().any(|event| failed(&event.reason));
        (running, failed, cluster.take_tally(&policy).workloads[0].job.clone())
    };
    let (running, failed, tally) = with("");
    assert_eq!(running, [vec![1; 15], vec![0; 5]].concat(), "5 minutes in vain, and then 10");
    assert_eq!((failed, tally.lost_pods, tally.completed, tally.failed), (false, 1, 1, 0));
    let (running, failed, tally) = with(", backoff_limit = 0");
    assert_eq!(running, [vec![1; 5], vec![0; 15]].concat());
    assert_eq!((failed, tally.lost_pods, tally.completed, tally.failed), (true, 1, 0, 1));
}

/// Outside the account's schedule no run begins, one that has begun continues, and a job waits for the morning.
#[test]
fn runs_begin_only_while_the_account_is_awake() {
    let with = |job: &str| {
        let policy = policy(job);
        let mut cluster = Cluster::new(&policy, 0.0, true, luck());
        let mut running = Vec::new();
        for tick in 0..12 {
            cluster.step(&policy, 0.0, !(2..8).contains(&tick));
            check(&cluster, &policy);
            running.push(cluster.workloads()[0].ready);
        }
        (running, cluster.take_tally(&policy).workloads[0].job.clone())
    };
    let job = "kind = \"cron-job\"\njob = { schedule = \"*/3 * * * *\", duration_seconds = 180 }";
    let (running, tally) = with(job);
    assert_eq!(running, [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!((tally.runs, tally.asleep), (2, 2));
    let (running, tally) = with(&format!("always_on = true\n{job}"));
    assert_eq!((running, tally.asleep), (vec![1; 12], 0));
    let job = "kind = \"job\"\njob = { starts_at = \"2027-01-01T00:03\", duration_seconds = 120 }";
    let (running, tally) = with(job);
    assert_eq!(running, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
    assert_eq!(tally.most_delay_seconds, 300);
}

/// Runs of a day each minute that find no room: pods wait, up to the bound, and time does not.
#[test]
fn runs_that_pile_up_are_bounded() {
    let mut policy = policy(
        "kind = \"cron-job\"\n\
         job = { schedule = \"* * * * *\", duration_seconds = 86400, parallelism = 10, backoff_limit = 1000 }",
    );
    policy.workloads[0].job.as_mut().unwrap().most_pods = 200;
    let (running, tally, cluster) = run(&policy, 300);
    assert_eq!((tally.runs, tally.too_many), (20, 280));
    assert!(running.iter().all(|pods| *pods <= 200));
    assert_eq!(cluster.workloads()[0].desired, 200);
}

#[test]
fn what_a_job_cannot_have_is_refused() {
    let problems =
        |job: &str| company(&format!("{REQUESTS}{job}")).policy().unwrap_err().join("\n");
    for (job, expected) in [
        ("kind = \"cron-job\"", "workloads.report.job: is missing; set when it runs"),
        ("kind = \"cron-job\"\njob = { duration_seconds = 60 }", "report.job.schedule: is missing"),
        ("kind = \"job\"\njob = { duration_seconds = 60 }", "report.job.starts_at: is missing"),
        (
            "replicas = 1\njob = { schedule = \"@daily\", duration_seconds = 60 }",
            "report.job: only a cron-job or a job has it; set kind = \"cron-job\", or remove it",
        ),
        (
            "kind = \"daemon-set\"\njob = { schedule = \"@daily\", duration_seconds = 60 }",
            "report.job: only a cron-job or a job has it",
        ),
        (
            "kind = \"cron-job\"\nreplicas = 2\njob = { schedule = \"@daily\", duration_seconds = 60 }",
            "report.replicas: a workload of this kind cannot have it: job.parallelism sets its pods",
        ),
        (
            "kind = \"cron-job\"\ncalls_per = { api = 1 }\njob = { schedule = \"@daily\", duration_seconds = 60 }",
            "report.calls_per: a workload of this kind cannot have it: its pods serve no requests",
        ),
        (
            "kind = \"cron-job\"\njob = { schedule = \"@dayly\", duration_seconds = 60 }",
            "report.job.schedule: \"@dayly\" is not a schedule",
        ),
        (
            "kind = \"cron-job\"\njob = { schedule = \"@daily\", time_zone = \"Europe/Pragu\", duration_seconds = 60 }",
            "report.job.time_zone: no time zone \"Europe/Pragu\"; did you mean \"Europe/Prague\"?",
        ),
        (
            "kind = \"cron-job\"\njob = { schedule = \"@daily\", duration_seconds = 60, duration_p95_seconds = 30 }",
            "report.job.duration_p95_seconds: 30 is below duration_seconds (60)",
        ),
        (
            "kind = \"cron-job\"\njob = { schedule = \"@daily\", duration_seconds = 60, starting_deadline_seconds = 30 }",
            "report.job.starting_deadline_seconds: changes nothing without concurrency_policy",
        ),
        (
            "kind = \"job\"\njob = { starts_at = \"2027-01-02\", schedule = \"@daily\", duration_seconds = 60 }",
            "report.job.schedule: a job runs once; set kind = \"cron-job\"; remove it",
        ),
    ] {
        let found = problems(job);
        assert!(found.contains(expected), "{job}: {found}");
    }
    for (job, why) in [
        (
            "kind = \"cron-job\"\njob = { schedule = \"0 0 30 2 *\"",
            "its schedule fires on no day of the plan",
        ),
        ("kind = \"cron-job\"\njob = { suspend = true, schedule = \"@daily\"", "it is suspended"),
        (
            "kind = \"job\"\njob = { starts_at = \"2026-12-31\"",
            "its starts_at is outside the time that is simulated",
        ),
    ] {
        let policy = policy(&format!("{job}, duration_seconds = 60 }}"));
        assert_eq!(policy.warnings(), [format!("report: no run begins, as {why}")]);
    }
}
