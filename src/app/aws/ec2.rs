//! Spot prices and instance types, which no price list has: EC2 reports them.
//!
//! # Formula
//! ```text
//! spot price of a type = mean over zones of Σ price × time in force / days        [USD per hour]
//! ```
//! # Source
//! EC2 API reference, `DescribeSpotPriceHistory` and `DescribeInstanceTypes` (Query protocol, version in
//! `models/price_list.toml`). Requests are signed by `aws-sigv4` and answers parsed by `quick-xml`, because
//! `aws-sdk-ec2` takes longer to build than the rest of the program. Everything else is the [`Connection`]'s.

use std::{
    collections::BTreeMap,
    io::Read as _,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, error::CredentialsError},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use super::{Connection, Permission, Reading, Request, SIGN_IN, Settings, refused};
use crate::{bounds, error::Error, facts::price_list::Spot};

/// Pages after which an answer is refused as endless.
const MOST_PAGES: usize = 2000;
/// Results of a page: the most that EC2 gives.
const SPOT_PAGE: &str = "1000";
const TYPES_PAGE: &str = "100";

/// A spot price, from a moment on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpotPrice {
    /// Instance type.
    pub instance_type: String,
    /// Price, in USD per hour.
    #[serde(rename = "spotPrice")]
    pub usd_per_hour: f64,
    /// Moment from which the price applies.
    pub timestamp: Timestamp,
    /// Availability Zone.
    pub availability_zone: String,
}

