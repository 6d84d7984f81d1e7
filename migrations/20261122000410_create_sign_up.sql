-- Sign-up. A trigger on auth.users makes the profile and the welcome credits; the front end's own two inserts, which
-- it makes afterwards as the new user, then succeed without effect on money.

-- Never fails a sign-up: what goes wrong is a warning in the server's log, and each half is tried on its own.
create function gateway.open_profile() returns trigger
  language plpgsql security definer set search_path = ''
as $$
declare
  welcome integer;
begin
  begin
    insert into public.profiles (id, email, full_name)
    values (new.id, coalesce(new.email, ''), left(new.raw_user_meta_data ->> 'full_name', 200))
    on conflict (id) do nothing;
  exception when others then
    raise warning 'sign-up of % made no profile: %', new.id, sqlerrm;
  end;
  begin
    welcome := greatest(coalesce((select (value #>> '{}')::integer from gateway.setting where name = 'welcome_credits'), 100), 0);
    insert into public.credits (user_id, balance) values (new.id, 0) on conflict (user_id) do nothing;
    -- The unique entry_key makes the welcome happen once, and only what was entered is added.
    with entry as (
      insert into public.credit_transactions (user_id, amount, transaction_type, description, entry_key)
      select new.id, welcome, 'grant', 'Welcome credits', 'grant:welcome:' || new.id
      where welcome > 0
      on conflict (entry_key) do nothing
      returning amount
    )
    update public.credits set balance = balance + entry.amount, updated_at = pg_catalog.now()
    from entry
    where user_id = new.id;
  exception when others then
    raise warning 'sign-up of % made no credits: %', new.id, sqlerrm;
  end;
  return null;
end
$$;
revoke execute on function gateway.open_profile() from public, anon, authenticated;

-- After triggers run in order of their names: one that a deployment already has, on_auth_user_created, goes first.
create trigger shootx_open_profile after insert on auth.users
  for each row execute function gateway.open_profile();

-- Runs with the rights of who inserts, so that it sees and changes only what she may.
create function gateway.repeat_profile() returns trigger
  language plpgsql set search_path = ''
as $$
begin
  if current_user <> 'authenticated' then
    return new;
  end if;
  update public.profiles set full_name = coalesce(new.full_name, full_name) where id = new.id;
  if found then
    return null;
  end if;
  return new;
end
$$;
revoke execute on function gateway.repeat_profile() from public, anon, authenticated;

create trigger profiles_repeat before insert on public.profiles
  for each row execute function gateway.repeat_profile();

create function gateway.drop_credits() returns trigger
  language plpgsql set search_path = ''
as $$
begin
  if current_user = 'authenticated' then
    return null;
  end if;
  return new;
end
$$;
revoke execute on function gateway.drop_credits() from public, anon, authenticated;

create trigger credits_not_by_users before insert on public.credits
  for each row execute function gateway.drop_credits();
