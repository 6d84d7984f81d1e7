-- Deleting a user locks their row of auth.users, then their profile, then all that cascades from it. Entries, purchases and
-- the like refer to the profile, so that inserting one locks it as well: a transaction that has locked other rows of the
-- user by then would wait for the deletion, and the deletion for it. So the user is locked before anything else of theirs.

-- Keeps a user from being deleted until the transaction ends; false if they are gone. Shared: transactions that keep the
-- same user do not wait for each other.
create function gateway.keep_user(user_id uuid) returns boolean
  language plpgsql security definer set search_path = ''
as $$
begin
  perform from auth.users where id = keep_user.user_id for key share;
  perform from public.profiles where id = keep_user.user_id for key share;
  return found;
end
$$;
-- The same without waiting, for whoever writes rows of many users: false as well if the user is being deleted.
create function gateway.try_keep_user(user_id uuid) returns boolean
  language plpgsql security definer set search_path = ''
as $$
begin
  perform from auth.users where id = try_keep_user.user_id for key share skip locked;
  if not found then
    return false;
  end if;
  perform from public.profiles where id = try_keep_user.user_id for key share skip locked;
  return found;
end
$$;
revoke execute on function gateway.try_keep_user(uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.try_keep_user(uuid) to shootx_worker;

revoke execute on function gateway.keep_user(uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.keep_user(uuid) to shootx_api, shootx_worker;
