-- The roles the services act in. Neither logs in nor owns anything: operators make login roles members of them.

-- Roles belong to the whole cluster, and another of its databases may be migrating at this moment.
do $$
declare
  service text;
begin
  foreach service in array array['shootx_api', 'shootx_worker'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = service) then
      begin
        execute format('create role %I nologin', service);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
  end loop;
end
$$;

-- gateway is reached by the services alone.
revoke all on schema gateway from public, anon, authenticated, service_role;
revoke all on all tables in schema gateway from public, anon, authenticated, service_role;
revoke execute on all functions in schema gateway from public, anon, authenticated, service_role;
revoke all on schema apalis from public, anon, authenticated, service_role;

grant usage on schema public, gateway, apalis to shootx_api, shootx_worker;
grant execute on function gateway.now() to shootx_api, shootx_worker;
grant select on gateway._sqlx_migrations, apalis._sqlx_migrations, gateway.clock, gateway.setting
  to shootx_api, shootx_worker;

-- public: no DELETE anywhere, and of the ledger not even UPDATE. Only the API makes generations; nobody makes balances
-- but the triggers of the sign-up.
grant select on public.profiles, public.projects to shootx_api, shootx_worker;
grant select, update on public.generations, public.credits to shootx_api, shootx_worker;
grant insert on public.generations to shootx_api;
grant select, insert on public.credit_transactions to shootx_api, shootx_worker;

-- gateway: both settle runs; only the API accepts them, and only workers make provider jobs and store outputs.
grant select, update on gateway.run, gateway.attempt, gateway.output to shootx_api, shootx_worker;
grant insert on gateway.run to shootx_api;
grant insert on gateway.attempt, gateway.output to shootx_worker;
grant select, insert on gateway.event to shootx_api, shootx_worker;
grant select, insert, update on gateway.user_limit to shootx_api;
grant select, insert, update on gateway.provider_budget to shootx_worker;
grant select, delete on gateway.idempotency_key to shootx_api, shootx_worker;
grant insert on gateway.idempotency_key to shootx_api;

-- apalis: the API only rings; workers take, finish and clean up.
grant select, insert on apalis.jobs to shootx_api;
grant select, insert, update, delete on apalis.jobs, apalis.workers to shootx_worker;
grant execute on function apalis.get_jobs(text, text, integer) to shootx_worker;

-- Row level security is for browsers. A policy of their own lets the services through; their grants bound them.
do $$
declare
  name text;
begin
  foreach name in array array['profiles', 'projects', 'generations', 'credits', 'credit_transactions'] loop
    execute format('create policy services on public.%I for all to shootx_api, shootx_worker using (true) with check (true)', name);
  end loop;
end
$$;
