-- Between the rows and the constraints of a restore: a profile whose user was deleted since the backup keeps its books,
-- and gets a stub of a user, as whom nobody can sign in, and tells no more who she was.
with stub as (
  insert into auth.users (id, aud, role, created_at, updated_at, deleted_at)
  select id, 'authenticated', 'authenticated', pg_catalog.now(), pg_catalog.now(), pg_catalog.now()
  from public.profiles
  where not exists (select from auth.users where users.id = profiles.id)
  returning id
)
update public.profiles
set email = '', full_name = null, avatar_url = null, company_name = null, bio = null
from stub where profiles.id = stub.id;
