-- The product's tables as a front end reads them: made on an empty database, completed on a deployed one.
-- Nothing here rewrites what is there. The support tables belong to the front end and are left alone.

create table if not exists public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text not null,
  full_name text,
  avatar_url text,
  company_name text,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
alter table public.profiles add column if not exists bio text;

create table if not exists public.projects (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  name text not null,
  description text,
  thumbnail_url text,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);

create table if not exists public.generations (
  id uuid primary key default gen_random_uuid(),
  project_id uuid references public.projects (id) on delete set null,
  user_id uuid not null references public.profiles (id) on delete cascade,
  generation_type text not null,
  method text not null,
  input_data jsonb default '{}',
  workflow_id text,
  status text default 'pending',
  input_url text,
  output_url text,
  metadata jsonb default '{}',
  created_at timestamptz default now(),
  completed_at timestamptz
);
alter table public.generations
  add column if not exists output_urls text[],
  add column if not exists external_job_id text,
  add column if not exists error_message text,
  add column if not exists brand_name text,
  add column if not exists campaign_name text,
  add column if not exists tags text[] default '{}',
  add column if not exists workflow_name text,
  add column if not exists image_url text,
  -- Set when its user deletes it: the row stays for the ledger, emptied and hidden from reads.
  add column if not exists deleted_at timestamptz;

create table if not exists public.credits (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null unique references public.profiles (id) on delete cascade,
  balance integer default 0,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);

create table if not exists public.credit_transactions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  amount integer not null,
  transaction_type text not null,
  generation_id uuid references public.generations (id),
  description text,
  created_at timestamptz default now()
);
-- What the entry is for, so that it happens once; null on entries older than this column.
alter table public.credit_transactions
  add column if not exists entry_key text constraint credit_transactions_entry_key_once unique;
