//! Price lists over the network: bulk files, which need no credentials, and `GetProducts`, which does.
//!
//! # Limits
//! A bulk file is read as it comes and never held whole. After a connection breaks, the file is read again from its
//! beginning.

use std::io::Read;

use aws_sdk_pricing::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{Filter, FilterType},
};
use serde::Deserialize;

use super::{
    Answer, BoundedAnswer, Connection, PASSING, Permission, Reading, Request, Settings, Unresolved,
    refused,
};
use crate::{
    bounds,
    error::Error,
    facts::price_list::{Offer, SavingsPlan, Scope, read_csv, read_product, read_savings_plans},
};

/// Pages after which an answer is refused as endless.
const MOST_PAGES: usize = 5000;
/// Products of a page: the most that the API gives.
const PAGE: i32 = 100;
/// Bytes of an index file at most.
const MOST_INDEX: usize = 16 << 20;

/// Index of the lists of the regions.
#[derive(Deserialize)]
struct Index {
    regions: std::collections::BTreeMap<String, Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    current_version_url: String,
}

/// Index of the Savings Plans of the regions.
#[derive(Deserialize)]
struct PlanIndex {
    regions: Vec<PlanListed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlanListed {
    region_code: String,
    version_url: String,
}

/// What an error says of the Price List API's permissions.
const PERMISSION: Permission = Permission { prefix: "pricing", hint: "it only reads" };

/// The bulk price lists.
#[derive(Debug)]
pub struct Bulk {
    connection: Connection,
    base: String,
    attempts: u32,
}

/// Why a list was not read.
#[derive(Debug)]
pub enum Unread {
    /// A fault of this list; others may be read.
    List(Error),
    /// Something that stops all lists: no connection, no credentials, no permission.
    All(Error),
}

/// Errors of the Price List API that concern one service only.
const OF_THE_SERVICE: [&str; 2] = ["NotFoundException", "InvalidParameterException"];

/// Why a file is of no use.
enum Fault {
    /// It was cut: another try may help.
    Passing(String),
    /// It is wrong.
    Lasting(Error),
}

impl Bulk {
    /// Prepares a client; sends nothing yet.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn connect(base: &str, settings: &Settings) -> Result<Self, Error> {
        let base = settings.endpoint_url.as_deref().unwrap_or(base).trim_end_matches('/');
        Ok(Self {
            connection: Connection::open(settings)?,
            base: base.to_owned(),
            attempts: settings.attempts.max(1),
        })
    }

    /// Returns the current lists of a service in a region, as one; none where there is none.
    ///
    /// # Errors
    /// No answer on any try, or an answer that is not a price list.
    pub fn read(
        &mut self,
        scope: &Scope<'_>,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Option<Offer>, Unread> {
        let mut all: Option<Offer> = None;
        for code in scope.service.lists() {
            let path = if scope.service.global {
                Some(format!("/offers/v1.0/aws/{code}/current/index.csv"))
            } else {
                let found: Option<Index> = self.index(&format!("/offers/v1.0/aws/{code}"))?;
                let listed = found.and_then(|mut found| found.regions.remove(scope.region));
                listed.map(|listed| self.list_path(&listed.current_version_url)).transpose()?
            };
            let Some(path) = path else { continue };
            let read = |url: &str, bytes: &mut dyn Read| read_csv(url, bytes, scope, &wanted);
            if let Some(offer) = self.list(&path, read)? {
                all.get_or_insert_default().add(offer);
            }
        }
        Ok(all)
    }

    /// Returns the current list of a kind of Savings Plans in a region; none where there is none.
    ///
    /// # Errors
    /// No answer on any try, or an answer that is not such a list.
    pub fn read_savings_plans(
        &mut self,
        plan: &SavingsPlan,
        scope: &Scope<'_>,
    ) -> Result<Option<Offer>, Unread> {
        let found: Option<PlanIndex> =
            self.index(&format!("/savingsPlan/v1.0/aws/{}", plan.code))?;
        let mut regions = found.into_iter().flat_map(|found| found.regions);
        let Some(listed) = regions.find(|listed| listed.region_code == scope.region) else {
            return Ok(None);
        };
        let path = self.list_path(&listed.version_url)?;
        self.list(&path, |url, bytes| read_savings_plans(url, bytes, plan, scope))
    }

    /// Returns the regions that a service has lists of.
    ///
    /// # Errors
    /// No answer on any try, or an answer that is not an index.
    pub fn regions(&mut self, code: &str) -> Result<Vec<String>, Unread> {
        let found: Option<Index> = self.index(&format!("/offers/v1.0/aws/{code}"))?;
        Ok(found.into_iter().flat_map(|found| found.regions.into_keys()).collect())
    }

    /// Returns the index of the regions of a list.
    fn index<T: serde::de::DeserializeOwned>(&mut self, folder: &str) -> Result<Option<T>, Unread> {
        let path = format!("{folder}/current/region_index.json");
        self.file(&path, (Reading::Whole, MOST_INDEX), |url, answer| {
            let mut text = String::new();
            let read = answer.read_to_string(&mut text);
            read.map_err(|error| Fault::Passing(error.to_string()))?;
            serde_json::from_str::<T>(&text).map_err(|error| {
                Fault::Lasting(Error::network(format!("{url}: is not a region index: {error}")))
            })
        })
    }

