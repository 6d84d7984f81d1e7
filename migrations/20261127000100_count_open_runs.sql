-- How many runs of a user are not final: a counter beside her rate, so that accepting need not count them.
-- A trigger keeps it, whoever moves a run. Accept has locked the limit row already, and whoever settles locks it after
-- the run and before the credits: the order of all locks. A row with open runs must outlive them.

alter table gateway.user_limit add column runs_open integer not null default 0
  constraint user_limit_runs_open_never_negative check (runs_open >= 0);

create function gateway.is_final(stage text) returns boolean
  language sql immutable set search_path = ''
  as $$ select stage in ('completed', 'failed', 'cancelled') $$;
revoke execute on function gateway.is_final(text) from public;

-- As its owner: workers settle runs and have no business with limits.
create function gateway.count_open_runs() returns trigger
  language plpgsql security definer set search_path = ''
as $$
declare
  opened integer := case when tg_op <> 'DELETE' and not gateway.is_final(new.stage) then 1 else 0 end
                  - case when tg_op <> 'INSERT' and not gateway.is_final(old.stage) then 1 else 0 end;
begin
  if opened <> 0 then
    update gateway.user_limit set runs_open = greatest(runs_open + opened, 0)
    where user_id = case when tg_op = 'DELETE' then old.user_id else new.user_id end;
  end if;
  return null;
end
$$;
revoke execute on function gateway.count_open_runs() from public;

-- Keeps others from writing runs until this is committed, so that what is counted below is all there is.
create trigger count_open_runs after insert or delete or update of stage on gateway.run
  for each row execute function gateway.count_open_runs();

insert into gateway.user_limit (user_id, full_at, runs_open)
select user_id, gateway.now(), count(*)
from gateway.run join public.profiles on profiles.id = run.user_id
where stage in ('queued', 'submitting', 'running', 'collecting')
group by user_id
on conflict (user_id) do update set runs_open = excluded.runs_open;
