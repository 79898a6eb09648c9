//! The served page: a scenario's main numbers as sliders, its plan computed again while one is dragged.
//!
//! ```text
//! page ── POST /api/plan ─► guard ─► lane of the side ─► Prepared::line      the mid case, at once
//!      ── POST /api/band ─►   "         "                trials::run         P10 to P90, a moment later
//!      ── GET  /report/… ─►   "      one at a time    ─► the plan as a file
//! ```
//! No work runs on the threads that speak HTTP. Each side of the page has one line and one band at work and
//! one waiting; a newer request takes the place of the one that waits, and ends the band at work.
//!
//! # Limits
//! This module knows neither socket nor signal: `cli` binds the loopback address and hands it the router.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicUsize},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use crate::{
    error::{Error, Place},
    plan::{
        Plan,
        simulate::{Facts, Sample, Simulated},
    },
};

mod answer;
mod api;
mod guard;
mod knobs;
mod lane;
mod side;

pub use side::Loaded;

use lane::{Lane, Turns};

/// Most bytes of a request's body.
const MOST_BODY: usize = 64 * 1024;
/// Longest time for a request's body to arrive: the page sends a few KiB within this machine.
const LONGEST_BODY: Duration = Duration::from_secs(5);

/// A report, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    /// What to call it.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Writes a plan in a format.
pub type Write = dyn Fn(&str, &Plan) -> Result<File, Error> + Send + Sync;

/// The reports that can be had of a plan.
#[allow(missing_debug_implementations, reason = "a function")]
pub struct Reports {
    /// Names of the formats, in the order in which the page offers them.
    pub formats: Vec<&'static str>,
    /// Writes one of them.
    pub write: Box<Write>,
    /// What `tune` found, as one HTML file without scripts.
    pub tuned: Option<String>,
}

/// How the page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The port that requests must name.
    pub port: u16,
    /// Whether values may be written into the scenario's file.
    pub write: bool,
    /// Trials of the band.
    pub trials: u32,
    /// The key that every request needs, apart from those for styles and scripts.
    pub key: u128,
}

impl Settings {
    /// Returns the key as the page and its address have it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{:032x}", self.key)
    }

    /// Returns the path and the query of the page's address.
    #[must_use]
    pub fn door(&self) -> String {
        format!("/?key={}", self.key())
    }
}

/// One side of the page and the work on it.
struct Side {
    loaded: RwLock<Arc<Loaded>>,
    turns: Turns,
    line: Arc<Lane>,
    band: Arc<Lane>,
    /// What the last line was simulated from, to be used again.
    simulated: Mutex<Option<Arc<Simulated>>>,
    /// Trials of the last band, to continue.
    samples: Mutex<Option<Kept>>,
}

/// Trials of one set of values.
struct Kept {
    /// The file as it was read then: after a save the same values mean something else.
    loaded: Arc<Loaded>,
    values: side::Values,
    samples: Vec<Sample>,
}

/// Everything that is served.
#[allow(missing_debug_implementations, reason = "threads and functions")]
pub struct App {
    facts: Facts,
    settings: Settings,
    reports: Reports,
    sides: [Side; 2],
    /// Whether the second side has a file of its own.
    second: bool,
    /// One report is written at a time.
    writing: Arc<tokio::sync::Semaphore>,
    waiting_reports: AtomicUsize,
}

impl App {
    /// Sets up one or two scenarios; a single scenario is on both sides.
    ///
    /// # Errors
    /// A scenario that is wrong; threads that the system does not give.
    pub fn new(
        (path, second): (&Path, Option<&Path>),
        facts: Facts,
        settings: Settings,
        reports: Reports,
    ) -> Result<Self, Error> {
        let pool = |name: &'static str| {
            let named = move |index| format!("{name} {index}");
            let built = rayon::ThreadPoolBuilder::new().thread_name(named).build();
            built.map(Arc::new).map_err(|error| Error::failed(Place::default(), error.to_string()))
        };
        // A band that is being given up still has a trial on each core: the line has threads of its own.
        let (lines, bands) = (pool("line")?, pool("band")?);
        let first = Arc::new(Loaded::read(path, &facts.catalog)?);
        let other = match second {
            Some(path) => Arc::new(Loaded::read(path, &facts.catalog)?),
            None => Arc::clone(&first),
        };
        let side = |loaded: Arc<Loaded>| -> Result<Side, Error> {
            Ok(Side {
                loaded: RwLock::new(loaded),
                turns: Turns::default(),
                line: Lane::start(Arc::clone(&lines))?,
                band: Lane::start(Arc::clone(&bands))?,
                simulated: Mutex::new(None),
                samples: Mutex::new(None),
            })
        };
        Ok(Self {
            facts,
            settings,
            reports,
            sides: [side(first)?, side(other)?],
            second: second.is_some(),
            writing: Arc::new(tokio::sync::Semaphore::new(1)),
            waiting_reports: AtomicUsize::new(0),
        })
    }

    /// Cancels all work and accepts no more.
    pub fn close(&self) {
        for side in &self.sides {
            side.line.close();
            side.band.close();
        }
        self.writing.close();
    }
}

impl Side {
    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the router of requests.
pub fn router(app: Arc<App>) -> Router {
    let guard = middleware::from_fn_with_state(guard::Door::new(app.settings), guard::guard);
    Router::new()
        .route("/", get(api::page))
        .route("/page.css", get(api::style))
        .route("/page.js", get(api::script))
        .route("/chart.js", get(api::charts))
        .route("/tuned", get(api::tuned))
        .route("/api/scenario", get(api::scenario))
        .route("/api/plan", post(api::plan))
        .route("/api/band", post(api::band))
        .route("/api/save", post(api::save))
        .route("/report/{format}", get(api::report))
        .fallback(api::nowhere)
        .method_not_allowed_fallback(api::other_method)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(guard)
        .with_state(app)
}
