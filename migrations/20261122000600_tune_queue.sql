-- The queue's table is small and always changing: the orphan scan of every heartbeat needs an index of its own, and
-- vacuum must come before the default of a fifth of the table.

create index if not exists jobs_inflight on apalis.jobs (lock_by) where status in ('Running', 'Queued');
alter table apalis.jobs set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
