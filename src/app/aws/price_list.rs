//! Price lists over the network: bulk files, which need no credentials, and `GetProducts`, which does.
//!
//! # Limits
//! A bulk file is read as it comes and never held whole. A connection that breaks is tried again from the
//! file's beginning.

use std::{io::Read, thread, time::Duration};

use aws_sdk_pricing::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{Filter, FilterType},
};
use serde::Deserialize;
use ureq::{Agent, Body, http::Response};

use super::{ATTEMPT_SECONDS, BoundedAnswer, Connection, Settings};
use crate::{
    bounds,
    error::{Error, Place},
    facts::price_list::{Offer, Scope, read_csv, read_product},
};

/// Pages after which an answer is taken to have no end.
const MOST_PAGES: usize = 5000;
/// Products of a page: the most that the API gives.
const PAGE: i32 = 100;
/// Bytes of an index file at most.
const MOST_INDEX: u64 = 16 << 20;

/// Where the regions' lists lie.
#[derive(Deserialize)]
struct Index {
    regions: std::collections::BTreeMap<String, Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    current_version_url: String,
}

/// Bulk files.
#[derive(Debug)]
pub struct Bulk {
    agent: Agent,
    base: String,
    attempts: u32,
    backoff_ms: u64,
    /// Bytes that came.
    pub bytes: u64,
}

/// Why a list was not read.
#[derive(Debug)]
pub enum Unread {
    /// Something about this list: others may be read.
    List(Error),
    /// Something that no list can be read with: no connection, no credentials, no permission.
    All(Error),
}

/// Answers of the Price List API that are about the service asked for.
const OF_THE_SERVICE: [&str; 2] = ["NotFoundException", "InvalidParameterException"];

/// Why an answer is of no use.
enum Fault {
    /// Another try may help.
    Passing(String),
    /// It will not.
    Lasting(Error),
    /// There is no such list.
    Absent,
}

