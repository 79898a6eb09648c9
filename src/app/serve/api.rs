//! What is asked of the page, and how each is answered.

use std::{
    convert::Infallible,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    App, File, Kept, LONGEST_BODY, MOST_BODY, Side,
    answer::{self, Answer, BandTold, Refusal},
    lane::{Stops, Work},
    side::{Loaded, Values},
};
use crate::{
    app::store,
    plan::{
        simulate::Prepared,
        trials::{self, Asked, Watch},
    },
};

/// Reports that may wait for their turn.
const MOST_REPORTS: usize = 8;

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

pub(super) async fn page(State(app): State<Arc<App>>) -> Response {
    let text = include_str!("page.html").replace("{key}", &app.settings.key());
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

pub(super) async fn charts() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("chart.js"))
}

/// Policy of a page that runs nothing and loads nothing; its styles are inline.
const STILL: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
form-action 'none'; frame-ancestors 'none'";

/// Returns the frontier that `tune` found.
pub(super) async fn tuned(State(app): State<Arc<App>>) -> Response {
    let Some(text) = &app.reports.tuned else { return nowhere().await };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(STILL)),
    ];
    (headers, text.clone()).into_response()
}

pub(super) async fn nowhere() -> Response {
    answer::refuse(StatusCode::NOT_FOUND, "there is no such page")
}

pub(super) async fn other_method() -> Response {
    let message = "the method does not fit the address: read pages and reports with GET or HEAD, \
        compute and save with POST";
    answer::refuse(StatusCode::METHOD_NOT_ALLOWED, message)
}

fn respond(answer: Answer) -> Response {
    match answer {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// What a request for a line or a band says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// `a` or `b`.
    side: String,
    /// Who asks: one open page.
    #[serde(default)]
    client: String,
    /// Counts up with every change on that page.
    #[serde(default)]
    generation: u64,
    #[serde(default)]
    values: Map<String, Value>,
    /// Trials of a band; those of the command line by default.
    trials: Option<u32>,
}

/// What a body is, for who sent another.
const BODY: &str = r#"send JSON such as {"side": "a", "values": {"nat.gateways": 2}}"#;

/// A request's body as it came.
pub(super) struct Sent(Result<Bytes, Refusal>);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let body = timeout(LONGEST_BODY, Bytes::from_request(request, state)).await;
        let Ok(body) = body else {
            let seconds = LONGEST_BODY.as_secs();
            let message =
                format!("the request is too slow: send its body within {seconds} seconds");
            return Ok(Self(Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, None, &message))));
        };
        Ok(Self(body.map_err(|wrong| {
            let message = match wrong.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the request is too long: send at most {MOST_BODY} bytes")
                }
                _ => format!("the request was cut off ({}); {BODY}", wrong.body_text()),
            };
            Refusal::new(wrong.status(), None, &message)
        })))
    }
}

/// Returns the number of trials: that of the request, or of the command line.
fn trials(asked: Option<u32>, most: u32) -> Result<u32, Refusal> {
    let trials = asked.unwrap_or(most);
    if (1..=most).contains(&trials) {
        return Ok(trials);
    }
    let more = if trials > most { ", or start with a greater --trials" } else { "" };
    let message = format!("trials: {trials} is out of range; give 1 to {most}{more}");
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, None, &message))
}

/// An understood request.
struct Asking {
    app: Arc<App>,
    place: usize,
    client: String,
    generation: u64,
    values: Values,
    trials: u32,
}

impl Asking {
    fn read(app: Arc<App>, sent: Sent) -> Result<Self, Refusal> {
        const LONGEST_NAME: usize = 64;
        let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, None, message);
        let ask: Ask = serde_json::from_slice(&sent.0?)
            .map_err(|error| bad(&format!("is not a valid request: {error}; {BODY}")))?;
        if ask.client.len() > LONGEST_NAME {
            return Err(bad("client: give at most 64 characters"));
        }
        Ok(Self {
            place: place(&ask.side)?,
            values: values(ask.values)?,
            client: ask.client,
            generation: ask.generation,
            trials: trials(ask.trials, app.settings.trials)?,
            app,
        })
    }

    fn side(&self) -> &Side {
        &self.app.sides[self.place]
    }
}

fn place(side: &str) -> Result<usize, Refusal> {
    let message = format!("side: {side:?} is not one of a, b");
    ["a", "b"]
        .iter()
        .position(|known| *known == side)
        .ok_or_else(|| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, None, &message))
}

fn values(given: Map<String, Value>) -> Result<Values, Refusal> {
    let mut wrong = Vec::new();
    let mut values = Values::new();
    for (key, value) in given {
        match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => {
                values.insert(key, number);
            }
            None => wrong.push((key, format!("{value} is not a number; give a finite number"))),
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(Refusal::values(wrong)) }
}

