use std::{
    path,
    sync::{
        Mutex,
        atomic::AtomicU32,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use super::*;
use crate::app::{
    serve::{Reports, Settings},
    store::PriceSource,
};

/// Reports that say when they begin, and last until they are let go.
struct Bench {
    app: Arc<App>,
    begun: Receiver<()>,
    free: Sender<()>,
    written: Arc<AtomicU32>,
}

fn bench() -> Bench {
    let path = path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cloudfront.toml");
    let catalog = store::embedded_catalog().unwrap();
    let (scenario, _) = store::load_scenario(&path, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let (begins, begun) = mpsc::channel();
    let (free, freed) = mpsc::channel::<()>();
    let (begins, freed) = (Mutex::new(begins), Mutex::new(freed));
    let written = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&written);
    let write = move |_: &str, _: &crate::plan::Plan| {
        count.fetch_add(1, Ordering::Relaxed);
        begins.lock().unwrap().send(()).unwrap();
        // A test that has failed lets go too.
        let _ = freed.lock().unwrap().recv();
        Ok(File { content_type: "text/plain", name: "plan".into(), bytes: Vec::new() })
    };
    let reports = Reports { formats: vec!["json"], write: Box::new(write), tuned: None };
    let settings = Settings { port: 0, write: false, trials: 1, key: 1 };
    let app = Arc::new(App::new((&path, None), facts, settings, reports).unwrap());
    Bench { app, begun, free, written }
}

fn wanted() -> Wanted {
    Wanted { side: "a".into(), values: String::new(), trials: None, _key: None }
}

#[test]
fn a_report_keeps_its_turn_though_nobody_waits_for_it() {
    const LONG: Duration = Duration::from_mins(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let bench = bench();
    let ask = || runtime.spawn(write_report(Arc::clone(&bench.app), "json".into(), wanted()));
    let first = ask();
    bench.begun.recv_timeout(LONG).unwrap();
    first.abort();
    assert!(runtime.block_on(first).unwrap_err().is_cancelled());
    // The first is still being written.
    assert_eq!(bench.app.writing.available_permits(), 0);
    let second = ask();
    bench.free.send(()).unwrap();
    bench.begun.recv_timeout(LONG).unwrap();
    bench.free.send(()).unwrap();
    assert!(runtime.block_on(second).unwrap().is_ok());
    assert_eq!(bench.app.writing.available_permits(), 1);
}

#[test]
fn a_report_that_nobody_waits_for_is_not_begun() {
    let bench = bench();
    let asking = Asking {
        app: Arc::clone(&bench.app),
        place: 0,
        client: String::new(),
        generation: 0,
        values: Values::new(),
        trials: 1,
    };
    bench.free.send(()).unwrap();
    let refused = report_of(&asking, "json", &AtomicBool::new(true)).unwrap_err();
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(bench.written.load(Ordering::Relaxed), 0);
}
