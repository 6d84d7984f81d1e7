-- Pages are ordered by a time that rows from before may lack; the plain index serves the front end's own queries.

create index if not exists generations_by_user_page on public.generations
  (user_id, (coalesce(created_at, 'epoch')) desc, id desc);
