-- What a restored database needs before workers may start on it again.

-- A row here says that the rows are of an earlier moment: nothing is submitted until `shootx-worker recover` has looked
-- at what was under way then, and takes it away. One row, or none.
create table gateway.hold (
  singleton boolean primary key default true check (singleton),
  held_at timestamptz not null,
  backup_at timestamptz,                      -- null where nobody knows of when the rows are
  reason text not null check (reason <> '')
);
revoke all on gateway.hold from public, anon, authenticated, service_role;
grant select, insert, delete on gateway.hold to shootx_worker;

-- What was bought after the backup has no row any more. The provider remembers it, and the row is made again.
grant insert on gateway.purchase to shootx_worker;
grant select on gateway.pack, public.billing_plans to shootx_worker;

-- What the trigger of the sign-up does, for any user, once.
create function gateway.open_account(who uuid, address text, called text) returns void
  language plpgsql set search_path = ''
as $$
declare
  welcome integer;
begin
  begin
    insert into public.profiles (id, email, full_name)
    values (who, coalesce(address, ''), called)
    on conflict (id) do nothing;
  exception when others then
    raise warning 'sign-up of % made no profile: %', who, sqlerrm;
  end;
  begin
    welcome := greatest(coalesce((select (value #>> '{}')::integer from gateway.setting where name = 'welcome_credits'), 100), 0);
    insert into public.credits (user_id, balance) values (who, 0) on conflict (user_id) do nothing;
    -- The unique entry_key makes the welcome happen once, and only what was entered is added.
    with entry as (
      insert into public.credit_transactions (user_id, amount, transaction_type, description, entry_key)
      select who, welcome, 'grant', 'Welcome credits', 'grant:welcome:' || who
      where welcome > 0
      on conflict (entry_key) do nothing
      returning amount
    )
    update public.credits set balance = balance + entry.amount, updated_at = pg_catalog.now()
    from entry
    where user_id = who;
  exception when others then
    raise warning 'sign-up of % made no credits: %', who, sqlerrm;
  end;
end
$$;
revoke execute on function gateway.open_account(uuid, text, text) from public, anon, authenticated, service_role;

create or replace function gateway.open_profile() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  perform gateway.open_account(new.id, new.email, new.raw_user_meta_data ->> 'full_name');
  return null;
end
$$;

-- Users who signed up after the backup, where the sign-in server has kept them; their date is of before they were
-- committed, so that the backup may have missed some that are a little older than it. As its owner, because the services
-- may not see who has signed up.
create function gateway.open_accounts_since(moment timestamptz) returns bigint
  language sql security definer set search_path = ''
as $$
  with opened as materialized (
    select gateway.open_account(id, email, raw_user_meta_data ->> 'full_name')
    from auth.users
    where created_at >= moment - interval '1 hour' and deleted_at is null
      and not exists (select from public.profiles where profiles.id = users.id)
  )
  select count(*) from opened
$$;
revoke execute on function gateway.open_accounts_since(timestamptz) from public, anon, authenticated, service_role;
grant execute on function gateway.open_accounts_since(timestamptz) to shootx_worker;
