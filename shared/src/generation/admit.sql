-- Admits a request before its pictures are worked on: key, limit, a look at the balance, and at outputs given as pictures.
-- The limit is charged as accept.sql charges it, and the pictures are noted as used, so that none is removed while they
-- are looked at; who is removing one at this moment, or shall, is not disturbed, and the picture counts as not there.
with asked as (
    select $1::uuid as user_id, $2::text as key, $3::uuid as project_id, gateway.now() as now
), replay as (
    select stored.fingerprint, stored.response
    from asked join gateway.idempotency_key as stored using (user_id, key)
    where stored.operation = 'generate' and stored.expires_at > asked.now
), known as (
    select exists (select from public.profiles, asked where profiles.id = asked.user_id) as user_known,
           asked.project_id is null or exists (
               select from public.projects
               where projects.id = asked.project_id and projects.user_id = asked.user_id) as project_known,
           coalesce((select credits from gateway.debt where debt.user_id = asked.user_id), 0) as debt
    from asked
), limited as (
    insert into gateway.user_limit as held (user_id, full_at)
    select asked.user_id, asked.now + make_interval(secs => $4)
    from asked, known
    where user_known and project_known and not exists (select from replay)
    on conflict (user_id) do update
    set full_at = greatest(held.full_at, gateway.now()) + make_interval(secs => $4)
    where held.runs_open < $8
      and greatest(held.full_at, gateway.now()) + make_interval(secs => $4)
          <= gateway.now() + make_interval(secs => $5)
    returning user_id
), used as (
    insert into gateway.stored_object as held (path, user_id, used_at, used_by)
    select picture.path, limited.user_id, gateway.now(), $9
    from limited cross join (select distinct unnest($10::text[] || $11::text[]) order by 1) as picture (path)
    on conflict (path) do update
    set used_at = excluded.used_at, remove_as = null, noted_at = null, removing_until = null,
        used_by = case when held.used_at > gateway.now() - make_interval(secs => $12)
                        and held.used_by is distinct from excluded.used_by then null else excluded.used_by end
    where (held.removing_until is null or held.removing_until <= gateway.now())
      -- What came inside the request is there again in a moment.
      and (held.remove_as is null or held.remove_as = 'unused_inputs' or held.path = any ($11))
    returning path
)
select exists (select from limited) as "within_limit!",
       user_known as "user_known!",
       project_known as "project_known!",
       debt as "debt!: Credits",
       (select fingerprint from replay) as replay_fingerprint,
       (select response from replay) as replay_response,
       coalesce((select balance from public.credits where credits.user_id = asked.user_id), 0) as "balance!: Credits",
       array(select path from unnest($6::uuid[], $7::text[]) as given (generation_id, path)
             where not exists (
                 select from gateway.output join gateway.run using (generation_id)
                 where output.generation_id = given.generation_id and output.path = given.path
                   and run.user_id = asked.user_id)) as "missing!",
       array(select path from limited cross join unnest($10::text[] || $11::text[]) as picture (path)
             where not exists (select from used where used.path = picture.path)) as "leaving!: Vec<String>"
from asked, known
