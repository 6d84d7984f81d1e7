-- The ledger is append-only, whoever asks: entries are never changed, and go only together with their profile.

create function gateway.guard_ledger() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  -- Deleting a profile cascades to its entries; the profile is gone by then.
  if tg_op = 'DELETE' and not exists (select from public.profiles where id = old.user_id) then
    return old;
  end if;
  raise exception 'credit_transactions is append-only: % is refused', lower(tg_op)
    using errcode = 'restrict_violation', constraint = 'ledger_append_only';
end
$$;
revoke execute on function gateway.guard_ledger() from public, anon, authenticated;

create trigger ledger_append_only before update or delete on public.credit_transactions
  for each row execute function gateway.guard_ledger();
create trigger ledger_not_truncated before truncate on public.credit_transactions
  for each statement execute function gateway.guard_ledger();

-- A user cannot write updated_at herself.
create function gateway.touch_updated_at() returns trigger
  language plpgsql set search_path = ''
as $$
begin
  new.updated_at := pg_catalog.now();
  return new;
end
$$;
revoke execute on function gateway.touch_updated_at() from public, anon, authenticated;

create trigger profiles_touched before update on public.profiles
  for each row execute function gateway.touch_updated_at();
create trigger projects_touched before update on public.projects
  for each row execute function gateway.touch_updated_at();
