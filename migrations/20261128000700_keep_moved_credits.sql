-- What the entries of the ledger have moved, by kind, as of the last reading of the books: metrics show it without reading
-- them all. The grants on the table cover it.
alter table gateway.reading add column moved jsonb not null default '{}';
