-- What is odd about the money. One worker at a time reads the books and writes here what it finds; every worker, and
-- whoever operates this, reads it here. Nothing is repaired.

-- When all of the books were last read. One row.
create table gateway.reading (
  singleton boolean primary key default true check (singleton),
  read_at timestamptz
);
insert into gateway.reading default values;

create table gateway.anomaly (
  id bigint generated always as identity primary key,
  kind text not null constraint anomaly_kind_known check (kind in
    ('negative_balance', 'jumping_balance', 'spend_without_generation', 'refunds', 'shared_email', 'two_subscriptions',
     'undecided_payment', 'stuck_payment', 'charged_cancels', 'imbalance')),
  subject uuid not null,                      -- a user or a generation, which may be gone by now; zero where unknown
  observed bigint not null,
  threshold bigint not null,
  detail text not null,                       -- tells anomalies of one kind and subject apart; never an e-mail address
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  ended_at timestamptz
);
create unique index anomaly_open_once on gateway.anomaly (kind, subject, detail) where ended_at is null;
create index anomaly_by_end on gateway.anomaly (ended_at) where ended_at is not null;

grant select, update on gateway.reading to shootx_worker;
grant select, insert, update, delete on gateway.anomaly to shootx_worker;

-- What all spellings of an address have in common that reach one mailbox: no capitals, no +tag, and at Google no dots.
-- Null for what is no address.
create function gateway.normal_email(email text) returns text
  language sql immutable set search_path = ''
as $$
  select case
           when mailbox = '' or domain = '' then null
           when domain in ('gmail.com', 'googlemail.com') then replace(mailbox, '.', '') || '@gmail.com'
           else mailbox || '@' || domain
         end
  from (select regexp_replace(substring(spelled from '^(.*)@'), '^([^+]+)\+.*$', '\1') as mailbox,
               substring(spelled from '@([^@]*)$') as domain
        from (select lower(btrim(email)) as spelled) as lowered) as parts
$$;
revoke execute on function gateway.normal_email(text) from public, anon, authenticated, service_role;

-- Users whose addresses reach one mailbox, each with the first of them. As its owner, because the services may not see
-- addresses; and they do not: only ids come out.
create function gateway.list_shared_emails() returns table (user_id uuid, first_user_id uuid)
  language sql stable security definer set search_path = ''
as $$
  select id, first_id
  from (select id, first_value(id) over (partition by mailbox order by created_at, id) as first_id,
               count(*) over (partition by mailbox) as users
        from (select id, created_at, gateway.normal_email(email) as mailbox from auth.users) as known
        where mailbox is not null) as grouped
  where users > 1
$$;
revoke execute on function gateway.list_shared_emails() from public, anon, authenticated, service_role;
grant execute on function gateway.list_shared_emails() to shootx_worker;
