-- Pictures: a private bucket, in which a user may put and read files under {user_id}/uploads/ and nothing else.
-- Left out where there is no storage schema (then the service keeps files itself).

do $$
declare
  own constant text := $sql$(bucket_id = 'shootx-images'
    and (storage.foldername(name))[1] = (select auth.uid())::text and (storage.foldername(name))[2] = 'uploads')$sql$;
begin
  if to_regclass('storage.objects') is null or to_regclass('storage.buckets') is null then
    raise notice 'no storage schema here: no bucket and no policies are made';
    return;
  end if;

  insert into storage.buckets (id, name, public) values ('shootx-images', 'shootx-images', false)
  on conflict do nothing;

  execute 'create policy shootx_uploads_read on storage.objects for select to authenticated using ' || own;
  execute 'create policy shootx_uploads_insert on storage.objects for insert to authenticated with check ' || own;
  -- Whatever other policies a deployment has, in this bucket a browser stays within the user's uploads.
  execute 'create policy shootx_uploads_only on storage.objects as restrictive for all to anon, authenticated '
    || 'using (bucket_id is distinct from ''shootx-images'' or ' || own || ')';
end
$$;
