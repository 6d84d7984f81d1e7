-- The stored pictures that the rows name, one JSON object each: outputs, and what else may be missing without a loss to
-- us: what was given as input, what rows of before this backend name, what profiles and projects show. Where Supabase's
-- storage is in the same database, its checksum and size of each, too. The user's id begins the path of whatever is hers.
with named as (
  select path, 'output' as kind, size_bytes as bytes from gateway.output
  union all
  select path, 'input', null::bigint
  from public.generations as g
  cross join lateral gateway.named_pictures(
    g.input_data::jsonb, array[g.input_url, g.output_url, g.image_url] || g.output_urls, g.user_id) as path
  union all
  select path, 'input', null
  from public.profiles cross join lateral gateway.picture_paths(avatar_url, id) as path
  union all
  select path, 'input', null
  from public.projects cross join lateral gateway.picture_paths(thumbnail_url, user_id) as path
), once as (
  -- An output may be the input of another generation. Prompts may look like paths, too: the form sorts out most.
  select distinct on (path) path, kind, bytes from named
  where length(path) <= 1024 and path ~ '^[^/]{36}/(inputs|uploads|[0-9a-f-]{36})/[^/]'
  order by path, kind desc
)
\if :has_storage
select jsonb_strip_nulls(jsonb_build_object('path', path, 'kind', kind,
         'bytes', coalesce(bytes, (objects.metadata ->> 'size')::bigint), 'etag', objects.metadata ->> 'eTag'))
from once left join storage.objects on objects.bucket_id = :'bucket' and objects.name = path
order by path
\else
select jsonb_strip_nulls(jsonb_build_object('path', path, 'kind', kind, 'bytes', bytes)) from once order by path
\endif
