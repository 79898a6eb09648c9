//! Connections to AWS: one HTTP client, credentials from the standard chain, bounded retries and answers, and one text
//! for each failure.
//!
//! Cost Explorer and the Price List API have SDK clients. EC2's two operations and the bulk price lists are plain HTTP
//! requests ([`Connection::send`]) through the SDK's own orchestrator, so settings, retries, timeouts and errors are
//! the same for all of them. `aws-sdk-ec2` would do EC2's two operations, but takes longer to build than the rest of
//! the program.
//!
//! # Limits
//! A connection sends nothing by itself. Credentials are never stored or printed.

use std::{
    io::{self, Cursor, Read},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
                Error as AnyError, InterceptorContext, Output,
            },
        },
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::SdkError,
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
        ser_de::DeserializeResponse,
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::ConfigBag,
    error::{ErrorMetadata, display::DisplayErrorContext, metadata::ProvideErrorMetadata},
};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use crate::error::{Error, Place};

pub(crate) mod cost_explorer;
pub(crate) mod ec2;
pub(crate) mod price_list;

/// Seconds after which an attempt is given up, and after which a body that sends nothing is.
const ATTEMPT_SECONDS: u64 = 60;
/// Statuses that another try may change.
const PASSING: [u16; 5] = [429, 500, 502, 503, 504];

/// Where and how to ask.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The region that requests are signed for.
    pub region: String,
    /// Profile of the AWS configuration.
    pub profile: Option<String>,
    /// Endpoint in place of AWS's own.
    pub endpoint_url: Option<String>,
    /// Tries of a request, the first included.
    pub attempts: u32,
    /// First wait between tries, in ms.
    pub backoff_ms: u64,
}

/// What clients are made of.
#[derive(Debug)]
pub struct Connection {
    /// Where requests run.
    pub runtime: tokio::runtime::Runtime,
    /// Region, credentials, tries.
    pub config: SdkConfig,
}

impl Connection {
    /// Finds the configuration; nothing is asked yet.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::failed(Place::default(), error.to_string()))?;
        let http = aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, _| {
            Connector::builder()
                .connector_settings(settings.cloned().unwrap_or_default())
                .proxy_config(ProxyConfig::from_env())
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build()
        });
        let retry = RetryConfig::standard()
            .with_max_attempts(settings.attempts.max(1))
            .with_initial_backoff(Duration::from_millis(settings.backoff_ms));
        let seconds = Duration::from_secs(ATTEMPT_SECONDS);
        // Requests are signed for the region, and there is one of them.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .http_client(http)
            .retry_config(retry)
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(seconds).build());
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &settings.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = runtime.block_on(loader.load());
        let Some(provider) = config.credentials_provider() else {
            return Ok(Self { runtime, config });
        };
        let checked = SharedCredentialsProvider::new(Checked(provider));
        let config = config.into_builder().credentials_provider(checked).build();
        Ok(Self { runtime, config })
    }

    /// Returns the tries of a request that the settings allow.
    pub fn tries(&self) -> Tries {
        let most = self.config.retry_config().map_or(1, RetryConfig::max_attempts);
        Tries(Arc::new(AtomicU32::new(most)))
    }

    /// Sends a plain HTTP request with the timeouts of the SDK clients and at most so many `tries`, which it counts
    /// down. The answer has status 200 and at most `most` bytes.
    ///
    /// # Errors
    /// Another status, or no answer on any try.
    pub fn send(
        &self,
        operation: &str,
        request: Request,
        (reading, most): (Reading, usize),
        tries: &Tries,
    ) -> Result<Answer<'_>, Box<SdkError<Refused, HttpResponse>>> {
        let config = &self.config;
        let mut builder = Operation::builder()
            .service_name("plain")
            .operation_name(operation.to_owned())
            .endpoint_url(&request.endpoint)
            .no_auth()
            .with_connection_poisoning()
            .interceptor(BoundedAnswer(most))
            .interceptor(tries.clone())
            .retry_classifier(Unresolved)
            .retry_classifier(TransientErrorClassifier::<Refused>::new())
            .retry_classifier(HttpStatusCodeClassifier::new_from_codes(PASSING.to_vec()));
        if let Some(http) = config.http_client() {
            builder = builder.http_client(http);
        }
        if let Some(retry) = config.retry_config() {
            builder = builder.standard_retry(&retry.clone().with_max_attempts(tries.left().max(1)));
        }
        if let Some(timeout) = config.timeout_config() {
            builder = builder.timeout_config(timeout.clone());
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        let operation = builder
            .serializer(|request: Request| request.http())
            .deserializer_impl::<Body, Refused>(reading)
            .build();
        let Body { length, body } = self.runtime.block_on(operation.invoke(request))?;
        let chunk = Cursor::default();
        Ok(Answer { runtime: &self.runtime, length, body: Box::pin(body), chunk })
    }
}