impl Bulk {
    /// Nothing is asked yet.
    pub fn new(base: &str, settings: &Settings) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(ATTEMPT_SECONDS)))
            .timeout_recv_response(Some(Duration::from_secs(ATTEMPT_SECONDS)))
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            base: settings.endpoint_url.as_deref().unwrap_or(base).trim_end_matches('/').to_owned(),
            attempts: settings.attempts.max(1),
            backoff_ms: settings.backoff_ms,
            bytes: 0,
        }
    }

    /// The current list of a service in a region; none where there is none.
    ///
    /// # Errors
    /// No answer on any try, or one that is no price list.
    pub fn read(
        &mut self,
        scope: &Scope<'_>,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Option<Offer>, Unread> {
        let code = &scope.service.code;
        let current = format!("{}/offers/v1.0/aws/{code}/current", self.base);
        let url = if scope.service.global {
            format!("{current}/index.csv")
        } else {
            let index = format!("{current}/region_index.json");
            let found = self.tried(&index, |url, body, _| {
                let mut text = String::new();
                let read = body.take(MOST_INDEX).read_to_string(&mut text);
                read.map_err(|error| Fault::Passing(error.to_string()))?;
                serde_json::from_str::<Index>(&text).map_err(|error| {
                    Fault::Lasting(failed(format!("{url}: is no region index: {error}")))
                })
            })?;
            let Some(found) = found else { return Ok(None) };
            let Some(listed) = found.regions.get(scope.region) else { return Ok(None) };
            let path = &listed.current_version_url;
            let Some(path) = path.strip_suffix(".json").filter(|path| path.starts_with('/')) else {
                return Err(Unread::List(failed(format!(
                    "{index}: {path:?} is no path of a list"
                ))));
            };
            format!("{}{path}.csv", self.base)
        };
        self.tried(&url, |url, body, expected| {
            let mut counted = Counted { body, bytes: 0 };
            let offer = read_csv(url, &mut counted, scope, &wanted);
            // A file that is cut between two lines looks whole.
            let cut = expected.is_some_and(|expected| counted.bytes < expected);
            match offer {
                _ if cut => Err(Fault::Passing(format!(
                    "the file ended after {} of {} bytes",
                    counted.bytes,
                    expected.unwrap_or(0)
                ))),
                Ok(offer) => Ok(offer),
                Err(error) => Err(Fault::Lasting(error)),
            }
        })
    }

    /// An answer, over several tries; none where there is no such file.
    fn tried<T>(
        &mut self,
        url: &str,
        mut read: impl FnMut(&str, &mut dyn Read, Option<u64>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Unread> {
        let mut last = String::new();
        let mut answered = false;
        for attempt in 0..self.attempts {
            if attempt > 0 {
                thread::sleep(Duration::from_millis(self.backoff_ms << (attempt - 1).min(10)));
            }
            let answer = self.agent.get(url).call();
            let done = match answer {
                Err(error) => Err(Fault::Passing(error.to_string())),
                Ok(answer) => {
                    answered = true;
                    self.opened(answer, url, &mut read)
                }
            };
            match done {
                Ok(value) => return Ok(Some(value)),
                Err(Fault::Absent) => return Ok(None),
                Err(Fault::Lasting(error)) => return Err(Unread::List(error)),
                Err(Fault::Passing(message)) => last = message,
            }
        }
        let error = failed(format!("{url}: {last}, on every one of {} tries", self.attempts));
        Err(if answered { Unread::List(error) } else { Unread::All(error) })
    }

    fn opened<T>(
        &mut self,
        answer: Response<Body>,
        url: &str,
        read: &mut impl FnMut(&str, &mut dyn Read, Option<u64>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let status = answer.status().as_u16();
        match status {
            200 => {}
            // The bulk files' store says 403 of what is not there.
            403 | 404 => return Err(Fault::Absent),
            429 | 500..=599 => return Err(Fault::Passing(format!("HTTP {status}"))),
            _ => return Err(Fault::Lasting(failed(format!("{url}: HTTP {status}")))),
        }
        let expected = answer.body().content_length();
        let mut body = answer.into_body();
        let mut counted =
            Counted { body: &mut body.with_config().limit(bounds::LIST_BYTES).reader(), bytes: 0 };
        let done = read(url, &mut counted, expected);
        self.bytes += counted.bytes;
        done
    }
}

struct Counted<'a> {
    body: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.body.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::failed(Place::default(), message)
}

/// The Price List API.
#[derive(Debug)]
pub struct Products {
    connection: Connection,
    client: Client,
    /// Pages that came.
    pub requests: u64,
}

impl Products {
    /// Finds credentials; nothing is asked yet.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        let connection = Connection::open(settings)?;
        let config = aws_sdk_pricing::config::Builder::from(&connection.config)
            .interceptor(BoundedAnswer)
            .build();
        let client = Client::from_conf(config);
        Ok(Self { connection, client, requests: 0 })
    }

    /// A service's products in a region, page by page.
    ///
    /// # Errors
    /// What AWS refuses; a document that is no product.
    pub fn read(
        &mut self,
        scope: &Scope<'_>,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Option<Offer>, Unread> {
        let mut offer = Offer::default();
        let everything = [std::collections::BTreeMap::new()];
        let asked = if scope.service.ask.is_empty() { &everything[..] } else { &scope.service.ask };
        for filters in asked {
            let filters = filters.iter().map(|(field, value)| (field.as_str(), value.as_str()));
            let region = (!scope.service.global).then_some(("regionCode", scope.region));
            let filters = filters
                .chain(region)
                .map(|(field, value)| {
                    let kind = FilterType::TermMatch;
                    Filter::builder().r#type(kind).field(field).value(value).build()
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Unread::List(failed(error.to_string())))?;
            self.pages(scope, &filters, &wanted, &mut offer)?;
        }
        Ok((offer.rows > 0).then_some(offer))
    }

    fn pages(
        &mut self,
        scope: &Scope<'_>,
        filters: &[Filter],
        wanted: &impl Fn(&str, &str) -> bool,
        offer: &mut Offer,
    ) -> Result<(), Unread> {
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let request = self
                .client
                .get_products()
                .service_code(&scope.service.code)
                .set_filters(Some(filters.to_vec()))
                .max_results(PAGE)
                .set_next_token(token.clone());
            let answer = self.connection.runtime.block_on(request.send()).map_err(|error| {
                let told = super::refused(("pricing", "a read-only one"), "GetProducts", &error);
                let code = error.code().unwrap_or_default();
                let of_service = OF_THE_SERVICE.contains(&code);
                if of_service { Unread::List(told) } else { Unread::All(told) }
            })?;
            self.requests += 1;
            for document in answer.price_list() {
                read_product(document, scope, wanted, offer).map_err(|message| {
                    let code = &scope.service.code;
                    Unread::List(failed(format!("GetProducts of {code}: {message}")))
                })?;
            }
            match answer.next_token().filter(|next| !next.is_empty()) {
                None => return Ok(()),
                next if next == token.as_deref() => {
                    let message = "an answer points to the page it came from";
                    return Err(Unread::List(failed(message)));
                }
                Some(next) => token = Some(next.to_owned()),
            }
        }
        let message = format!("more than {MOST_PAGES} pages of {}", scope.service.code);
        Err(Unread::List(failed(message)))
    }
}
