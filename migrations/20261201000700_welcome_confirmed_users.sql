-- Welcome credits are given once, and only to users whose email address is confirmed and who are not anonymous: at the
-- insert into auth.users, or at the update that makes both true. Without this rule, anyone could create users without
-- end.

-- false: every new user gets the credits at sign-up, as before this migration. Any other value, or no row, means true.
insert into gateway.setting (name, value) values ('welcome_needs_confirmed_email', 'true');

-- Takes a row of auth.users as JSON, because an older Supabase Auth has no column is_anonymous. A confirmed phone
-- number alone does not count: numbers that receive one text message are cheap.
create function gateway.is_confirmed(person jsonb) returns boolean
  language sql immutable set search_path = ''
  as $$ select person ->> 'email_confirmed_at' is not null and coalesce(person ->> 'is_anonymous', 'false') <> 'true' $$;
revoke execute on function gateway.is_confirmed(jsonb) from public, anon, authenticated, service_role;

drop function gateway.open_account(uuid, text, text);

-- Makes the profile and the balance, and gives the welcome credits once. Never fails: each part is tried separately.
-- Users choose the name, so it is cut to the length that `profiles_full_name_length` accepts: without a profile, a user
-- can do nothing.
create function gateway.open_account(person jsonb) returns void
  language plpgsql set search_path = ''
as $$
declare
  who constant uuid := person ->> 'id';
  welcome integer;
begin
  begin
    insert into public.profiles (id, email, full_name)
    values (who, coalesce(person ->> 'email', ''), left(person -> 'raw_user_meta_data' ->> 'full_name', 200))
    on conflict (id) do nothing;
  exception when others then
    raise warning 'sign-up of % made no profile: %', who, sqlerrm;
  end;
  begin
    insert into public.credits (user_id, balance) values (who, 0) on conflict (user_id) do nothing;
    if not gateway.is_confirmed(person)
       and coalesce((select value <> 'false' from gateway.setting where name = 'welcome_needs_confirmed_email'), true) then
      return;
    end if;
    welcome := greatest(coalesce((select (value #>> '{}')::integer from gateway.setting where name = 'welcome_credits'), 100), 0);
    -- The unique entry_key makes the welcome happen once, and only what was entered is added. Users who had entries or a
    -- balance before this backend keep those, and get no second welcome.
    with entry as (
      insert into public.credit_transactions (user_id, amount, transaction_type, description, entry_key)
      select who, welcome, 'grant', 'Welcome credits', 'grant:welcome:' || who
      where welcome > 0
        and not exists (select from public.credit_transactions as old
                        where old.user_id = who
                          and (old.entry_key is null or pg_catalog.starts_with(old.entry_key, 'adjustment:adoption:')))
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
revoke execute on function gateway.open_account(jsonb) from public, anon, authenticated, service_role;

create or replace function gateway.open_profile() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  perform gateway.open_account(pg_catalog.to_jsonb(new));
  return null;
end
$$;

create function gateway.welcome_confirmed() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  if gateway.is_confirmed(pg_catalog.to_jsonb(new)) and not gateway.is_confirmed(pg_catalog.to_jsonb(old)) then
    perform gateway.open_account(pg_catalog.to_jsonb(new));
  end if;
  return null;
end
$$;
revoke execute on function gateway.welcome_confirmed() from public, anon, authenticated, service_role;

-- Depends on no column, neither here nor in a condition: Supabase Auth's own migrations may change or drop its columns.
create trigger shootx_welcome_confirmed after update on auth.users
  for each row execute function gateway.welcome_confirmed();

create or replace function gateway.open_accounts_since(moment timestamptz) returns bigint
  language sql security definer set search_path = ''
as $$
  with opened as materialized (
    select gateway.open_account(pg_catalog.to_jsonb(users))
    from auth.users
    where created_at >= moment - interval '1 hour' and deleted_at is null
      and not exists (select from public.profiles where profiles.id = users.id)
  )
  select count(*) from opened
$$;