/// A plain HTTP request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Scheme, host and the beginning of the path.
    pub endpoint: String,
    /// Rest of the path, from its slash.
    pub path: String,
    /// Headers by name.
    pub headers: Vec<(String, String)>,
    /// Form to post; without one, the request is a GET.
    pub form: Option<String>,
}

impl Request {
    fn http(self) -> Result<HttpRequest, BoxError> {
        let method = if self.form.is_some() { "POST" } else { "GET" };
        let mut http = HttpRequest::new(self.form.map_or_else(SdkBody::empty, SdkBody::from));
        http.set_method(method)?;
        http.set_uri(self.path)?;
        for (name, value) in self.headers {
            http.headers_mut().try_insert(name, value)?;
        }
        Ok(http)
    }
}

/// When the body of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Before the answer is returned: a connection that breaks is tried again.
    Whole,
    /// As it comes, for bodies too long to hold.
    Streamed,
}

/// What an operation returns.
#[derive(Debug)]
struct Body {
    length: Option<u64>,
    body: SdkBody,
}

impl Body {
    fn output(http: &HttpResponse, body: SdkBody) -> Output {
        let length = http.headers().get("content-length").and_then(|text| text.parse().ok());
        Output::erase(Self { length, body })
    }
}

impl DeserializeResponse for Reading {
    fn deserialize_streaming(
        &self,
        http: &mut HttpResponse,
    ) -> Option<Result<Output, OrchestratorError<AnyError>>> {
        if *self == Self::Whole || http.status().as_u16() != 200 {
            return None;
        }
        let body = std::mem::replace(http.body_mut(), SdkBody::taken());
        Some(Ok(Body::output(http, body)))
    }

    fn deserialize_nonstreaming(
        &self,
        http: &HttpResponse,
    ) -> Result<Output, OrchestratorError<AnyError>> {
        let bytes = http.body().bytes().unwrap_or_default();
        if http.status().as_u16() == 200 {
            return Ok(Body::output(http, SdkBody::from(bytes.to_vec())));
        }
        let refused = Refused::read(http.status().as_u16(), bytes);
        Err(OrchestratorError::operation(AnyError::erase(refused)))
    }
}

/// An answer whose body is read like a file.
#[derive(Debug)]
pub struct Answer<'c> {
    runtime: &'c tokio::runtime::Runtime,
    /// Bytes that it announces.
    pub length: Option<u64>,
    body: Pin<Box<SdkBody>>,
    chunk: Cursor<Vec<u8>>,
}

impl Read for Answer<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let limit = Duration::from_secs(ATTEMPT_SECONDS);
            let frame = async { tokio::time::timeout(limit, self.body.frame()).await };
            match self.runtime.block_on(frame) {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(None) => return Ok(0),
                Ok(Some(Err(error))) => {
                    let text = DisplayErrorContext(&*error).to_string();
                    return Err(io::Error::other(first_line(&text)));
                }
                Ok(Some(Ok(frame))) => {
                    let data = frame.into_data().map(|data| data.to_vec());
                    self.chunk = Cursor::new(data.unwrap_or_default());
                }
            }
        }
    }
}

/// An answer of another status than 200.
#[derive(Debug)]
pub struct Refused(ErrorMetadata);

impl Refused {
    /// Reads what EC2 says; other servers have a status only.
    fn read(status: u16, body: &[u8]) -> Self {
        let said: Refusal =
            quick_xml::de::from_str(&String::from_utf8_lossy(body)).unwrap_or_default();
        let Said { code, message } = said.errors.error;
        let mut metadata = ErrorMetadata::builder();
        if code.is_empty() {
            metadata = metadata.code(format!("HTTP {status}"));
        } else {
            metadata = metadata.code(code).message(message);
        }
        Self(metadata.build())
    }
}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    errors: Errors,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Errors {
    error: Said,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    code: String,
    message: String,
}

/// Credentials that a request can carry: the SDK panics on a key that is no header's value.
#[derive(Debug)]
struct Checked(SharedCredentialsProvider);

impl ProvideCredentials for Checked {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = self.0.provide_credentials().await?;
            match unsendable(&found) {
                None => Ok(found),
                Some(part) => Err(CredentialsError::invalid_configuration(format!(
                    "{part} contains a line break or another character that no key has; set it again without it"
                ))),
            }
        })
    }
}

