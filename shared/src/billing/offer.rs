//! SQL: what is on sale.

use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::credits::Credits;

/// Offers listed at most, of each sort.
const OFFERS_MAX: i64 = 100;

/// Credits to be bought once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    pub pack_id: String,
    pub name: String,
    pub credits: Credits,
    pub amount_cents: i32,
}

/// Credits every month, paid by the month or the year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub plan_id: Uuid,
    pub name: String,
    pub description: Option<String>,
    /// `monthly` or `yearly`.
    pub interval: String,
    pub credits_per_month: Credits,
    /// For one such interval.
    pub amount_cents: i64,
    /// Whether it can be bought: a price that the provider takes, and credits.
    pub for_sale: bool,
    /// What it brings besides, in words.
    pub features: Vec<String>,
}

/// The packs on sale, the smallest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_packs(pool: &PgPool) -> Result<Vec<Pack>, sqlx::Error> {
    sqlx::query_as!(
        Pack,
        r#"
        select pack_id, name, credits as "credits: Credits", amount_cents
        from gateway.pack where active order by amount_cents, pack_id limit $1
        "#,
        OFFERS_MAX,
    )
    .fetch_all(pool)
    .await
}

/// The plans on offer, the cheapest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_plans(pool: &PgPool) -> Result<Vec<Plan>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select id, left(name, 200) as "name!", left(description, 5000) as description,
               left(interval, 100) as "interval!", coalesce(credits_per_month, 0) as "credits: Credits",
               case when octet_length(features::text) <= 20000 then features end as features,
               case when abs(price) < 1e15 then round(price * 100)::bigint else 0 end as "amount_cents!",
               (gateway.is_for_sale(price, interval, credits_per_month)) as "for_sale!"
        from public.billing_plans where active order by price, id limit $1
        "#,
        OFFERS_MAX,
    )
    .fetch_all(pool)
    .await?;
    let plans = rows.into_iter().map(|row| Plan {
        plan_id: row.id,
        name: row.name,
        description: row.description,
        interval: row.interval,
        credits_per_month: row.credits.unwrap_or_default(),
        amount_cents: row.amount_cents,
        for_sale: row.for_sale,
        features: row.features.map(texts).unwrap_or_default(),
    });
    Ok(plans.collect())
}

/// The texts of a JSON array; a deployment may keep anything there.
fn texts(features: Value) -> Vec<String> {
    let Value::Array(features) = features else { return Vec::new() };
    let text = |feature| if let Value::String(text) = feature { Some(text) } else { None };
    features.into_iter().filter_map(text).collect()
}
