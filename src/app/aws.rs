//! Connections to AWS: credentials from the standard chain, bounded tries, and what is said when they fail.
//!
//! # Limits
//! Nothing is asked before a client of one service asks it, and no credential is written anywhere.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body_util::Limited;

use crate::{
    bounds,
    error::{Error, Place},
};

pub mod cost_explorer;
pub mod ec2;
pub mod price_list;

/// Seconds after which an attempt is given up.
pub const ATTEMPT_SECONDS: u64 = 60;

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
    /// First wait between tries [ms].
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
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
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

/// The name of a part of credentials that is not made of visible ASCII characters.
fn unsendable(credentials: &Credentials) -> Option<&'static str> {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(credentials.access_key_id()) {
        return Some("AWS_ACCESS_KEY_ID");
    }
    let token = credentials.session_token().unwrap_or_default();
    (!visible(token)).then_some("AWS_SESSION_TOKEN")
}

/// Ends an answer that has no end: the SDK would hold all of it.
#[derive(Debug)]
pub struct BoundedAnswer;

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
        *context.response_mut().body_mut() =
            SdkBody::from_body_1_x(Limited::new(body, bounds::ANSWER_BYTES));
        Ok(())
    }
}

/// What AWS says, with what to do about it; credentials are no part of it. `of` is the prefix of the
/// permission, and where more is said about permissions.
pub fn refused<E>(of: (&str, &str), operation: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let said = |meta: &E| meta.message().unwrap_or("no reason given").to_owned();
    let message = match error {
        SdkError::ServiceError(context) => {
            let meta = context.err();
            match meta.code().unwrap_or_default() {
                "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => format!(
                    "{operation}: access denied: {}; it needs the permission {}:{operation} ({})",
                    said(meta),
                    of.0,
                    of.1
                ),
                "ExpiredTokenException" | "ExpiredToken" => {
                    format!("{operation}: the session has expired; sign in again")
                }
                "LimitExceededException" | "ThrottlingException" | "TooManyRequestsException" => {
                    format!("{operation}: throttled on every try; wait a minute and try again")
                }
                "DataUnavailableException" => format!(
                    "{operation}: the data are not ready yet ({}); a new account has them after a day",
                    said(meta)
                ),
                "" => format!(
                    "{operation}: an answer that cannot be read (HTTP {}): {}",
                    context.raw().status(),
                    first_line(&DisplayErrorContext(meta).to_string())
                ),
                code => format!("{operation}: {code}: {}", said(meta)),
            }
        }
        SdkError::DispatchFailure(failure) => {
            let text = DisplayErrorContext(error).to_string();
            if failure.as_connector_error().is_none() || text.contains("credential") {
                format!(
                    "{operation}: no usable credentials; set a profile with --profile, AWS_PROFILE, or sign in ({})",
                    first_line(&text)
                )
            } else {
                format!("{operation}: cannot be reached: {}", first_line(&text))
            }
        }
        SdkError::TimeoutError(_) => {
            format!("{operation}: no answer within {ATTEMPT_SECONDS} s, on every try")
        }
        SdkError::ResponseError(_) => format!(
            "{operation}: an answer that cannot be read: {}",
            first_line(&DisplayErrorContext(error).to_string())
        ),
        _ => format!("{operation}: {}", first_line(&DisplayErrorContext(error).to_string())),
    };
    Error::failed(Place::default(), message)
}

/// The beginning of a long report.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}