/// Returns what a side's scenario is, for the page.
fn told(app: &App, loaded: &Loaded, own_file: bool) -> Value {
    json!({
        "name": loaded.name,
        "file": loaded.path.display().to_string(),
        "knobs": loaded.knobs,
        "may_save": app.settings.write && own_file,
    })
}

pub(super) async fn scenario(State(app): State<Arc<App>>) -> Response {
    let sides = app.sides.iter().enumerate();
    let sides: Vec<Value> =
        sides.map(|(place, side)| told(&app, &side.loaded(), place == 0 || app.second)).collect();
    respond(answer::json(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "write": app.settings.write,
        "second": app.second,
        "trials": app.settings.trials,
        "formats": app.reports.formats,
        "tuned": app.reports.tuned.is_some(),
        "sides": sides,
    })))
}

pub(super) async fn plan(State(app): State<Arc<App>>, sent: Sent) -> Response {
    respond(in_turn(app, sent, false).await)
}

pub(super) async fn band(State(app): State<Arc<App>>, sent: Sent) -> Response {
    respond(in_turn(app, sent, true).await)
}

/// Has a line or a band computed on the lane of its side.
async fn in_turn(app: Arc<App>, sent: Sent, is_band: bool) -> Answer {
    let asking = Asking::read(Arc::clone(&app), sent)?;
    let side = &app.sides[asking.place];
    if !side.turns.admit(&asking.client, asking.generation) {
        return Err(Refusal::superseded());
    }
    let client = asking.client.clone();
    // Whatever is new ends the band of what was before.
    side.band.give_up(&client);
    let lane = if is_band { &side.band } else { &side.line };
    let work: Work = if is_band {
        Box::new(move |stops| band_of(&asking, stops))
    } else {
        Box::new(move |_| line_of(&asking))
    };
    lane.run(&client, work).await
}

fn line_of(asking: &Asking) -> Answer {
    let (facts, side) = (&asking.app.facts, asking.side());
    let loaded = side.loaded();
    let scenario = loaded.scenario(&asking.values, &facts.catalog)?;
    let prepared = Prepared::new(&scenario, facts, loaded.inputs())?;
    let before = side.simulated.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (line, simulated) = prepared.line(before.as_deref())?;
    *side.simulated.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(simulated));
    answer::json(&answer::line(asking.generation, &scenario, &line, facts))
}

fn band_of(asking: &Asking, stops: &Stops<'_>) -> Answer {
    let (facts, side) = (&asking.app.facts, asking.side());
    let loaded = side.loaded();
    let scenario = loaded.scenario(&asking.values, &facts.catalog)?;
    let prepared = Prepared::new(&scenario, facts, loaded.inputs())?;
    // The page requests a few trials first and then all of them: the first are not run again.
    let kept = side.samples.lock().unwrap_or_else(PoisonError::into_inner).take();
    let same = |kept: &Kept| Arc::ptr_eq(&kept.loaded, &loaded) && kept.values == asking.values;
    let kept = kept.filter(same);
    let mut samples = kept.map(|kept| kept.samples).unwrap_or_default();
    let trials: Vec<u32> = (samples.len() as u32 + 1..=asking.trials).collect();
    samples.extend(trials::run(&prepared, &trials, Watch { done: &|| (), stop: stops })?);
    if samples.len() < asking.trials as usize {
        return Err(Refusal::superseded());
    }
    let (months, total) =
        trials::bands(&samples[..asking.trials as usize], scenario.plan.months as usize);
    let told = BandTold {
        generation: asking.generation,
        trials: asking.trials as usize,
        uncertain: scenario.is_uncertain(),
        months,
        total,
    };
    let answer = answer::json(&told);
    let kept = Kept { loaded, values: asking.values.clone(), samples };
    *side.samples.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    answer
}

pub(super) async fn save(State(app): State<Arc<App>>, sent: Sent) -> Response {
    let done = match Asking::read(Arc::clone(&app), sent) {
        Ok(asking) => tokio::task::spawn_blocking(move || saved(&asking))
            .await
            .unwrap_or_else(|_| Err(Refusal::broken())),
        Err(refusal) => Err(refusal),
    };
    respond(done)
}

