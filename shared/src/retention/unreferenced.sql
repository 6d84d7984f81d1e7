-- Which of the given objects nothing refers to; with $8, notes them for removal. An input is an object without a
-- generation. What a request named within the time of inputs is kept: it may not be accepted yet, or just was.
with seen as (
    select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[])
        as object (path, user_id, generation_id, size_bytes, written_at)
), shown as (
    select * from gateway.list_shown_pictures(array(select distinct user_id from seen))
), theirs as (
    -- `output_urls` of old rows may have any dimensions.
    select g.id, g.user_id, g.input_data,
           array[g.input_url, g.output_url, g.image_url] || array(select unnest(g.output_urls)) as paths
    from public.generations as g
    where g.user_id in (select user_id from seen) and g.deleted_at is null
), named as (
    select path
    from theirs cross join lateral gateway.named_pictures(input_data, paths, user_id) as path
    union all
    select output.path from theirs join gateway.output on output.generation_id = theirs.id
), unreferenced as (
    select seen.*, exists (select from shown where shown.user_id = seen.user_id) as has_user
    from seen
    where not exists (select from named where named.path = seen.path)
      and not exists (select from shown where shown.path = seen.path)
      and not exists (select from gateway.stored_object as held
                      where held.path = seen.path
                        and (held.remove_as is not null
                             or held.used_at > gateway.now() - make_interval(secs => $6)))
      -- What a run makes that is not final may not have its row yet; a generation of before this backend has no run, and
      -- no rows of its pictures.
      and not exists (select from public.generations as g left join gateway.run on run.generation_id = g.id
                      where g.id = seen.generation_id and g.user_id = seen.user_id and g.deleted_at is null
                        and (run.stage is null or run.stage in ('queued', 'submitting', 'running', 'collecting')))
), doomed as (
    select path, user_id, size_bytes,
           case when has_user and generation_id is null then 'unused_inputs' else 'orphans' end as kind
    from unreferenced
    where not has_user or generation_id is not null
       or written_at <= gateway.now() - make_interval(secs => $6)
), noted as (
    insert into gateway.stored_object as held (path, user_id, size_bytes, remove_as, noted_at)
    select path, user_id, size_bytes, kind, gateway.now() from doomed where $8::boolean and kind = any ($7::text[])
    on conflict (path) do update
    set remove_as = excluded.remove_as, noted_at = excluded.noted_at, size_bytes = excluded.size_bytes
    where held.remove_as is null
      and (held.used_at is null or held.used_at <= gateway.now() - make_interval(secs => $6))
)
select count(*) filter (where kind = 'unused_inputs') as "inputs!",
       coalesce(sum(size_bytes) filter (where kind = 'unused_inputs'), 0)::bigint as "input_bytes!",
       count(*) filter (where kind = 'orphans') as "orphans!",
       coalesce(sum(size_bytes) filter (where kind = 'orphans'), 0)::bigint as "orphan_bytes!"
from doomed
