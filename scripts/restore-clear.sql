-- Makes room for a restore, in its transaction: everything of ours goes, and what others put into public. Supabase's own
-- schemas stay, and with them who has signed up; triggers and policies there that call ours go with it.
drop schema if exists gateway cascade;
drop schema if exists apalis cascade;

do $$
declare
  statement text;
begin
  for statement in
    select format('drop %s if exists public.%I cascade',
                  case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
                               when 'S' then 'sequence' else 'table' end, relname)
    from pg_catalog.pg_class as class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (select from pg_catalog.pg_depend where objid = class.oid and deptype in ('e', 'i'))
  loop
    execute statement;
  end loop;
  for statement in
    select format('drop routine if exists %s cascade', proc.oid::regprocedure)
    from pg_catalog.pg_proc as proc
    where pronamespace = 'public'::regnamespace
      and not exists (select from pg_catalog.pg_depend where objid = proc.oid and deptype in ('e', 'i'))
  loop
    execute statement;
  end loop;
  for statement in
    select format('drop type if exists public.%I cascade', typname)
    from pg_catalog.pg_type as type
    where typnamespace = 'public'::regnamespace and typtype in ('e', 'd')
      and not exists (select from pg_catalog.pg_depend where objid = type.oid and deptype in ('e', 'i'))
  loop
    execute statement;
  end loop;
  -- Projects of before 2026 grant every new table to browsers. What is restored brings its own grants.
  execute 'alter default privileges in schema public revoke all on tables from anon, authenticated, service_role';
  execute 'alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role';
  execute 'alter default privileges in schema public revoke all on functions from anon, authenticated, service_role';
  -- The roles that the services act in. Operators make login roles members of them.
  for statement in
    select format('create role %I nologin', service) from unnest(array['shootx_api', 'shootx_worker']) as service
    where not exists (select from pg_catalog.pg_roles where rolname = service)
  loop
    execute statement;
  end loop;
  -- What Supabase grants of public stays as the project has it. Everybody may look into it there, so that the owner of a
  -- project who may not grant this is only warned.
  set local client_min_messages = error;
  grant usage on schema public to shootx_api, shootx_worker;
end
$$;