fn saved(asking: &Asking) -> Answer {
    let (app, side) = (&asking.app, asking.side());
    let forbidden = |message: &str| Err(Refusal::new(StatusCode::FORBIDDEN, None, message));
    if !app.settings.write {
        return forbidden("the scenario is read-only; start with --write to save to it");
    }
    if asking.place > 0 && !app.second {
        return forbidden("this side has no file of its own: give a second scenario to save it");
    }
    let mut place = side.loaded.write().unwrap_or_else(PoisonError::into_inner);
    let catalog = &app.facts.catalog;
    let written = place.written(&asking.values, catalog)?;
    // What cannot be planned is not saved either.
    Prepared::new(&written.scenario, &app.facts, &written.inputs)?;
    store::rewrite(&place.path, &place.text, &written.text).map_err(|error| {
        let message = error.to_string();
        Refusal::new(StatusCode::CONFLICT, None, &message)
    })?;
    *place = Arc::new(Loaded::read(&place.path, catalog)?);
    let told = told(app, &place, true);
    drop(place);
    *side.samples.lock().unwrap_or_else(PoisonError::into_inner) = None;
    *side.simulated.lock().unwrap_or_else(PoisonError::into_inner) = None;
    answer::json(&told)
}

/// What a link to a report says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    side: String,
    /// Values as JSON; those of the scenario by default.
    #[serde(default)]
    values: String,
    trials: Option<u32>,
    /// Read by the guard.
    #[serde(rename = "key")]
    _key: Option<String>,
}

/// Sets a flag when the request is broken off.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts a report as waiting while its request lives.
struct Waiting<'a>(&'a App);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting_reports.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn report(
    State(app): State<Arc<App>>,
    format: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    const LINK: &str = r#"ask as /report/json?side=a&values={"nat.gateways":2}&trials=100"#;
    let bad =
        |message: &str| answer::refuse(StatusCode::BAD_REQUEST, &format!("{message}; {LINK}"));
    let (Path(format), Query(wanted)) = match (format, wanted) {
        (Ok(format), Ok(wanted)) => (format, wanted),
        (Err(wrong), _) => return bad(&wrong.body_text()),
        (_, Err(wrong)) => return bad(&wrong.body_text()),
    };
    match write_report(app, format, wanted).await {
        Ok(file) => download(file),
        Err(refusal) => refusal.into_response(),
    }
}

async fn write_report(app: Arc<App>, format: String, wanted: Wanted) -> Result<File, Refusal> {
    if !app.reports.formats.contains(&&*format) {
        let message = format!("no report {format:?}; there are {}", app.reports.formats.join(", "));
        return Err(Refusal::new(StatusCode::NOT_FOUND, None, &message));
    }
    let given = if wanted.values.is_empty() { "{}" } else { &wanted.values };
    let given = serde_json::from_str(given).map_err(|error| {
        let message = format!(r#"values: {error}; send JSON such as {{"nat.gateways":2}}"#);
        Refusal::new(StatusCode::BAD_REQUEST, None, &message)
    })?;
    let asking = Asking {
        place: place(&wanted.side)?,
        values: values(given)?,
        client: String::new(),
        generation: 0,
        trials: trials(wanted.trials, app.settings.trials)?,
        app: Arc::clone(&app),
    };
    if app.waiting_reports.fetch_add(1, Ordering::Relaxed) >= MOST_REPORTS {
        app.waiting_reports.fetch_sub(1, Ordering::Relaxed);
        let message = "too many reports are being written; try again in a moment";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, None, message));
    }
    let _waiting = Waiting(&app);
    let gone = Gone(Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&gone.0);
    let turn = Arc::clone(&app.writing).acquire_owned().await.map_err(|_| Refusal::closing())?;
    // The turn is the work's: it lasts as long, though whoever asked has gone.
    let work = move || {
        let done = report_of(&asking, &format, &stop);
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::broken()))
}

/// Returns the plan of the values as `runrate plan` makes it, written in a format.
fn report_of(asking: &Asking, format: &str, stop: &AtomicBool) -> Result<File, Refusal> {
    let (app, facts) = (&asking.app, &asking.app.facts);
    let stops = || stop.load(Ordering::Relaxed);
    let go_on = || if stops() { Err(Refusal::superseded()) } else { Ok(()) };
    go_on()?;
    let loaded = asking.side().loaded();
    let written = loaded.written(&asking.values, &facts.catalog)?;
    let prepared = Prepared::new(&written.scenario, facts, &written.inputs)?;
    go_on()?;
    let mut plan = prepared.run(0)?;
    go_on()?;
    if asking.trials > 1 {
        let settings = trials::Settings::new(&prepared, &plan)?;
        let trials: Vec<u32> = (1..=asking.trials).collect();
        let samples = trials::run(&prepared, &trials, Watch { done: &|| (), stop: &stops })?;
        go_on()?;
        let asked = Asked { trials: asking.trials, note: None };
        plan.spread = trials::spread(&plan, &samples, asked, &settings);
        go_on()?;
    }
    Ok((app.reports.write)(format, &plan)?)
}

fn download(file: File) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    // The name is made by the program, of plain letters.
    let name = format!("attachment; filename=\"{}\"", file.name);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    (headers, file.bytes).into_response()
}

#[cfg(test)]
mod tests;
