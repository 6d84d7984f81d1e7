//! The settings of the provider of payments. Without its key nothing is sold.

use secrecy::SecretString;
use url::Url;

use super::reader::Reader;
use super::{rules, secret};

const STRIPE_API_URL: &str = "https://api.stripe.com";

/// Currencies whose amounts have no cents, or thousandths: the provider counts them otherwise, and prices here are cents.
const WITHOUT_CENTS: [&str; 21] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    "bhd", "jod", "kwd", "omr", "tnd",
];

/// How credits are sold.
#[derive(Clone, Debug)]
pub struct Billing {
    /// An origin, without a path.
    pub api_url: Url,
    pub secret_key: SecretString,
    /// Any of them may sign an event.
    pub webhook_secrets: Vec<SecretString>,
    /// Three small letters; all prices are in its cents.
    pub currency: String,
    /// The page of the front end that customers come back to.
    pub return_url: Url,
}

impl Billing {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let api_url = reader.parsed("STRIPE_API_URL", rules::SECURE, STRIPE_API_URL, rules::secure);
        let currency =
            reader.parsed("BILLING_CURRENCY", "a currency with cents, as three letters such as usd", "usd", |text| {
                let text = text.to_ascii_lowercase();
                let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
                (is_code && !WITHOUT_CENTS.contains(&text.as_str())).then_some(text)
            });
        let Some(secret_key) = reader.optional("STRIPE_SECRET_KEY") else {
            for name in ["STRIPE_WEBHOOK_SECRET", "BILLING_RETURN_URL"] {
                if reader.optional(name).is_some() {
                    reader.problem(name, "is set, but STRIPE_SECRET_KEY is not");
                }
            }
            return None;
        };
        Some(Self {
            api_url,
            secret_key: secret_key.into(),
            webhook_secrets: secret::list(reader, "STRIPE_WEBHOOK_SECRET"),
            currency,
            return_url: reader.required_url("BILLING_RETURN_URL", rules::SECURE, rules::secure),
        })
    }
}
