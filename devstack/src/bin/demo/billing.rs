//! Buying a pack, subscribing to a plan, a month that passes, and the statement of it all: through the API and the checkout
//! page, as a customer does it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use devstack::client::{Client, SignedIn};
use devstack::shop::{PLAN_CREDITS, STARTER, pay};
use devstack::stack::Stack;
use serde_json::Value;
use uuid::Uuid;

/// How long credits may take to come after they are paid.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longer than any month.
const MONTH: Duration = Duration::from_hours(24 * 31);

/// Buys and subscribes, and lets a month pass; the user, signed in at that time.
pub(super) async fn buy_and_subscribe(stack: &Stack, user: SignedIn) -> anyhow::Result<SignedIn> {
    if stack.payments().is_none() {
        println!("\nPayments are real here, or not taken at all: nothing is bought.");
        return Ok(user);
    }
    let client = stack.client(&user.token)?;
    println!("\nOn sale:\n{}", offers(&client).await?);
    println!("She buys a pack.");
    let before = client.balance().await?;
    let bought = pay(&client.buy(STARTER.0).await?).await?;
    println!("  paid at {bought}");
    arrived(&client, before + i64::from(STARTER.1)).await?;

    println!("She subscribes to a plan.");
    let plans = client.get("/api/v1/billing/plans").await?.body;
    let plan_id: Uuid = plans["items"][0]["plan_id"].as_str().context("a plan")?.parse()?;
    let before = client.balance().await?;
    println!("  paid at {}", pay(&client.subscribe(plan_id).await?).await?);
    arrived(&client, before + i64::from(PLAN_CREDITS)).await?;
    if !stack.owns_time() {
        println!("A real service takes part, whose clock nobody moves: the plan is not renewed here.");
        return Ok(user);
    }

    println!("A month passes, and the plan is renewed.");
    stack.advance(MONTH).await?;
    let user = stack.auth.sign_in(&user).await?;
    let client = stack.client(&user.token)?;
    arrived(&client, before + 2 * i64::from(PLAN_CREDITS)).await?;
    let held = client.get("/api/v1/subscriptions").await?.body;
    let invoices = client.get("/api/v1/billing/invoices").await?.body;
    let paid = invoices["items"].as_array().map_or(0, Vec::len);
    println!(
        "  {} until {}, {paid} invoices",
        text(&held["items"][0]["status"]),
        text(&held["items"][0]["current_period_end"])
    );
    Ok(user)
}

async fn offers(client: &Client) -> anyhow::Result<String> {
    let mut lines = String::new();
    let packs = client.get("/api/v1/billing/packs").await?.body;
    let plans = client.get("/api/v1/billing/plans").await?.body;
    let price = |offer: &Value| format!("{:.2} {}", cents(&offer["amount_cents"]), text(&offer["currency"]));
    for pack in packs["items"].as_array().context("packs")? {
        let _ = writeln!(
            lines,
            "  {:<18} {:>5} credits          {:>12}",
            text(&pack["name"]),
            pack["credits"],
            price(pack)
        );
    }
    for plan in plans["items"].as_array().context("plans")? {
        let (name, credits) = (text(&plan["name"]), &plan["credits_per_month"]);
        let _ = writeln!(
            lines,
            "  {name:<18} {credits:>5} credits a month  {:>12} {}",
            price(plan),
            text(&plan["interval"])
        );
    }
    Ok(lines)
}

/// Waits until the balance is this.
async fn arrived(client: &Client, expected: i64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let balance = client.balance().await?;
        if balance == expected {
            println!("  {balance} credits, {:.1} s later", begun.elapsed().as_secs_f64());
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("{balance} credits, and not {expected}, after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Every line of the user's ledger, the oldest first, with the balance after it.
pub(super) async fn statement(client: &Client) -> anyhow::Result<String> {
    let page = client.get("/api/v1/credits/transactions?limit=100").await?.body;
    ensure!(page["next"].is_null(), "a demo has less than a page of entries");
    let mut table = format!("  {:<16}  {:>7} {:>8}  {}\n", "time", "credits", "balance", "for");
    let mut balance = 0;
    for entry in page["items"].as_array().context("entries")?.iter().rev() {
        let (amount, at) = (entry["amount"].as_i64().context("an amount")?, text(&entry["created_at"]));
        balance += amount;
        let at = at.get(..16).unwrap_or(at).replace('T', " ");
        let _ = writeln!(table, "  {at:<16}  {amount:>+7} {balance:>8}  {}", text(&entry["reason"]));
    }
    ensure!(balance == client.balance().await?, "the balance is not the sum of the entries");
    Ok(table)
}

fn cents(amount: &Value) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "prices are small, and this is for people")]
    let units = amount.as_i64().unwrap_or_default() as f64;
    units / 100.0
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
