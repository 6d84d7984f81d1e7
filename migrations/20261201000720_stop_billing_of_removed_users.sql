-- Subscriptions and checkouts of deleted users, which Stripe would otherwise continue to bill. A checkout may still be
-- paid, or may just have become a subscription. Workers cancel them at Stripe, then delete the row. There are no
-- foreign keys, because the row outlives its user.
create table gateway.billing_stop (
  provider_id text primary key,
  kind text not null constraint billing_stop_kind_known check (kind in ('subscription', 'checkout')),
  user_id uuid not null,
  noted_at timestamptz not null,
  due_at timestamptz not null,
  tries integer not null default 0
);
create index billing_stop_due on gateway.billing_stop (due_at);
revoke all on gateway.billing_stop from public, anon, authenticated, service_role;
grant select, update, delete on gateway.billing_stop to shootx_worker;

-- However a user is deleted, a cascade deletes these rows, in an order that depends on the deployment's foreign keys:
-- so a user counts as deleted if their profile or their row in auth.users is gone. Rows deleted for another reason
-- cancel nothing.
create function gateway.note_billing_stop() returns trigger
  language plpgsql security definer set search_path = ''
as $$
declare
  gone constant jsonb := pg_catalog.to_jsonb(old);
  is_subscription constant boolean := tg_table_name = 'subscription';
begin
  if exists (select from public.profiles where id = old.user_id) and exists (select from auth.users where id = old.user_id)
  then
    return null;
  end if;
  insert into gateway.billing_stop (provider_id, kind, user_id, noted_at, due_at)
  select found.id, case when is_subscription then 'subscription' else 'checkout' end, old.user_id, gateway.now(), gateway.now()
  from (select coalesce(gone ->> 'session_id', gone ->> 'provider_id') as id) as found
  where found.id is not null
    and (is_subscription or gone ->> 'state' = 'open' or (gone ->> 'state' = 'paid' and gone ->> 'plan_id' is not null))
  on conflict (provider_id) do nothing;
  return null;
end
$$;
revoke execute on function gateway.note_billing_stop() from public, anon, authenticated, service_role;

create trigger note_billing_stop after delete on gateway.subscription
  for each row execute function gateway.note_billing_stop();
create trigger note_billing_stop after delete on gateway.purchase
  for each row execute function gateway.note_billing_stop();
