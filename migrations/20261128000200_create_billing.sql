-- Selling credits. The provider of payments holds the truth about money; these rows say what was offered, what somebody
-- set out to buy, what of it came, and what credits were made of it.

-- Packs of credits on sale. Operators add and retire them; nothing is on sale until they do.
create table gateway.pack (
  pack_id text primary key check (pack_id ~ '^[a-z0-9_-]{1,40}$'),
  name text not null check (name <> ''),
  credits integer not null check (credits between 1 and 1000000),
  amount_cents integer not null check (amount_cents between 50 and 99999999),
  active boolean not null default true,
  created_at timestamptz not null default now()
);

-- One checkout: what was to be bought, at the price of that moment. The provider's session is made under this id, so a
-- repeat after a crash finds the same session.
create table gateway.purchase (
  purchase_id uuid primary key,
  user_id uuid not null references public.profiles (id) on delete cascade,
  pack_id text references gateway.pack (pack_id),
  plan_id uuid references public.billing_plans (id),
  name text not null,
  credits integer not null check (credits > 0),     -- of a plan: each month
  months smallint not null default 0 check (months in (0, 1, 12)),  -- of a plan: what one payment covers
  amount_cents integer not null check (amount_cents > 0),
  currency text not null,
  key text,
  fingerprint bytea,
  session_id text unique,
  session_url text,
  state text not null default 'open' check (state in ('open', 'paid', 'failed', 'expired')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  constraint purchase_of_one_thing check ((pack_id is null) <> (plan_id is null) and (plan_id is null) = (months = 0)),
  constraint purchase_key_once unique (user_id, key)
);

create index purchase_by_pack on gateway.purchase (pack_id);
create index purchase_by_plan on gateway.purchase (plan_id);
create index purchase_by_user on gateway.purchase (user_id, expires_at);
-- A customer with two checkouts for plans could pay both.
create unique index purchase_of_one_plan on gateway.purchase (user_id) where plan_id is not null and state = 'open';

-- Whether a plan can be sold: a price in whole cents that the provider takes, a known interval, and credits.
create function gateway.is_for_sale(price numeric, "interval" text, credits integer) returns boolean
  language sql immutable set search_path = ''
  as $$ select coalesce(price between 0.5 and 999999.99 and price * 100 = trunc(price * 100)
                        and "interval" in ('monthly', 'yearly') and credits > 0, false) $$;
revoke execute on function gateway.is_for_sale(numeric, text, integer) from public, anon, authenticated;
grant execute on function gateway.is_for_sale(numeric, text, integer) to shootx_api;

-- Who somebody is at the provider, known from her first purchase.
create table gateway.customer (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  customer_id text not null unique,
  known_at timestamptz not null
);

-- Money that came for a pack or for one period of a plan, and how much of it went back. `charged_cents` came by a card
-- or bank, and can go back that way; the rest came from the customer's balance at the provider, or past the provider.
create table gateway.payment (
  payment_id text primary key,                       -- the provider's payment; of an invoice without one, the invoice
  user_id uuid not null references public.profiles (id) on delete cascade,
  purchase_id uuid not null references gateway.purchase (purchase_id) on delete cascade,
  name text not null,
  amount_cents integer not null check (amount_cents >= 0),
  charged_cents integer not null check (charged_cents between 0 and amount_cents),
  amount_reversed_cents integer not null default 0,
  credits_total integer not null check (credits_total >= 0),  -- of all months, granted and to come
  credits_paid integer not null,                     -- what the money that was kept pays for (billing/rules.rs)
  credits_granted integer not null default 0,
  credits_reversed integer not null default 0,
  reversals integer not null default 0,              -- numbers the entries that took back or gave back
  paid_at timestamptz not null,
  constraint payment_reversed_within check (
    amount_reversed_cents between 0 and charged_cents and credits_reversed between 0 and credits_granted
    and credits_paid between 0 and credits_total)
);
create index payment_by_user on gateway.payment (user_id);
create index payment_by_purchase on gateway.payment (purchase_id);

-- What public.subscriptions and public.invoices are at the provider. Rows of before this backend are not here.
create table gateway.subscription (
  subscription_id uuid primary key references public.subscriptions (id) on delete cascade,
  provider_id text not null unique,
  user_id uuid not null references public.profiles (id) on delete cascade,
  purchase_id uuid not null unique references gateway.purchase (purchase_id) on delete cascade
);
create index subscription_by_user on gateway.subscription (user_id);

create table gateway.invoice (
  invoice_id uuid primary key references public.invoices (id) on delete cascade,
  provider_id text not null unique,
  subscription_id uuid not null references gateway.subscription (subscription_id) on delete cascade
);

create index invoice_by_subscription on gateway.invoice (subscription_id);

-- Payments that an operator must decide on: what was paid is not what was agreed, or cannot be compared with it. Each is an
-- anomaly until it is applied after all, or an operator deletes its row.
create table gateway.undecided_payment (
  object_id text primary key,                        -- the provider's checkout, invoice, subscription or payment
  user_id uuid not null references public.profiles (id) on delete cascade,
  reason text not null,
  paid_cents bigint not null,
  agreed_cents bigint not null
);
create index undecided_payment_by_user on gateway.undecided_payment (user_id);

-- One month's credits of a paid period, due on its day.
create table gateway.plan_grant (
  invoice_id uuid not null references gateway.invoice (invoice_id) on delete cascade,
  month smallint not null check (month between 0 and 11),
  payment_id text not null references gateway.payment (payment_id) on delete cascade,
  entry_key text not null unique,
  credits integer not null check (credits > 0),
  due_at timestamptz not null,
  granted_at timestamptz,
  primary key (invoice_id, month)
);
create index plan_grant_by_payment on gateway.plan_grant (payment_id);
create index plan_grant_due on gateway.plan_grant (due_at) where granted_at is null;

-- Credits that a reversal found spent. Accept refuses while there are any; what comes next repays them first.
create table gateway.debt (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  credits integer not null constraint debt_never_negative check (credits >= 0),
  repayments integer not null default 0
);
create index debt_open on gateway.debt (user_id) where credits > 0;

-- What the provider told. A trigger, never the truth: of an event only its object's id is kept.
create table gateway.payment_event (
  event_id text primary key,
  kind text not null,
  object_id text not null,
  recovered boolean not null,                        -- found by looking, because it never came
  received_at timestamptz not null,
  due_at timestamptz not null,
  tries integer not null default 0,
  outcome text,
  ended_at timestamptz
);
create index payment_event_due on gateway.payment_event (recovered, due_at) where ended_at is null;

-- The version of what we wrote of an object: who read the object before somebody else wrote it starts again.
create table gateway.provider_object (
  object_id text primary key,
  version bigint not null
);

-- When the provider's own list of events is read next, and up to when it has been.
create table gateway.payment_watch (
  singleton boolean primary key default true check (singleton),
  next_at timestamptz not null default '-infinity',
  read_until timestamptz
);
insert into gateway.payment_watch default values;

revoke all on gateway.pack, gateway.purchase, gateway.customer, gateway.payment, gateway.subscription, gateway.invoice,
  gateway.undecided_payment, gateway.plan_grant, gateway.debt, gateway.payment_event, gateway.provider_object, gateway.payment_watch
  from public, anon, authenticated, service_role;

-- The API offers, begins purchases, notes events, and has a subscription end or go on.
grant select on gateway.pack, gateway.customer, gateway.subscription, gateway.debt, public.billing_plans,
  public.subscriptions, public.invoices, gateway.payment, gateway.plan_grant to shootx_api;
grant select, insert on gateway.purchase to shootx_api;
grant update (key, session_id, session_url, state) on gateway.purchase to shootx_api;
grant select, insert on gateway.payment_event to shootx_api;
grant select, insert, update on gateway.provider_object to shootx_api;
grant update (status, current_period_start, current_period_end, cancel_at_period_end, updated_at)
  on public.subscriptions to shootx_api;

-- Workers make of it what the provider says.
grant select, insert, update on gateway.payment, gateway.plan_grant, gateway.debt, gateway.payment_event,
  gateway.provider_object to shootx_worker;
grant select, insert on gateway.customer, gateway.subscription, gateway.invoice, public.subscriptions, public.invoices
  to shootx_worker;
grant select on gateway.purchase to shootx_worker;
grant update (state) on gateway.purchase to shootx_worker;
grant select, update on gateway.payment_watch to shootx_worker;
grant update (status, current_period_start, current_period_end, cancel_at_period_end, updated_at)
  on public.subscriptions to shootx_worker;
grant update (status, amount, invoice_number) on public.invoices to shootx_worker;
grant select, insert, update, delete on gateway.undecided_payment to shootx_worker;
-- Who signed up before this backend may have no balance until she buys. It begins at 0.
grant insert (user_id) on public.credits to shootx_worker;

do $$
declare
  name text;
begin
  foreach name in array array['billing_plans', 'subscriptions', 'invoices'] loop
    execute format('create policy services on public.%I for all to shootx_api, shootx_worker using (true) with check (true)', name);
  end loop;
end
$$;
