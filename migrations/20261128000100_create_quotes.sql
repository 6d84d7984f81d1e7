-- A quote promises one user a price for one request, known by its fingerprint, until it expires. It may be used more than
-- once: it reserves nothing.

create table gateway.quote (
  quote_id uuid primary key,
  user_id uuid not null references public.profiles (id) on delete cascade,
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  price integer not null check (price >= 0),
  created_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > created_at)
);
create index quote_by_user on gateway.quote (user_id, expires_at);
create index quote_by_expiry on gateway.quote (expires_at);

-- The API makes and honours quotes, workers purge them; nobody changes one.
grant select, insert on gateway.quote to shootx_api;
grant select, delete on gateway.quote to shootx_worker;
