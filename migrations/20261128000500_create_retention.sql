-- What is kept for how long, and what must be known of stored pictures so that none goes which somebody needs.

-- How long a plan's subscribers keep their outputs, at least. Operators set it; docs/retention.md.
create table gateway.plan_retention (
  plan_id uuid primary key references public.billing_plans (id) on delete cascade,
  days integer not null check (days between 1 and 36500)
);

-- Of a picture in the image store: when a request last named it, and that it shall be removed. One row for both, so that
-- who asks for it and who removes it meet in it: the one who comes second sees the other. Rows come and go with their use.
-- The user may be gone by then, so nothing is referenced.
create table gateway.stored_object (
  path text primary key,
  user_id uuid not null,
  size_bytes bigint not null default 0,
  used_at timestamptz,                        -- a request named it, and may not be accepted yet
  used_by uuid,                               -- the generation that request is for; null where there were several at once
  remove_as text constraint stored_object_kind_known check (remove_as in
    ('expired_outputs', 'deleted_generations', 'unused_inputs', 'orphans')),
  noted_at timestamptz,
  removing_until timestamptz,                 -- somebody removes it now
  constraint stored_object_noted check ((remove_as is null) = (noted_at is null))
);
create index stored_object_to_remove on gateway.stored_object (remove_as, noted_at) where remove_as is not null;
create index stored_object_by_use on gateway.stored_object (used_at) where remove_as is null;
create index stored_object_by_user on gateway.stored_object (user_id);

-- Users who are gone, whose folder in the store goes, too. Twice: what was on its way then may have arrived since.
create table gateway.removed_user (
  user_id uuid primary key,
  removed_at timestamptz not null,
  next_at timestamptz not null,
  rounds smallint not null default 0
);
create index removed_user_by_time on gateway.removed_user (next_at);

-- When workers clean up next, when they last came to an end, and how far they have read the list of the store. One row.
create table gateway.cleanup (
  singleton boolean primary key default true check (singleton),
  next_at timestamptz not null default '-infinity',
  completed_at timestamptz,
  scan_cursor text,
  scanned_at timestamptz,                     -- when the list was last read to its end
  expiry_at timestamptz,                      -- up to which run outputs were looked at for being too old
  expiry_id uuid
);
insert into gateway.cleanup default values;

alter table gateway.run add column outputs_expired_at timestamptz;
create index run_to_expire on gateway.run (settled_at, generation_id) where stage = 'completed' and outputs_expired_at is null;

-- Whoever deletes the user of the sign-in server deletes all rows by cascade; this keeps in mind what is no row.
create function gateway.note_removed_user() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  delete from gateway.stored_object where user_id = old.id;
  insert into gateway.removed_user (user_id, removed_at, next_at)
  values (old.id, gateway.now(), gateway.now())
  on conflict (user_id) do update set removed_at = excluded.removed_at, next_at = excluded.next_at, rounds = 0;
  return null;
end
$$;
revoke execute on function gateway.note_removed_user() from public, anon, authenticated, service_role;

create trigger shootx_note_removed_user after delete on auth.users
  for each row execute function gateway.note_removed_user();

-- The storage paths that a text of a user's may stand for: the text itself, and what an address says from her folder on,
-- decoded and without its query. Front ends, and rows of before this backend, hold whole links. Paths are ASCII and of at
-- most 1,024 bytes, so what does not fit into this much of an address is none.
create function gateway.picture_paths(value text, who uuid) returns setof text
  language sql immutable set search_path = ''
as $$
  select value where pg_catalog.starts_with(value, who || '/')
  union
  select substring(address from position(who || '/' in address))
  from (
    select pg_catalog.string_agg(
             case when part[1] ~ '^%[2-7]' then pg_catalog.chr(('x' || pg_catalog.lpad(substring(part[1] from 2), 8, '0'))::bit(32)::integer)
                  else part[1] end, '' order by n) as address
    from pg_catalog.regexp_matches(pg_catalog.left(substring(value from '^[^?#]*'), 4096), '%[2-7][0-9A-Fa-f]|%|[^%]+', 'g')
         with ordinality as matched (part, n)
    where position(who::text in value) > 0
  ) as decoded
  where position(who || '/' in address) > 0
$$;
revoke execute on function gateway.picture_paths(text, uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.picture_paths(text, uuid) to shootx_api, shootx_worker;

-- The storage paths that a generation of a user's may name: in what she asked for, and in these addresses of its own.
create function gateway.named_pictures(input_data jsonb, addresses text[], who uuid) returns setof text
  language sql immutable set search_path = ''
as $$
  select path
  from (
    select value #>> '{}' from pg_catalog.jsonb_path_query(input_data, '$.** ? (@.type() == "string")') as value
    union all
    select pg_catalog.unnest(addresses)
  ) as text (value)
  cross join lateral gateway.picture_paths(text.value, who) as path
$$;
revoke execute on function gateway.named_pictures(jsonb, text[], uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.named_pictures(jsonb, text[], uuid) to shootx_api, shootx_worker;

-- Whether a text of a user's may name one of these paths: a path stands in it literally, or a "%" in one string with the
-- user's id, so that a link may be encoded. Cheap, for whoever would else decode every row of a user (named_pictures).
create function gateway.may_name(words text, paths text[], who uuid) returns boolean
  language plpgsql immutable set search_path = ''
as $$
declare
  path text;
begin
  foreach path in array paths loop
    if pg_catalog.strpos(words, path) > 0 then return true; end if;
  end loop;
  return words ~ (who || '(%|/[^"]*%)');
end
$$;
revoke execute on function gateway.may_name(text, text[], uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.may_name(text, text[], uuid) to shootx_api, shootx_worker;

-- Which of these users there are, each with what her profile and projects show as a picture. As its owner, because the
-- services may not see who signs in.
create function gateway.list_shown_pictures(user_ids uuid[]) returns table (user_id uuid, path text)
  language sql stable security definer set search_path = ''
as $$
  select users.id, shown.path
  from auth.users
  -- A question for each, so that nobody's profile is read but theirs.
  left join lateral gateway.picture_paths((select avatar_url from public.profiles where profiles.id = users.id),
                                          users.id) as shown (path) on true
  where users.id = any (user_ids)
  union all
  select projects.user_id, shown.path
  from public.projects cross join lateral gateway.picture_paths(projects.thumbnail_url, projects.user_id) as shown (path)
  where projects.user_id = any (user_ids)
$$;
revoke execute on function gateway.list_shown_pictures(uuid[]) from public, anon, authenticated, service_role;
grant execute on function gateway.list_shown_pictures(uuid[]) to shootx_api, shootx_worker;

revoke all on gateway.plan_retention, gateway.stored_object, gateway.removed_user, gateway.cleanup
  from public, anon, authenticated, service_role;

-- The API notes what a request uses, and empties a generation that its user deletes.
grant select, insert, update, delete on gateway.stored_object to shootx_api;
grant delete on gateway.output to shootx_api;
grant update (project_id, input_data, input_url, workflow_id, brand_name, campaign_name, tags, deleted_at)
  on public.generations to shootx_api;

-- Workers clean up.
grant select on gateway.plan_retention to shootx_worker;
grant select, insert, update, delete on gateway.stored_object to shootx_worker;
grant select, update, delete on gateway.removed_user to shootx_worker;
grant select, update on gateway.cleanup to shootx_worker;
grant delete on gateway.output, gateway.event, gateway.payment_event, gateway.purchase to shootx_worker;
