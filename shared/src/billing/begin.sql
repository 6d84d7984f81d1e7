-- Begins a purchase at the price of this moment, or says why not.
with asked as (
    select $1::uuid as purchase_id, $2::uuid as user_id, $3::text as pack_id, $4::uuid as plan_id, $5::text as currency,
           $6::text as key, $7::bytea as fingerprint, gateway.now() as now
), offer as (
    select pack.name || ', ' || pack.credits || ' credits' as name, pack.credits, 0 as months, pack.amount_cents
    from gateway.pack join asked using (pack_id)
    where pack.active
    union all
    select plan.name, plan.credits_per_month, case plan.interval when 'monthly' then 1 else 12 end,
           (plan.price * 100)::integer
    from public.billing_plans as plan join asked on plan.id = asked.plan_id
    where plan.active and gateway.is_for_sale(plan.price, plan.interval, plan.credits_per_month)
), known as (
    select exists (select from public.profiles where profiles.id = asked.user_id) as user_known,
           (select count(*) from gateway.purchase
            where purchase.user_id = asked.user_id and purchase.state = 'open' and purchase.expires_at > asked.now)
               as open
    from asked
), begun as (
    insert into gateway.purchase
        (purchase_id, user_id, pack_id, plan_id, name, credits, months, amount_cents, currency, key, fingerprint,
         created_at, expires_at)
    select purchase_id, user_id, pack_id, plan_id, name, credits, months, amount_cents, currency, key, fingerprint,
           -- Whole seconds, as the provider has them.
           now, date_trunc('second', now) + make_interval(secs => $8)
    from asked, offer, known
    where user_known and open < $9
    returning purchase_id
)
select exists (select from begun) as "begun!", exists (select from offer) as "on_sale!", user_known as "user_known!"
from known
