-- Limits what a browser may write through Supabase: the length of each text, the number of tags and of projects.
-- `not valid`: existing rows keep their values, which reads tolerate (read.sql); new values must satisfy the checks.

alter table public.profiles
  add constraint profiles_full_name_length check (char_length(full_name) <= 200) not valid,
  add constraint profiles_avatar_url_length check (char_length(avatar_url) <= 4096) not valid,
  add constraint profiles_company_name_length check (char_length(company_name) <= 200) not valid,
  add constraint profiles_bio_length check (char_length(bio) <= 5000) not valid,
  add constraint profiles_email_length check (char_length(email) <= 1000) not valid;

alter table public.projects
  add constraint projects_name_length check (char_length(name) <= 200) not valid,
  add constraint projects_description_length check (char_length(description) <= 5000) not valid,
  add constraint projects_thumbnail_url_length check (char_length(thumbnail_url) <= 4096) not valid,
  add constraint projects_dates_finite check (isfinite(created_at) and isfinite(updated_at)) not valid;

alter table public.user_settings
  add constraint user_settings_default_quality_length check (char_length(default_quality) <= 50) not valid,
  add constraint user_settings_language_length check (char_length(language) <= 50) not valid;

-- The same limits as in a request to generate (`NAME_CHARS_MAX`, `TAGS_MAX` and `TAG_CHARS_MAX` in the code).
alter table public.generations
  add constraint generations_brand_name_length check (char_length(brand_name) <= 200) not valid,
  add constraint generations_campaign_name_length check (char_length(campaign_name) <= 200) not valid,
  add constraint generations_tags_bounded check (
    tags is null or tags = '{}' or (array_ndims(tags) = 1 and cardinality(tags) <= 20
      and array_position(tags, null) is null and char_length(array_to_string(tags, '')) <= 1000)) not valid;

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
do $$
declare
  held record;
begin
  for held in
    select c.table_name, c.column_name
    from information_schema.columns as c
    where c.table_schema = 'public' and c.table_name in ('support_tickets', 'ticket_messages') and c.data_type = 'text'
  loop
    execute format('alter table public.%I add constraint %I check (char_length(%I) <= 20000) not valid',
                   held.table_name, held.table_name || '_' || held.column_name || '_length', held.column_name);
  end loop;
end
$$;
