-- gateway: our private record of what public.generations shows a customer. Not exposed to browsers.
-- All times are gateway.now(): the database's clock plus an offset that only a development stack sets.

create schema if not exists gateway;
revoke all on schema gateway from public;

create table gateway.clock (
  singleton boolean primary key default true check (singleton),
  ahead interval not null default interval '0'
);
insert into gateway.clock default values;

create function gateway.now() returns timestamptz
  language sql stable set search_path = ''
  as $$ select pg_catalog.now() + (select ahead from gateway.clock) $$;
revoke execute on function gateway.now() from public;

create table gateway.setting (
  name text primary key,
  value jsonb not null
);
insert into gateway.setting (name, value) values ('welcome_credits', '100');

-- One run a generation: the stage it is in, who may move it, and when something must look at it next.
create table gateway.run (
  generation_id uuid primary key references public.generations (id) on delete cascade,
  user_id uuid not null,
  workflow text not null,
  endpoint text not null,
  stage text not null default 'queued' constraint run_stage_known check (stage in
    ('queued', 'submitting', 'running', 'collecting', 'completed', 'failed', 'cancelled')),
  price integer not null check (price >= 0),
  outputs_asked smallint not null check (outputs_asked between 1 and 4),
  outputs_delivered smallint check (outputs_delivered between 0 and outputs_asked),
  output_format text not null,
  seed bigint not null,
  request_id text not null,
  accepted_at timestamptz not null,
  deadline_at timestamptz not null,
  target_seconds integer not null check (target_seconds > 0),
  max_seconds integer not null check (max_seconds > 0),
  attempt smallint not null default 1 check (attempt between 1 and 3),
  timeouts smallint not null default 0,       -- failures that may be retried once, so far
  tries smallint not null default 0,          -- unavailable answers in a row: drives the backoff
  polls integer not null default 0,           -- looks since submission: drives the poll interval
  lost_looks smallint not null default 0,     -- looks in a row that found no such provider job
  provider_job_id text,                       -- of the attempt that runs or has won
  submitted_at timestamptz,
  unknown_until timestamptz,                  -- a lost answer is waited for until then
  result_at timestamptz,                      -- when the provider was first seen to have finished
  poll_at timestamptz,                        -- submitting, running: look at the provider then
  wake_at timestamptz,                        -- queued, collecting: the job of job_id is due then
  job_id text,                                -- the queued wake-up, an id of apalis.jobs
  rings integer not null default 0,           -- raised by webhooks and cancels, so that a commit does not overwrite their call
  cancel_requested_at timestamptz,
  lease_id uuid,
  leased_until timestamptz,
  progress smallint not null default 0 check (progress between 0 and 100),
  error_code text,
  settled_at timestamptz,
  constraint run_settled_when_final check ((settled_at is not null) = (stage in ('completed', 'failed', 'cancelled')))
);
create index run_to_poll on gateway.run (poll_at) where stage in ('submitting', 'running');
create index run_to_wake on gateway.run (wake_at) where stage in ('queued', 'collecting');
create index run_by_lease on gateway.run (lease_id) where lease_id is not null;
create index run_open_by_deadline on gateway.run (deadline_at)
  where stage in ('queued', 'submitting', 'running', 'collecting');
create index run_settled_by_workflow on gateway.run (workflow, settled_at) where stage = 'completed';

-- One attempt a provider job that may exist.
create table gateway.attempt (
  generation_id uuid not null references gateway.run (generation_id) on delete cascade,
  attempt smallint not null,
  provider_job_id text,
  started_at timestamptz not null,
  webhook_at timestamptz,
  outcome text,
  ended_at timestamptz,
  primary key (generation_id, attempt)
);

create table gateway.output (
  generation_id uuid not null references gateway.run (generation_id) on delete cascade,
  n smallint not null check (n between 1 and 4),
  path text not null,
  format text not null,
  width integer not null,
  height integer not null,
  size_bytes bigint not null,
  link text,
  link_until timestamptz,
  created_at timestamptz not null,
  primary key (generation_id, n)
);

create table gateway.event (
  id bigint generated always as identity primary key,
  generation_id uuid not null references gateway.run (generation_id) on delete cascade,
  kind text not null,
  stage text not null,
  attempt smallint not null,
  detail text,
  created_at timestamptz not null
);
create index event_by_generation on gateway.event (generation_id, id);

create table gateway.idempotency_key (
  user_id uuid not null references public.profiles (id) on delete cascade,
  operation text not null,
  key text not null,
  fingerprint bytea not null,
  response text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint idempotency_key_once primary key (user_id, operation, key)
);
create index idempotency_key_by_expiry on gateway.idempotency_key (expires_at);

-- GCRA: `full_at` is when the user's allowance would be whole again.
create table gateway.user_limit (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  full_at timestamptz not null
);

-- One rate budget per endpoint and operation, shared by all workers: `free_at` is the next free slot.
create table gateway.provider_budget (
  endpoint text not null,
  operation text not null,
  free_at timestamptz not null,
  primary key (endpoint, operation)
);
