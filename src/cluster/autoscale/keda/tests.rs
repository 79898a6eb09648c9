//! Windows that open and close, and what the autoscaler makes of them: ticks are minutes.

use super::{
    super::{
        Cluster,
        tests::{Company, POOL, check, luck},
    },
    *,
};
use crate::cluster::autoscale::cron::Schedule;

fn trigger(start: &str, end: &str, zone: &str, replicas: u32) -> Trigger {
    let clock = |text: &str| {
        let span = (jiff::civil::date(2027, 1, 1), 400);
        Clock::new(Schedule::parse(text).unwrap(), Some(zone), span).unwrap()
    };
    Trigger { start: clock(start), end: clock(end), replicas }
}

fn changes(triggers: &[Trigger], days: u32) -> Vec<(u32, u32)> {
    let all = Triggers::new(triggers, days * 86_400, (1, None));
    all.changes.iter().map(|change| (change.at / 60, change.asks)).collect()
}

/// 2027-01-01 is a Friday. Minutes of the plan; 1,440 are a day.
#[test]
fn windows_are_those_of_keda() {
    let office = trigger("0 8 * * 1-5", "0 18 * * 1-5", "UTC", 10);
    let expected = [(0, 0), (480, 10), (1080, 0), (4800, 10), (5400, 0)];
    assert_eq!(changes(std::slice::from_ref(&office), 4), expected);
    // São Paulo is three hours behind and has had no daylight-saving time since 2019.
    let away = trigger("0 8 * * 1-5", "0 18 * * 1-5", "America/Sao_Paulo", 10);
    assert_eq!(changes(&[away], 1), [(0, 0), (660, 10), (1260, 0)]);
    // Over midnight: open when the plan begins, as the next end comes before the next start.
    let night = trigger("0 22 * * *", "0 6 * * *", "UTC", 4);
    assert_eq!(changes(std::slice::from_ref(&night), 1), [(0, 4), (360, 0), (1320, 4)]);
    // The largest of the open windows; one that holds the other changes nothing.
    let day = trigger("0 0 * * *", "0 20 * * *", "UTC", 6);
    let all = [office, night, day];
    assert_eq!(changes(&all, 1), [(0, 6), (480, 10), (1080, 6), (1200, 0), (1320, 4)]);
    // Once a year, after the plan: no window opens in it.
    assert_eq!(changes(&[trigger("0 8 1 3 *", "0 20 1 3 *", "UTC", 9)], 31), [(0, 0)]);
}

/// The API of the company with these settings of its autoscaler.
fn company(hpa: &str) -> Company {
    let mut company = Company::new(POOL);
    company.workloads["api"].hpa = Some(toml::from_str(hpa).unwrap());
    company
}

/// Desired replicas in each minute under a load, in sessions a minute.
fn desired(company: &Company, minutes: usize, load: f64) -> Vec<u32> {
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, load, true, luck());
    let step = |_| {
        cluster.step(&policy, load, true);
        check(&cluster, &policy);
        cluster.workloads()[0].desired
    };
    (0..minutes).map(step).collect()
}

/// 20 requests/s × 100 ms are 2 cores, and 500 m × 60 % a pod make 7 pods. From minute 20 to 40 the trigger asks for
/// 12, and 7 come back once the last recommendation of 12 has left the window of 300 seconds.
#[test]
fn the_largest_metric_wins_within_and_outside_a_window() {
    let hpa = "min_replicas = 2\nmax_replicas = 60\ntarget_cpu_utilization = 60\n\
        schedules = [{ start = \"20 * * * *\", end = \"40 * * * *\", replicas = 12 }]";
    let all = desired(&company(hpa), 60, 1200.0);
    assert_eq!((all[19], all[20], all[39], all[40], all[43], all[59]), (7, 12, 12, 12, 12, 7));
    // With fewer than the load needs it changes nothing.
    let fewer = hpa.replace("replicas = 12", "replicas = 5");
    assert_eq!(desired(&company(&fewer), 60, 1200.0), [7; 60]);
    // Nor with so many more as the tolerance of 10 % holds: 11 of 10 are a ratio of 1.1.
    let more = hpa.replace("replicas = 12", "replicas = 11");
    let all = desired(&company(&more), 60, 1800.0);
    assert_eq!((all[19], all[30]), (10, 10), "{all:?}");
}

