-- Limits what a browser may write through Supabase: the length of each text, the number of tags and of projects.
--
-- Triggers instead of check constraints: even a constraint that is `not valid` is checked on every later update of a row,
-- whatever the update changes. A user whose old row exceeds a limit could not delete its project (`on delete set null`)
-- or change their settings. A trigger checks a value only when it is written. Existing rows keep their values, which
-- reads tolerate (read.sql). The error has the same code and fields as that of a constraint.
create function gateway.refuse_value() returns trigger
  language plpgsql set search_path = ''
as $$
begin
  raise exception 'the new value violates "%"', tg_argv[0]
    using errcode = 'check_violation', schema = tg_table_schema, table = tg_table_name, constraint = tg_argv[0];
end
$$;
revoke execute on function gateway.refuse_value() from public, anon, authenticated, service_role;

-- Refuses new values of these columns for which the expression is true.
create function pg_temp.bound(bounded text, columns text, named text, broken text) returns void
  language plpgsql
as $$
begin
  execute format('create trigger %I before insert or update of %s on public.%I for each row when (%s)
                  execute function gateway.refuse_value(%L)', 'shootx_' || named, columns, bounded, broken, named);
end
$$;

create function pg_temp.bound_length(bounded text, name text, chars_max integer) returns void
  language sql
as $$
  select pg_temp.bound(bounded, quote_ident(name), bounded || '_' || name || '_length',
                       format('char_length(new.%I) > %s', name, chars_max))
$$;

select pg_temp.bound_length(bounded, name, chars_max)
from (values
  ('profiles', 'full_name', 200),
  ('profiles', 'avatar_url', 4096),
  ('profiles', 'company_name', 200),
  ('profiles', 'bio', 5000),
  ('profiles', 'email', 1000),
  ('projects', 'name', 200),
  ('projects', 'description', 5000),
  ('projects', 'thumbnail_url', 4096),
  ('user_settings', 'default_quality', 50),
  ('user_settings', 'language', 50),
  -- The same limits as in a request to generate (`NAME_CHARS_MAX`, `TAGS_MAX` and `TAG_CHARS_MAX` in the code).
  ('generations', 'brand_name', 200),
  ('generations', 'campaign_name', 200)
) as text (bounded, name, chars_max);

select pg_temp.bound('generations', 'tags', 'generations_tags_bounded',
  $$case when array_ndims(new.tags) > 1 then true
         else cardinality(new.tags) > 20 or array_position(new.tags, null) is not null
              or char_length(array_to_string(new.tags, '')) > 1000 end$$);
select pg_temp.bound('projects', 'created_at, updated_at', 'projects_dates_finite',
  'not (isfinite(new.created_at) and isfinite(new.updated_at))');

-- A user may have 1000 projects; existing users who have more keep them. Runs with the rights of the role that inserts.
create function gateway.bound_projects() returns trigger
  language plpgsql set search_path = ''
as $$
begin
  if (select count(*) from (select from public.projects where user_id = new.user_id limit 1000) as held) >= 1000 then
    raise exception 'a user may have 1000 projects' using errcode = 'check_violation', constraint = 'projects_per_user';
  end if;
  return new;
end
$$;
revoke execute on function gateway.bound_projects() from public, anon, authenticated, service_role;
create trigger shootx_bound_projects before insert on public.projects
  for each row execute function gateway.bound_projects();

-- The front end's own tables, where a deployment has them.
select pg_temp.bound_length(c.table_name::text, c.column_name::text, 20000)
from information_schema.columns as c
where c.table_schema = 'public' and c.table_name in ('support_tickets', 'ticket_messages') and c.data_type = 'text';