/// Returns the name of a part of credentials that is not made of visible ASCII characters.
fn unsendable(credentials: &Credentials) -> Option<&'static str> {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(credentials.access_key_id()) {
        return Some("AWS_ACCESS_KEY_ID");
    }
    let token = credentials.session_token().unwrap_or_default();
    (!visible(token)).then_some("AWS_SESSION_TOKEN")
}

/// Tries that are left of one request, over every time that it is sent again.
#[derive(Debug, Clone)]
pub struct Tries(Arc<AtomicU32>);

impl Tries {
    /// Returns how many are left.
    pub fn left(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(self.left().saturating_sub(1), Ordering::Relaxed);
        Ok(())
    }
}

/// Stops the tries where a name does not resolve: it will not a second later.
#[derive(Debug)]
struct Unresolved;

impl ClassifyRetry for Unresolved {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(OrchestratorError::as_connector_error);
        let unresolved =
            error.is_some_and(|error| DisplayErrorContext(error).to_string().contains("dns error"));
        if unresolved { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "Unresolved"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// Ends an answer after so many bytes: the SDK would hold all of it.
#[derive(Debug)]
struct BoundedAnswer(usize);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for BoundedAnswer {
    fn name(&self) -> &'static str {
        "BoundedAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = std::mem::replace(context.response_mut().body_mut(), SdkBody::empty());
        *context.response_mut().body_mut() = SdkBody::from_body_1_x(Limited::new(body, self.0));
        Ok(())
    }
}

/// What an error says of permissions.
#[derive(Debug, Clone, Copy)]
struct Permission {
    /// Prefix of the service's permissions: `ce`.
    prefix: &'static str,
    /// Where to read more.
    hint: &'static str,
}

/// Says what AWS refused, and how to fix it. Credentials are no part of it.
fn refused<E>(permission: Permission, operation: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let message = match error {
        SdkError::ServiceError(context) => {
            answered(permission, operation, context.err(), context.raw())
        }
        SdkError::DispatchFailure(failure) => {
            let text = DisplayErrorContext(error).to_string();
            if failure.as_connector_error().is_none() || text.contains("credential") {
                format!("no usable credentials; {SIGN_IN} ({})", first_line(&text))
            } else {
                format!("cannot connect: {}", first_line(&text))
            }
        }
        SdkError::TimeoutError(_) => format!("no answer within {ATTEMPT_SECONDS} s, on every try"),
        SdkError::ResponseError(_) => {
            format!("unreadable answer: {}", first_line(&DisplayErrorContext(error).to_string()))
        }
        _ => first_line(&DisplayErrorContext(error).to_string()),
    };
    Error::network(format!("{operation}: {message}"))
}

/// How to get credentials.
const SIGN_IN: &str = "name a profile with --profile or AWS_PROFILE, or sign in";

/// Says what an error answer means.
fn answered<E>(
    Permission { prefix, hint }: Permission,
    operation: &str,
    error: &E,
    http: &HttpResponse,
) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let reason = error.message().unwrap_or("no reason given");
    match error.code().unwrap_or_default() {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "AuthFailure" => {
            format!(
                "access denied: {reason}; it needs the permission {prefix}:{operation} ({hint})"
            )
        }
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            "the session has expired; sign in again".to_owned()
        }
        "LimitExceededException"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => {
            "throttled on every try; wait a minute and try again".to_owned()
        }
        "DataUnavailableException" => {
            format!("the data are not ready yet ({reason}); a new account has them after a day")
        }
        "" => format!(
            "unreadable answer (HTTP {}): {}",
            http.status(),
            first_line(&DisplayErrorContext(error).to_string())
        ),
        code if error.message().is_none() => code.to_owned(),
        code => format!("{code}: {reason}"),
    }
}

/// Returns the beginning of a long report.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answer_names_its_code_or_its_status() {
        let ec2 = b"<Response><Errors><Error><Code>AuthFailure</Code><Message>who?</Message></Error></Errors></Response>";
        let refused = Refused::read(401, ec2);
        assert_eq!((refused.code(), refused.message()), (Some("AuthFailure"), Some("who?")));
        let other = Refused::read(503, b"busy");
        assert_eq!((other.code(), other.message()), (Some("HTTP 503"), None));
    }

    proptest::proptest! {
        #[test]
        fn any_error_answer_is_read(body in "[ -~\n<>/a-z]{0,200}") {
            proptest::prop_assert!(Refused::read(500, body.as_bytes()).code().is_some());
        }
    }
}
