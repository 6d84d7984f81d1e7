-- The stored pictures that the rows name, one JSON object each: outputs, and what was given as input. Where Supabase's
-- storage is in the same database, its checksum and size of each, too. The user's id begins the path of whatever is hers.
with named as (
  select path, 'output' as kind, size_bytes as bytes from gateway.output
  union all
  select distinct value #>> '{}', 'input', null::bigint
  from public.generations as generation, jsonb_path_query(generation.input_data::jsonb, '$.**') as value
  where jsonb_typeof(value) = 'string' and starts_with(value #>> '{}', generation.user_id || '/')
), once as (
  -- An output may be the input of another generation.
  select distinct on (path) path, kind, bytes from named order by path, kind desc
)
\if :has_storage
select jsonb_strip_nulls(jsonb_build_object('path', path, 'kind', kind,
         'bytes', coalesce(bytes, (objects.metadata ->> 'size')::bigint), 'etag', objects.metadata ->> 'eTag'))
from once left join storage.objects on objects.bucket_id = :'bucket' and objects.name = path
order by path
\else
select jsonb_strip_nulls(jsonb_build_object('path', path, 'kind', kind, 'bytes', bytes)) from once order by path
\endif
