-- Row level security filters by user, pages are read newest first, and every foreign key that cascades is indexed.

create index if not exists projects_by_user on public.projects (user_id, created_at desc);
create index if not exists generations_by_user on public.generations (user_id, created_at desc, id desc);
create index if not exists generations_by_project on public.generations (project_id) where project_id is not null;
create index if not exists credit_transactions_by_user on public.credit_transactions (user_id, created_at desc, id desc);
create index if not exists credit_transactions_by_generation on public.credit_transactions (generation_id)
  where generation_id is not null;
create index if not exists subscriptions_by_user on public.subscriptions (user_id, created_at desc);
create index if not exists subscriptions_by_plan on public.subscriptions (plan_id);
create index if not exists invoices_by_user on public.invoices (user_id, created_at desc);