/// Workers by the clock alone: KEDA takes the first pod out of nothing, the autoscaler doubles, 4 at least, up to
/// 10; after the window it asks for 1, five minutes later there is 1, and KEDA has taken that as well.
#[test]
fn workers_come_by_the_clock_and_go_to_zero() {
    let hpa = "min_replicas = 0\nmax_replicas = 60\n\
        schedules = [{ start = \"20 * * * *\", end = \"40 * * * *\", replicas = 10 }]";
    let mut own = company(hpa);
    own.workloads["api"].calls_per.clear();
    let all = desired(&own, 60, 0.0);
    assert_eq!((all[0], all[19], all[20], all[39]), (0, 0, 10, 10), "{all:?}");
    // The window closes at minute 40. The autoscaler recommended 10 last at 39:45, 300 seconds before 44:45, and
    // KEDA's cooldown of 300 seconds is over at 45.
    assert_eq!((all[43], all[44], all[45], all[59]), (10, 1, 0, 0), "{all:?}");
    let longer = hpa.replace("max_replicas", "keda = { cooldown_seconds = 600 }\nmax_replicas");
    own.workloads["api"].hpa = Some(toml::from_str(&longer).unwrap());
    let all = desired(&own, 60, 0.0);
    // The autoscaler asks for 1 after its own 300 seconds, and the last pod goes after KEDA's 600.
    assert_eq!((all[43], all[44], all[49], all[50]), (10, 1, 1, 0), "{all:?}");
    // With 1 as the least KEDA keeps it.
    let kept = hpa.replace("min_replicas = 0", "min_replicas = 1");
    own.workloads["api"].hpa = Some(toml::from_str(&kept).unwrap());
    let all = desired(&own, 60, 0.0);
    assert_eq!((all[0], all[30], all[59]), (1, 10, 1), "{all:?}");
}

/// Another External metric above 0 keeps a workload from 0, as it is a trigger too.
#[test]
fn another_external_metric_keeps_it_awake() {
    let hpa = "min_replicas = 0\nmax_replicas = 60\n\
        metrics = [{ type = \"External\", name = \"requests_per_second\", average_value = 10 }]\n\
        schedules = [{ start = \"20 * * * *\", end = \"30 * * * *\", replicas = 3 }]";
    let all = desired(&company(hpa), 60, 600.0);
    assert_eq!((all[10], all[25], all[59]), (1, 3, 1), "{all:?}");
    let none = desired(&company(hpa), 60, 0.0);
    assert_eq!((none[25], none[59]), (3, 0), "{none:?}");
}

#[test]
fn what_contradicts_in_triggers_is_refused() {
    let problems = |hpa: &str| company(hpa).policy().unwrap_err().join("\n");
    let trigger = |text: &str| format!("max_replicas = 5\nschedules = [{{ {text} }}]");
    for (hpa, expected) in [
        (
            trigger("start = \"0 8 * * *\", end = \"0 8 * * *\", replicas = 2"),
            "workloads.api.hpa.schedules.0.end: is the same as start",
        ),
        (
            trigger("start = \"0 8 * *\", end = \"0 9 * * *\", replicas = 2"),
            "workloads.api.hpa.schedules.0.start: \"0 8 * *\" is not a schedule",
        ),
        (
            trigger(
                "start = \"0 8 * * *\", end = \"0 9 * * *\", time_zone = \"Brazil/Est\", replicas = 2",
            ),
            "workloads.api.hpa.schedules.0.time_zone: no time zone \"Brazil/Est\"; did you mean",
        ),
        (
            trigger("start = \"0 8 * * *\", end = \"0 9 * * *\", replicas = 6"),
            "workloads.api.hpa.schedules.0.replicas: 6 is above max_replicas (5)",
        ),
        (
            "max_replicas = 5\nkeda = { cooldown_seconds = 60 }".to_owned(),
            "workloads.api.hpa.keda: needs a metric of type External, or schedules",
        ),
    ] {
        let found = problems(&hpa);
        assert!(found.contains(expected), "{hpa}: {found}");
    }
}
