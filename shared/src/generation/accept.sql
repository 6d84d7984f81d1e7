-- Accepts a generation: key, limits, reservation, generation, run, entry, event and job, or none of them.
-- A refusal for credits still counts against the limit. Locks: user, limit, credits.
-- The user's limit row makes her accepts queue up; a duplicate that waited there meets idempotency_key_once,
-- which undoes the whole statement, and is answered by a second read.
with asked as (
    select $1::uuid as generation_id, $2::uuid as user_id, $3::text as workflow, $4::text as title,
           $5::text as method, $6::jsonb as parameters, $7::integer as price, $8::smallint as outputs_asked,
           $9::text as output_format, $10::bigint as seed, $11::text as request_id, $12::text as endpoint,
           $13::integer as target_seconds, $14::integer as max_seconds,
           $15::uuid as project_id, $16::text as brand_name, $17::text as campaign_name, $18::text[] as tags,
           $19::text as key, $20::bytea as fingerprint, $21::text as response,
           $22::text as job_id, $23::bytea as job, $28::text as dialect, $30::text as traceparent,
           gateway.now() as now
), replay as (
    select stored.fingerprint, stored.response
    from asked join gateway.idempotency_key as stored using (user_id, key)
    where stored.operation = 'generate' and stored.expires_at > asked.now
), kept as materialized (
    select gateway.keep_user(user_id) as user_known from asked
), known as (
    select user_known,
           asked.project_id is null or exists (
               select from public.projects
               where projects.id = asked.project_id and projects.user_id = asked.user_id) as project_known,
           coalesce((select credits from gateway.debt where debt.user_id = asked.user_id), 0) as debt
    from asked cross join kept
), limited as (
    insert into gateway.user_limit as held (user_id, full_at)
    select asked.user_id, asked.now + make_interval(secs => $24)
    from asked, known
    where user_known and project_known and not exists (select from replay)
    on conflict (user_id) do update
    set full_at = greatest(held.full_at, gateway.now()) + make_interval(secs => $24)
    -- The run inserted below is counted by a trigger, when all of this is done.
    where held.runs_open < $29
      -- What was admitted is within it, even if another statement has since charged it from a later now().
      and ($24 = 0
           or greatest(held.full_at, gateway.now()) + make_interval(secs => $24)
              <= gateway.now() + make_interval(secs => $25))
    returning user_id, full_at
), reserved as (
    update public.credits
    set balance = credits.balance - asked.price, updated_at = now()
    from asked, limited, known
    -- A reversal that has not been seen here has left no balance.
    where credits.user_id = limited.user_id and credits.balance >= asked.price and known.debt = 0
    returning credits.user_id
), generation as (
    insert into public.generations
        (id, project_id, user_id, generation_type, method, input_data, status, workflow_name, brand_name,
         campaign_name, tags, created_at)
    select generation_id, project_id, user_id, workflow, method, parameters, 'processing', title, brand_name,
           campaign_name, tags, now
    from asked join reserved using (user_id)
), entry as (
    insert into public.credit_transactions
        (user_id, amount, transaction_type, generation_id, description, entry_key, created_at)
    select user_id, -price, 'generation', generation_id, title || ' × ' || outputs_asked, 'generation:' || generation_id,
           now
    from asked join reserved using (user_id)
), run as (
    insert into gateway.run
        (generation_id, user_id, workflow, endpoint, dialect, price, outputs_asked, output_format, seed, request_id,
         traceparent, accepted_at, deadline_at, target_seconds, max_seconds, wake_at, job_id)
    select generation_id, user_id, workflow, endpoint, dialect, price, outputs_asked, output_format, seed, request_id,
           traceparent, now, now + make_interval(secs => $26::float8 + max_seconds), target_seconds, max_seconds, now, job_id
    from asked join reserved using (user_id)
), event as (
    insert into gateway.event (generation_id, kind, stage, attempt, created_at)
    select generation_id, 'accepted', 'queued', 1, now
    from asked join reserved using (user_id)
), key as (
    insert into gateway.idempotency_key
        (user_id, operation, key, fingerprint, response, created_at, expires_at)
    select user_id, 'generate', key, fingerprint, response, now, now + make_interval(secs => $27)
    from asked join reserved using (user_id)
    where key is not null
), job as (
    insert into apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, priority, metadata)
    select job_id, 'submit', job, 'Pending', 0, 1, now(), 0, ''::hstore
    from asked join reserved using (user_id)
)
select exists (select from reserved) as "accepted!",
       exists (select from limited) as "within_limit!",
       user_known as "user_known!",
       project_known as "project_known!",
       debt as "debt!: Credits",
       (select fingerprint from replay) as replay_fingerprint,
       (select response from replay) as replay_response,
       -- Where it was charged, the row shows what it was before.
       greatest(extract(epoch from coalesce((select full_at from limited), held.full_at, asked.now) - asked.now), 0)::float8
           as "full_in_seconds!"
from asked cross join known left join gateway.user_limit as held using (user_id)
