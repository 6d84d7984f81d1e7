-- What is odd about the money, other than books that do not balance (reconcile.sql): one row a finding, at most $5 of a
-- kind. $1 credits an hour, $2 percent refunded of at least $3 credits reserved in a day, $4 users of one mailbox, $6 times
-- that an event of the provider of payments was followed up.
with mailbox as (
    select shared.user_id, shared.first_user_id, count(*) over (partition by shared.first_user_id) as users
    from gateway.list_shared_emails() as shared
    join public.credit_transactions as entry on entry.entry_key = 'grant:welcome:' || shared.user_id
), reserved as (
    select user_id, generation_id, -amount::bigint as credits
    from public.credit_transactions
    where transaction_type = 'generation' and created_at > gateway.now() - interval '24 hours'
), refunded as (
    select reserved.user_id, sum(reserved.credits) as reserved, coalesce(sum(refund.credits), 0) as refunded
    from reserved left join (
        select generation_id, sum(amount) as credits
        from public.credit_transactions
        where transaction_type = 'refund' and created_at > gateway.now() - interval '24 hours'
        group by generation_id
    ) as refund using (generation_id)
    group by reserved.user_id
)
(select 'negative_balance' as "kind!: AnomalyKind", user_id as "subject!", balance::bigint as "observed!",
        0::bigint as "threshold!", '' as "detail!"
 from public.credits
 where balance < 0
 order by user_id limit $5)
union all
(select 'jumping_balance', user_id, sum(amount)::bigint, $1, ''
 from public.credit_transactions
 where amount > 0 and created_at > gateway.now() - interval '1 hour'
 group by user_id having sum(amount) > $1
 order by user_id limit $5)
union all
-- Entries of before this backend have no key, and their generations no run.
(select 'spend_without_generation', coalesce(entry.generation_id, entry.user_id), -entry.amount::bigint, 0, entry.entry_key
 from public.credit_transactions as entry
 left join gateway.run on run.generation_id = entry.generation_id and run.user_id = entry.user_id
 where entry.transaction_type = 'generation' and entry.entry_key is not null and run.generation_id is null
 order by entry.entry_key limit $5)
union all
(select 'refunds', user_id, ceil(refunded * 100 / reserved)::bigint, $2::bigint, ''
 from refunded
 where reserved > 0 and reserved >= $3::bigint and refunded * 100 > $2::bigint * reserved
 order by user_id limit $5)
union all
(select 'charged_cancels', user_id, count(*), 0, ''
 from gateway.run
 where stage = 'cancelled' and cancel_fee > 0 and settled_at > gateway.now() - interval '24 hours'
 group by user_id
 order by user_id limit $5)
union all
(select 'shared_email', user_id, users, $4, 'first user ' || first_user_id
 from mailbox
 where users > $4
 order by first_user_id, user_id limit $5)
union all
(select 'two_subscriptions', subscription.user_id, count(*), 1, ''
 from gateway.subscription join public.subscriptions on subscriptions.id = subscription_id
 where subscriptions.status in ('active', 'past_due')
 group by subscription.user_id having count(*) > 1
 order by subscription.user_id limit $5)
union all
(select 'undecided_payment', user_id, paid_cents, agreed_cents, reason || ': ' || object_id
 from gateway.undecided_payment
 order by object_id limit $5)
union all
(select 'stuck_payment', '00000000-0000-0000-0000-000000000000'::uuid, tries, $6::bigint, kind || ' of ' || object_id
 from gateway.payment_event
 where tries >= $6::bigint and (ended_at is null or outcome = 'given_up')
 order by event_id limit $5)
