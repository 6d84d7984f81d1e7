-- A user's statement: her entries newest first, where rows from before may lack a time, and what her open runs hold.

create index if not exists credit_transactions_by_user_page on public.credit_transactions
  (user_id, (coalesce(created_at, 'epoch')) desc, id desc);
create index run_open_by_user on gateway.run (user_id) where stage in ('queued', 'submitting', 'running', 'collecting');
