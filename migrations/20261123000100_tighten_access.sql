-- Takes back what was wider than its use, as the table of rights (shared/tests/it/access/rights.txt) shows it.

-- A function is everybody's until that is taken back, and the queue's library does not. Triggers fire all the same.
revoke execute on all functions in schema apalis from public;

-- What no query of the services needs.
revoke select on public.profiles, public.projects from shootx_worker;
revoke select on gateway.setting from shootx_api, shootx_worker;
revoke select on gateway.event, apalis.jobs from shootx_api;

-- Settling changes these columns and no others: a balance or a generation never becomes another user's.
revoke update on public.credits, public.generations from shootx_api, shootx_worker;
grant update (balance, updated_at) on public.credits to shootx_api, shootx_worker;
grant update (status, output_urls, output_url, image_url, external_job_id, error_message, metadata, completed_at)
  on public.generations to shootx_api, shootx_worker;

-- Deleting a profile takes its ledger along. Users go where they came from, by the sign-in server.
revoke delete on public.profiles from service_role;

-- A bucket of ours that was there before may have been public.
do $$
begin
  if to_regclass('storage.buckets') is not null then
    update storage.buckets set public = false where id = 'shootx-images' and public is distinct from false;
  end if;
end
$$;

-- As before, except that a profile made by its user (one who signed up before us and has none) gets the address she
-- signed in with, whatever she says.
create or replace function gateway.repeat_profile() returns trigger
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
  new.email := coalesce(auth.jwt() ->> 'email', '');
  return new;
end
$$;
