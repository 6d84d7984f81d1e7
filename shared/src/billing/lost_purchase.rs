//! SQL: a purchase whose row was lost, because the database was restored to a moment before it began. What we told the
//! provider to remember says whose it was and of what.

use sqlx::PgPool;
use uuid::Uuid;

use super::purchase::{self, Purchase};
use super::stripe::Metadata;
use crate::ids::UserId;

/// Writes the purchase again, at the price that its pack or plan has now; `None` where the user or the offer is not
/// here, and then it is nobody's.
///
/// The price is never the metadata's to say: what was paid must be it, or an operator looks. So a checkout that others
/// made in our name buys no more than what it pays for.
pub(super) async fn make_again(
    pool: &PgPool,
    purchase_id: Uuid,
    metadata: &Metadata,
) -> Result<Option<Purchase>, sqlx::Error> {
    let Some((user_id, currency)) = metadata.user().zip(metadata.currency.as_deref()) else { return Ok(None) };
    let made = sqlx::query!(
        r#"
        with offer as (
            select pack_id, null::uuid as plan_id, pack.name || ', ' || credits || ' credits' as name, credits,
                   0 as months, amount_cents
            from gateway.pack where pack_id = $3
            union all
            select null, id, plan.name, credits_per_month, case interval when 'monthly' then 1 else 12 end,
                   (price * 100)::integer
            from public.billing_plans as plan where id = $4 and credits_per_month > 0 and $3::text is null
        )
        insert into gateway.purchase
            (purchase_id, user_id, pack_id, plan_id, name, credits, months, amount_cents, currency, state, created_at,
             expires_at)
        -- Of a plan it ends here: an open one would stand in the way of another that she began since.
        select $1, $2, pack_id, plan_id, name, credits, months, amount_cents, $5,
               case when plan_id is null then 'open' else 'paid' end, gateway.now(), gateway.now()
        from offer
        where exists (select from public.credits where user_id = $2)
        on conflict do nothing
        "#,
        purchase_id,
        user_id as UserId,
        metadata.pack_id,
        metadata.plan(),
        currency,
    )
    .execute(pool)
    .await?;
    if made.rows_affected() == 1 {
        tracing::warn!(%purchase_id, "a purchase had no row and was made again from what the provider remembers");
    }
    purchase::find(pool, purchase_id).await
}