/// An instance type as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceType {
    /// Its name.
    #[serde(rename = "instanceType")]
    pub name: String,
    /// Whether AWS lists it as current.
    #[serde(default)]
    pub current_generation: bool,
    /// Whether it is bare metal.
    #[serde(default)]
    pub bare_metal: bool,
    /// Whether CPU is metered in credits.
    #[serde(default)]
    pub burstable_performance_supported: bool,
    /// Its hypervisor.
    #[serde(default)]
    pub hypervisor: String,
    processor_info: Processor,
    v_cpu_info: Vcpus,
    memory_info: Memory,
    network_info: Network,
    gpu_info: Option<Gpus>,
    neuron_info: Option<IgnoredAny>,
    inference_accelerator_info: Option<IgnoredAny>,
    media_accelerator_info: Option<IgnoredAny>,
    fpga_info: Option<IgnoredAny>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Processor {
    supported_architectures: Items<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vcpus {
    default_v_cpus: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    size_in_mi_b: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    #[serde(default, rename = "networkPerformance")]
    performance: String,
    maximum_network_interfaces: u32,
    ipv4_addresses_per_interface: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Gpus {
    #[serde(default)]
    gpus: Items<Gpu>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Gpu {
    #[serde(default)]
    name: String,
    #[serde(default)]
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Items<T> {
    #[serde(rename = "item", default = "Vec::new")]
    all: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    spot_price_history_set: Items<SpotPrice>,
    #[serde(default)]
    instance_type_set: Items<InstanceType>,
    #[serde(default)]
    next_token: String,
}

impl InstanceType {
    /// Returns the columns of `models/ec2.csv` that EC2 knows, by name; what EC2 does not report is missing.
    pub fn columns(&self) -> BTreeMap<&'static str, String> {
        let (family, size) = self.name.split_once('.').unwrap_or((&self.name, ""));
        let letters = family.find(|c: char| c.is_ascii_digit()).unwrap_or(family.len());
        let generation: String =
            family[letters..].chars().take_while(char::is_ascii_digit).collect();
        let archs = &self.processor_info.supported_architectures.all;
        let arch = archs.iter().find(|arch| *arch == "arm64" || *arch == "x86_64");
        let network = &self.network_info;
        let gpus = self.gpu_info.iter().flat_map(|info| &info.gpus.all);
        let (count, name) = gpus.fold((0, ""), |(count, _), gpu| (count + gpu.count, &gpu.name));
        // A type with any accelerator is not for general workloads.
        let accelerated = [
            &self.neuron_info,
            &self.inference_accelerator_info,
            &self.media_accelerator_info,
            &self.fpga_info,
        ];
        let accelerators = accelerated.into_iter().flatten().count();
        BTreeMap::from([
            ("accelerator_count", accelerators.to_string()),
            ("instance_type", self.name.clone()),
            ("family", family.to_owned()),
            ("generation", generation),
            ("category", family[..letters].to_owned()),
            ("size", size.to_owned()),
            ("arch", arch.cloned().unwrap_or_default()),
            ("vcpus", self.v_cpu_info.default_v_cpus.to_string()),
            ("memory_mib", self.memory_info.size_in_mi_b.to_string()),
            ("network_performance", network.performance.clone()),
            ("max_enis", network.maximum_network_interfaces.to_string()),
            ("ipv4_per_eni", network.ipv4_addresses_per_interface.to_string()),
            ("gpu_count", count.to_string()),
            ("gpu_name", name.to_owned()),
            ("hypervisor", self.hypervisor.clone()),
            ("bare_metal", self.bare_metal.to_string()),
            ("burstable", self.burstable_performance_supported.to_string()),
            ("current_generation", self.current_generation.to_string()),
        ])
    }
}

/// What an error says of EC2's permissions.
const PERMISSION: Permission = Permission { prefix: "ec2", hint: "it only reads" };

/// A region's EC2.
#[derive(Debug)]
pub struct Ec2 {
    connection: Connection,
    credentials: Credentials,
    region: String,
    endpoint: String,
    version: String,
    /// Time of the signatures.
    now: Timestamp,
}

impl Ec2 {
    /// Finds credentials; sends nothing to EC2 yet.
    ///
    /// # Errors
    /// No credentials.
    pub fn connect(settings: &Settings, spot: &Spot, now: Timestamp) -> Result<Self, Error> {
        let connection = Connection::open(settings)?;
        let none =
            |why: &str| Error::network(format!("EC2: no usable credentials{why}; {SIGN_IN}"));
        let provider = connection.config.credentials_provider().ok_or_else(|| none(""))?;
        let credentials = connection.runtime.block_on(provider.provide_credentials()).map_err(
            |error| match (&error, std::error::Error::source(&error)) {
                (CredentialsError::InvalidConfiguration(_), Some(why)) => {
                    none(&format!(" ({why})"))
                }
                _ => none(""),
            },
        )?;
        let usual = format!("https://ec2.{}.amazonaws.com", settings.region);
        let endpoint = settings.endpoint_url.as_deref().unwrap_or(&usual);
        Ok(Self {
            connection,
            credentials,
            region: settings.region.clone(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            version: spot.api_version.clone(),
            now,
        })
    }

    /// Spot prices of the days before now, all types and zones.
    ///
    /// # Errors
    /// A request that EC2 refuses, or an unreadable answer.
    pub fn spot_prices(&self, spot: &Spot) -> Result<Vec<SpotPrice>, Error> {
        let hours = jiff::SignedDuration::from_hours(24 * i64::from(spot.days));
        let start = self.now.checked_sub(hours).unwrap_or(self.now).to_string();
        let end = self.now.to_string();
        let asked = [
            ("ProductDescription.1", spot.product.as_str()),
            ("StartTime", &start),
            ("EndTime", &end),
            ("MaxResults", SPOT_PAGE),
        ];
        let mut all = Vec::new();
        self.pages("DescribeSpotPriceHistory", &asked, |page| {
            all.extend(page.spot_price_history_set.all);
        })?;
        Ok(all)
    }

    /// Returns all instance types of the region.
    ///
    /// # Errors
    /// What EC2 refuses, or an answer that cannot be read.
    pub fn instance_types(&self) -> Result<Vec<InstanceType>, Error> {
        let mut all = Vec::new();
        self.pages("DescribeInstanceTypes", &[("MaxResults", TYPES_PAGE)], |page| {
            all.extend(page.instance_type_set.all);
        })?;
        Ok(all)
    }

    fn pages(
        &self,
        action: &str,
        asked: &[(&str, &str)],
        mut take: impl FnMut(Answer),
    ) -> Result<(), Error> {
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let mut form = vec![("Action", action), ("Version", &self.version)];
            form.extend(asked);
            if !token.is_empty() {
                form.push(("NextToken", &token));
            }
            let text = self.ask(action, &encoded(&form))?;
            let answer: Answer = quick_xml::de::from_str(&text)
                .map_err(|error| Error::network(format!("{action}: unreadable answer: {error}")))?;
            let next = answer.next_token.clone();
            take(answer);
            if next.is_empty() {
                return Ok(());
            }
            if next == token {
                return Err(Error::network(format!(
                    "{action}: the next page of the answer is the page itself"
                )));
            }
            token = next;
        }
        Err(Error::network(format!("{action}: more than {MOST_PAGES} pages")))
    }

    fn ask(&self, action: &str, form: &str) -> Result<String, Error> {
        let request = self.signed(form)?;
        let mut answer = self
            .connection
            .send(action, request, (Reading::Whole, bounds::ANSWER_BYTES), &self.connection.tries())
            .map_err(|error| refused(PERMISSION, action, &error))?;
        let mut text = String::new();
        let read = answer.read_to_string(&mut text);
        read.map_err(|error| Error::network(format!("{action}: unreadable answer: {error}")))?;
        Ok(text)
    }

    /// Signs a request with Signature Version 4.
    fn signed(&self, form: &str) -> Result<Request, Error> {
        let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let identity = self.credentials.clone().into();
        let unsigned = |error: &dyn std::fmt::Display| {
            Error::network(format!("cannot sign a request: {error}"))
        };
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.as_second().unsigned_abs()))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let body = SignableBody::Bytes(form.as_bytes());
        let url = format!("{}/", self.endpoint);
        let signable = SignableRequest::new("POST", &url, [kind].into_iter(), body)
            .map_err(|error| unsigned(&error))?;
        let (instructions, _) =
            sign(signable, &parameters).map_err(|error| unsigned(&error))?.into_parts();
        let headers = instructions.headers().chain([kind]);
        Ok(Request {
            endpoint: self.endpoint.clone(),
            path: "/".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            form: Some(form.to_owned()),
        })
    }
}

/// Encodes a form as in a URL.
fn encoded(form: &[(&str, &str)]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for (index, (name, value)) in form.iter().enumerate() {
        let _ = write!(out, "{}{name}=", if index > 0 { "&" } else { "" });
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Mean price of each type over time and zones, up to `now` (USD per hour).
pub fn means(prices: &[SpotPrice], days: u32, now: Timestamp) -> BTreeMap<String, f64> {
    let span = f64::from(days) * 86_400.0;
    let mut zones: BTreeMap<(&str, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for price in prices {
        // EC2 also gives the price that was in force at the start, with its own older moment.
        let ago = now.duration_since(price.timestamp).as_secs_f64().clamp(0.0, span);
        let zone = (price.instance_type.as_str(), price.availability_zone.as_str());
        zones.entry(zone).or_default().push((ago, price.usd_per_hour));
    }
    let mut means: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ((instance_type, _), mut prices) in zones {
        prices.sort_by(|a, b| b.0.total_cmp(&a.0));
        let ends = prices.iter().skip(1).map(|(ago, _)| *ago).chain([0.0]).collect::<Vec<_>>();
        let held = prices.iter().zip(&ends);
        let known = prices[0].0;
        let mean = if known > 0.0 {
            held.map(|((ago, price), end)| price * (ago - end)).sum::<f64>() / known
        } else {
            prices[prices.len() - 1].1
        };
        means.entry(instance_type.to_owned()).or_default().push(mean);
    }
    let mean =
        |(kind, zones): (String, Vec<f64>)| (kind, zones.iter().sum::<f64>() / zones.len() as f64);
    means.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten days: 0.10 for eight of them and 0.20 for two is 0.12; the other zone's 0.14 makes the mean 0.13.
    #[test]
    fn spot_prices_are_weighted_by_the_time_they_held() {
        let price = |zone: &str, day: &str, usd_per_hour| SpotPrice {
            instance_type: "m7g.large".into(),
            usd_per_hour,
            timestamp: format!("2027-03-{day}T00:00:00Z").parse().unwrap(),
            availability_zone: zone.into(),
        };
        let now: Timestamp = "2027-03-11T00:00:00Z".parse().unwrap();
        let prices = [price("a", "09", 0.20), price("a", "01", 0.10), price("b", "05", 0.14)];
        let means = means(&prices, 10, now);
        assert!((means["m7g.large"] - 0.13).abs() < 1e-12, "{means:?}");
    }

    /// A type with accelerators must not count as a general one.
    #[test]
    fn accelerators_are_seen() {
        let text = |more: &str| {
            format!(
                "<R><instanceTypeSet><item><instanceType>inf9.xlarge</instanceType><processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo>{more}<networkInfo><maximumNetworkInterfaces>4</maximumNetworkInterfaces><ipv4AddressesPerInterface>10</ipv4AddressesPerInterface></networkInfo></item></instanceTypeSet></R>"
            )
        };
        let count = |more: &str| {
            let answer: Answer = quick_xml::de::from_str(&text(more)).unwrap();
            answer.instance_type_set.all[0].columns()["accelerator_count"].clone()
        };
        assert_eq!(count(""), "0");
        let neuron =
            "<neuronInfo><neuronDevices><item><count>2</count></item></neuronDevices></neuronInfo>";
        assert_eq!(count(neuron), "1");
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_or_refused(text in "[ -~\n<>/a-z]{0,200}") {
            let _ = quick_xml::de::from_str::<Answer>(&text);
            let wrapped = format!("<R><instanceTypeSet><item>{text}</item></instanceTypeSet></R>");
            let _ = quick_xml::de::from_str::<Answer>(&wrapped);
        }
    }
}
