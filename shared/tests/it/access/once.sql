-- What is nobody's: the plan that is subscribed to, an active and an inactive one, a budget, a hold, a worker, a job.
insert into public.billing_plans (id, name, price, interval, active) values
  ('00000000-0000-4000-8000-0000000000ff', 'Pro', 10, 'monthly', true),
  ('00000000-0000-4000-8000-0000000000a4', 'Old', 1, 'monthly', false),
  ('00000000-0000-4000-8000-0000000000e4', 'New', 20, 'yearly', true);
insert into gateway.plan_retention (plan_id, days) values ('00000000-0000-4000-8000-0000000000ff', 365);
insert into gateway.pack (pack_id, name, credits, amount_cents) values ('starter', 'Starter', 100, 900);
insert into gateway.provider_budget (endpoint, operation, free_at) values ('e', 'run', now());
insert into gateway.hold (held_at, reason) values (now(), 'restored');
insert into apalis.workers (id, worker_type, storage_name) values ('w', 'submit', 's');
insert into apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, priority, metadata)
  values ('j', 'submit', '{}', 'Pending', 0, 1, now(), 0, ''::hstore);
-- On the platform the owner of the storage tables sees their schema, as the check of a foreign key needs it.
grant usage on schema storage to supabase_storage_admin;