    /// Returns the path of the CSV file beside the JSON file that an index names.
    fn list_path(&self, path: &str) -> Result<String, Unread> {
        let stem = path.strip_suffix(".json").or_else(|| path.strip_suffix(".csv"));
        stem.filter(|stem| stem.starts_with('/')).map(|stem| format!("{stem}.csv")).ok_or_else(
            || {
                let message = format!("{}: {path:?} is not the path of a list", self.base);
                Unread::List(Error::network(message))
            },
        )
    }

    /// Reads a list as it comes.
    fn list(
        &mut self,
        path: &str,
        read: impl Fn(&str, &mut dyn Read) -> Result<Offer, Error>,
    ) -> Result<Option<Offer>, Unread> {
        let most = usize::try_from(bounds::LIST_BYTES).unwrap_or(usize::MAX);
        self.file(path, (Reading::Streamed, most), |url, answer| {
            let expected = answer.length;
            let mut counted = Counted { answer, bytes: 0 };
            let offer = read(url, &mut counted);
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

    /// Reads a file; none where there is no such file. The connection tries again until an answer begins; here a file
    /// is read again that was cut.
    fn file<T>(
        &self,
        path: &str,
        reading: (Reading, usize),
        mut read: impl FnMut(&str, &mut Answer<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Unread> {
        let url = format!("{}{path}", self.base);
        let tries = self.attempts;
        let left = self.connection.tries();
        let mut cut = String::new();
        // Those that the connection makes and those for a file that was cut are the same tries.
        while left.left() > 0 {
            let (endpoint, path) = (self.base.clone(), path.to_owned());
            let request = Request { endpoint, path, ..Request::default() };
            let mut answer = match self.connection.send(&url, request, reading, &left) {
                Ok(answer) => answer,
                Err(error) => {
                    let status = error.raw_response().map(|http| http.status().as_u16());
                    let refused = refused(PERMISSION, &url, &error);
                    return match status {
                        // The bulk files' store answers 403 for a file that does not exist.
                        Some(403 | 404) => Ok(None),
                        Some(status) if PASSING.contains(&status) => Err(Unread::List(
                            Error::network(format!("{refused}, on every one of {tries} tries")),
                        )),
                        // Nothing was answered, so no list can be read.
                        None if cut.is_empty() => Err(Unread::All(refused)),
                        _ => Err(Unread::List(refused)),
                    };
                }
            };
            match read(&url, &mut answer) {
                Ok(value) => return Ok(Some(value)),
                Err(Fault::Lasting(error)) => return Err(Unread::List(error)),
                Err(Fault::Passing(message)) => cut = message,
            }
        }
        Err(Unread::List(Error::network(format!("{url}: {cut}, on every one of {tries} tries"))))
    }
}

/// Counts the bytes of an answer.
struct Counted<'a, 'c> {
    answer: &'a mut Answer<'c>,
    bytes: u64,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.answer.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The Price List API.
#[derive(Debug)]
pub struct Products {
    connection: Connection,
    client: Client,
    /// Pages received.
    pub requests: u64,
}

impl Products {
    /// Prepares a client; sends nothing yet.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        let connection = Connection::open(settings)?;
        let config = aws_sdk_pricing::config::Builder::from(&connection.config)
            .interceptor(BoundedAnswer(bounds::ANSWER_BYTES))
            .retry_classifier(Unresolved)
            .build();
        let client = Client::from_conf(config);
        Ok(Self { connection, client, requests: 0 })
    }

    /// Returns a service's products in a region, page by page.
    ///
    /// # Errors
    /// A request that AWS refuses; a document that is not a product.
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
            let field = match scope.service.region_field.as_str() {
                "" => "regionCode",
                own => own,
            };
            let region = (!scope.service.global).then_some((field, scope.region));
            let filters = filters
                .chain(region)
                .map(|(field, value)| {
                    let kind = FilterType::TermMatch;
                    Filter::builder().r#type(kind).field(field).value(value).build()
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Unread::List(Error::network(error.to_string())))?;
            for code in scope.service.lists() {
                self.pages((code, scope), &filters, &wanted, &mut offer)?;
            }
        }
        Ok((offer.rows > 0).then_some(offer))
    }

    fn pages(
        &mut self,
        (code, scope): (&str, &Scope<'_>),
        filters: &[Filter],
        wanted: &impl Fn(&str, &str) -> bool,
        offer: &mut Offer,
    ) -> Result<(), Unread> {
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let request = self
                .client
                .get_products()
                .service_code(code)
                .set_filters(Some(filters.to_vec()))
                .max_results(PAGE)
                .set_next_token(token.clone());
            let answer = self.connection.runtime.block_on(request.send()).map_err(|error| {
                let refused = refused(PERMISSION, "GetProducts", &error);
                let code = error.code().unwrap_or_default();
                let of_service = OF_THE_SERVICE.contains(&code);
                if of_service { Unread::List(refused) } else { Unread::All(refused) }
            })?;
            self.requests += 1;
            for document in answer.price_list() {
                read_product(document, scope, wanted, offer).map_err(|message| {
                    Unread::List(Error::network(format!("GetProducts of {code}: {message}")))
                })?;
            }
            match answer.next_token().filter(|next| !next.is_empty()) {
                None => return Ok(()),
                next if next == token.as_deref() => {
                    let message = "the next page of the answer is the page itself";
                    return Err(Unread::List(Error::network(message)));
                }
                Some(next) => token = Some(next.to_owned()),
            }
        }
        let message = format!("more than {MOST_PAGES} pages of {code}");
        Err(Unread::List(Error::network(message)))
    }
}
