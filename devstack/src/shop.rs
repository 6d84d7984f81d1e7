//! What is on sale on one machine, and how the services reach the payment simulator. SQL.

use anyhow::{Context, ensure};
use simulators::payments::PaymentsHandle;
use simulators::{PaymentsOptions, Time};
use sqlx::PgPool;
use url::Url;
use uuid::Uuid;

use crate::client::Answer;

/// The pack that tests and the demo buy, its credits, and its price.
pub const STARTER: (&str, i32, i32) = ("starter", 100, 900);
/// Long enough for what signs anything here.
const WEBHOOK_SECRET: &str = "whsec_simulated_0000000000000000000000000";

/// The plans that are on sale.
#[derive(Clone, Copy, Debug)]
pub struct Plans {
    pub monthly: Uuid,
    pub yearly: Uuid,
}

/// Credits that come each month of both plans.
pub const PLAN_CREDITS: i32 = 500;

/// The payment simulator under a clock that the test moves.
pub fn options() -> PaymentsOptions {
    PaymentsOptions { time: Time::Manual, webhook_secret: WEBHOOK_SECRET.to_owned(), ..PaymentsOptions::default() }
}

/// Where the simulator calls.
pub fn webhook_url(api_url: &Url) -> String {
    format!("{}api/v1/webhook/stripe", api_url)
}

/// What the services must be told to sell by it.
pub fn settings(payments: &PaymentsHandle, api_url: &Url) -> [(String, String); 4] {
    [
        ("STRIPE_API_URL", payments.url()),
        ("STRIPE_SECRET_KEY", payments.secret_key().to_owned()),
        ("STRIPE_WEBHOOK_SECRET", payments.webhook_secrets().join(",")),
        ("BILLING_RETURN_URL", format!("{api_url}docs")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// Puts three packs and two plans on sale, once.
///
/// # Errors
/// Whatever the database says.
pub async fn stock(pool: &PgPool) -> Result<Plans, sqlx::Error> {
    let (pack_id, credits, amount_cents) = STARTER;
    sqlx::query(
        "insert into gateway.pack (pack_id, name, credits, amount_cents)
         values ($1, 'Starter', $2, $3), ('studio', 'Studio', 600, 4900), ('agency', 'Agency', 3000, 19900)
         on conflict do nothing",
    )
    .bind(pack_id)
    .bind(credits)
    .bind(amount_cents)
    .execute(pool)
    .await?;
    let plan = async |name: &str, price: &str, interval: &str| -> Result<Uuid, sqlx::Error> {
        let known = sqlx::query_scalar("select id from public.billing_plans where name = $1").bind(name);
        if let Some(known) = known.fetch_optional(pool).await? {
            return Ok(known);
        }
        let made = sqlx::query_scalar(
            "insert into public.billing_plans (name, description, price, interval, features, credits_per_month)
             values ($1, 'For brands that publish every week', $2::numeric, $3, '[\"Video\", \"Priority\"]', $4)
             returning id",
        );
        made.bind(name).bind(price).bind(interval).bind(PLAN_CREDITS).fetch_one(pool).await
    };
    Ok(Plans {
        monthly: plan("Pro", "29.00", "monthly").await?,
        yearly: plan("Pro, by the year", "290.00", "yearly").await?,
    })
}

/// Pays on the page that a checkout leads to, as its button does; the page's address.
///
/// # Errors
/// When there is no checkout, or its page does not take the payment.
pub async fn pay(checkout: &Answer) -> anyhow::Result<String> {
    ensure!(checkout.status == 201, "the checkout was refused: {}", checkout.body);
    let url = checkout.body["checkout_url"].as_str().context("a checkout has an address")?;
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let paid = browser.post(format!("{url}/pay")).send().await?;
    ensure!(paid.status() == 303, "the page answered {}", paid.status());
    Ok(url.to_owned())
}

/// The provider's session that a checkout leads to.
///
/// # Panics
/// When the answer is no checkout.
pub fn session(checkout: &Answer) -> String {
    let url = checkout.body["checkout_url"].as_str().expect("a checkout");
    url.rsplit('/').next().expect("an address has parts").to_owned()
}
