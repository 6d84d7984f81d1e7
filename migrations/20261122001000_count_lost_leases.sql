-- A run whose pictures or answers kill every worker that reads them must not be handed to the next one without end.

alter table gateway.run
  add column leases_lost smallint not null default 0;     -- holders in a row that vanished without a commit
