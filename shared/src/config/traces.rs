//! Where spans of traces are sent, if anywhere. The names are OpenTelemetry's own.

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::reader::Reader;
use super::rules;

/// Headers that a receiver may want: a key and a tenant, usually.
const HEADERS_MAX: usize = 16;

/// A receiver of OTLP, and what it gets.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Spans go to `v1/traces` below it.
    pub endpoint: Url,
    /// Sent along: they prove who we are.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// The share of traces that are sent, of those that begin here; 0 to 1.
    pub sample_ratio: f64,
}

impl Traces {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let sample_ratio = reader
            .parsed("OTEL_TRACES_SAMPLE_RATIO", "a number from 0 to 1", "1", |text| rules::between(text, 0.0, 1.0));
        let headers = reader.optional("OTEL_EXPORTER_OTLP_HEADERS");
        let headers = headers.and_then(|text| {
            let wanted = "pairs such as api-key=secret, separated by commas, with values percent-encoded";
            reader.checked("OTEL_EXPORTER_OTLP_HEADERS", wanted, header_list(&text))
        });
        let endpoint = reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT");
        if endpoint.is_none() && headers.is_some() {
            reader.problem("OTEL_EXPORTER_OTLP_HEADERS", "is set, but OTEL_EXPORTER_OTLP_ENDPOINT is not");
        }
        let endpoint = endpoint?;
        let endpoint = reader.checked("OTEL_EXPORTER_OTLP_ENDPOINT", rules::SECURE, rules::secure(&endpoint))?;
        Some(Self { endpoint, headers: headers.unwrap_or_default(), sample_ratio })
    }
}

fn header_list(text: &str) -> Option<Vec<(HeaderName, SecretString)>> {
    let pair = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((name.trim().parse().ok()?, SecretString::from(value.into_owned())))
    };
    let headers: Vec<_> = rules::list(text).map(pair).collect::<Option<_>>()?;
    (headers.len() <= HEADERS_MAX).then_some(headers)
}
