-- A deployed database as it is: its values stay, except a balance below zero. From here on each balance equals the
-- sum of its ledger, because an `adjustment` states whatever did not add up before.

lock table public.credits, public.credit_transactions in share row exclusive mode;

-- A deployment may hold the type to the four words it knew.
do $$
declare
  old name;
begin
  for old in
    select con.conname
    from pg_catalog.pg_constraint con
    join pg_catalog.pg_attribute att on att.attrelid = con.conrelid and att.attnum = any (con.conkey)
    where con.conrelid = 'public.credit_transactions'::regclass
      and con.contype = 'c' and att.attname = 'transaction_type'
  loop
    execute format('alter table public.credit_transactions drop constraint %I', old);
  end loop;
end
$$;

-- A balance that is not the sum of its entries, with or without a row of credits; then one below zero. Users could
-- write both, so a difference may be more than one entry can hold: it is stated in as many as it takes.
create function pg_temp.adjust(user_id uuid, difference bigint, description text, entry_key text) returns void
  language sql
as $$
  insert into public.credit_transactions (user_id, amount, transaction_type, description, entry_key)
  select $1, sign($2) * least(abs($2) - part, 2000000000), 'adjustment', $3, concat_ws(':', $4, $1, nullif(part, 0))
  from generate_series(0, abs($2) - 1, 2000000000) as part
$$;

select pg_temp.adjust(user_id, coalesce(balance, 0) - coalesce(ledger, 0),
  'The balance differed from its entries when the ledger was adopted', 'adjustment:adoption')
from (select user_id, balance from public.credits) as credits
full join (select user_id, sum(amount) as ledger from public.credit_transactions group by user_id) as entries
  using (user_id);

select pg_temp.adjust(user_id, -balance::bigint, 'A negative balance was set to 0 when the ledger was adopted',
  'adjustment:negative')
from public.credits
where balance < 0;

-- No balance at all counts as 0; left so, whatever were added to it would be lost.
update public.credits set balance = 0 where balance < 0 or balance is null;

alter table public.credits add constraint credits_never_negative check (balance is not null and balance >= 0);

-- Deleting a project must not delete what was paid for, and an entry keeps the generation it is about. The deployed
-- constraints are found by their column, because their names are not ours.
do $$
declare
  old record;
begin
  for old in
    select con.conrelid::regclass as on_table, con.conname
    from pg_catalog.pg_constraint con
    join pg_catalog.pg_attribute att on att.attrelid = con.conrelid and con.conkey = array[att.attnum]
    where con.contype = 'f'
      and (con.conrelid, att.attname) in (
        ('public.generations'::regclass, 'project_id'), ('public.credit_transactions'::regclass, 'generation_id'))
  loop
    execute format('alter table %s drop constraint %I', old.on_table, old.conname);
  end loop;
end
$$;
alter table public.generations add constraint generations_project_id_fkey
  foreign key (project_id) references public.projects (id) on delete set null;
alter table public.credit_transactions add constraint credit_transactions_generation_id_fkey
  foreign key (generation_id) references public.generations (id) on delete no action;
