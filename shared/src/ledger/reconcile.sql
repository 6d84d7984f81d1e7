-- What must be true of the money, asked of the rows themselves: one row for each rule that is broken, none when all is well.
-- Anyone who may read the tables can run it: psql -f reconcile.sql
with entries as (
    select user_id, sum(amount)::bigint as total from public.credit_transactions group by user_id
), paid as (
    select generation_id, user_id,
           coalesce(-sum(amount) filter (where transaction_type = 'generation'), 0)::bigint as reserved,
           coalesce(sum(amount) filter (where transaction_type = 'refund'), 0)::bigint as refunded
    from public.credit_transactions
    where generation_id is not null
    group by generation_id, user_id
), run as (
    select generation_id, user_id, stage, price::bigint,
           case when stage in ('completed', 'failed', 'cancelled')
                then price::bigint - price::bigint * coalesce(outputs_delivered, 0) / outputs_asked - cancel_fee
                else 0 end as owed
    from gateway.run
), bought as (
    -- Rows of before this backend have no key, and no payment that is known here.
    select user_id,
           coalesce(sum(amount) filter (where transaction_type in ('purchase', 'subscription')), 0)::bigint as credits,
           coalesce(-sum(amount) filter (where transaction_type = 'reversal'), 0)::bigint as reversed
    from public.credit_transactions
    where entry_key is not null and transaction_type in ('purchase', 'subscription', 'reversal')
    group by user_id
), payments as (
    select user_id, sum(credits_granted)::bigint as granted, sum(credits_reversed)::bigint as reversed
    from gateway.payment group by user_id
)
select 'balance is the sum of the entries' as "rule!", credits.user_id as "id!",
       coalesce(entries.total, 0) as "expected!", credits.balance::bigint as "found!"
from public.credits left join entries using (user_id)
where credits.balance <> coalesce(entries.total, 0) or credits.balance < 0
union all
select 'entries have a balance', entries.user_id, entries.total, 0
from entries left join public.credits using (user_id)
where credits.user_id is null and entries.total <> 0
union all
-- Refunds of before this backend have no key, and may have lost their generations.
select 'a refund is of a reservation', coalesce(refund.generation_id, refund.user_id), 0, refund.amount::bigint
from public.credit_transactions as refund
where refund.transaction_type = 'refund' and refund.entry_key is not null
  and not exists (select from public.credit_transactions as reservation
                  where reservation.transaction_type = 'generation' and reservation.user_id = refund.user_id
                    and reservation.generation_id = refund.generation_id)
union all
select 'the reservation is the price', run.generation_id, run.price, coalesce(paid.reserved, 0)
from run left join paid using (generation_id, user_id)
where run.price <> coalesce(paid.reserved, 0)
union all
select 'the refund is what was not delivered', run.generation_id, run.owed, coalesce(paid.refunded, 0)
from run left join paid using (generation_id, user_id)
where run.owed <> coalesce(paid.refunded, 0)
union all
-- What was bought is an entry, and what was taken back is one or is owed.
select 'payments brought what the entries say', coalesce(bought.user_id, paid.user_id), coalesce(paid.granted, 0),
       coalesce(bought.credits, 0)
from bought full join payments as paid using (user_id)
where coalesce(paid.granted, 0) <> coalesce(bought.credits, 0)
union all
select 'reversals and debt are what payments took back', coalesce(bought.user_id, paid.user_id, debt.user_id),
       coalesce(paid.reversed, 0), coalesce(bought.reversed, 0) + coalesce(debt.credits, 0)
from bought full join payments as paid using (user_id) full join gateway.debt using (user_id)
where coalesce(paid.reversed, 0) <> coalesce(bought.reversed, 0) + coalesce(debt.credits, 0)
union all
-- What is granted beyond what the money that was kept pays for is taken back, and no more.
select 'a payment keeps what its money pays for', user_id, greatest(0, credits_granted - credits_paid), credits_reversed
from gateway.payment
where credits_reversed <> greatest(0, credits_granted - credits_paid)
order by 2, 1
limit 1000
