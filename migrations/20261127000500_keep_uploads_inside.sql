-- A path may not lead out of a user's uploads again: {user_id}/uploads/../{generation_id}/1.webp lies in them by its
-- first two names. The Storage API refuses such names, and keeps files where they say; a policy does not depend on that.

do $$
begin
  if to_regclass('storage.objects') is null then
    return;
  end if;
  execute $sql$create policy shootx_uploads_inside on storage.objects as restrictive for all to anon, authenticated
    using (bucket_id is distinct from 'shootx-images' or position('..' in name) = 0)$sql$;
end
$$;
