-- What a backup holds, in numbers: written into its manifest, and asked again of what was restored before that is
-- committed. One JSON object.
select jsonb_build_object(
  'profiles', (select count(*) from public.profiles),
  'credits', (select count(*) from public.credits),
  'balance', (select coalesce(sum(balance), 0) from public.credits),
  'credit_transactions', (select count(*) from public.credit_transactions),
  'entries', (select coalesce(sum(amount), 0) from public.credit_transactions),
  'generations', (select count(*) from public.generations),
  'runs', (select coalesce(jsonb_object_agg(stage, runs), '{}')
           from (select stage, count(*) as runs from gateway.run group by stage) as staged),
  'outputs', (select count(*) from gateway.output),
  'payments', (select count(*) from gateway.payment),
  'migration', (select max(version) from gateway._sqlx_migrations))
