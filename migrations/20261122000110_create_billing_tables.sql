-- Plans, subscriptions, invoices and settings: the rest of what the front end reads.

create table if not exists public.billing_plans (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  description text,
  price numeric not null,
  interval text not null,
  features jsonb default '[]',
  credits_per_month integer default 0,
  active boolean default true,
  created_at timestamptz default now()
);

create table if not exists public.subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  plan_id uuid not null references public.billing_plans (id),
  status text default 'active',
  current_period_start timestamptz default now(),
  current_period_end timestamptz,
  cancel_at_period_end boolean default false,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);

create table if not exists public.invoices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  invoice_number text not null,
  amount numeric not null default 0,
  status text not null default 'pending',
  plan_name text not null,
  date timestamptz default now(),
  created_at timestamptz default now()
);

create table if not exists public.user_settings (
  user_id uuid primary key references auth.users (id) on delete cascade,
  email_notifications boolean default true,
  weekly_summary boolean default true,
  product_updates boolean default false,
  usage_analytics boolean default true,
  auto_save boolean default true,
  default_quality text default 'high',
  language text default 'en',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
