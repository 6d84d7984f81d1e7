-- Ends a restore, in its transaction: the hold, and whether all is there.

delete from gateway.hold;
insert into gateway.hold (held_at, backup_at, reason)
values (gateway.now(), (:'manifest'::jsonb ->> 'taken_at')::timestamptz,
        'restored from the backup of ' || (:'manifest'::jsonb ->> 'taken_at'));

select set_config('shootx.expected', (:'manifest'::jsonb -> 'counts')::text, true),
       set_config('shootx.found', (:counts)::text, true) \g /dev/null

do $$
begin
  if current_setting('shootx.expected')::jsonb <> current_setting('shootx.found')::jsonb then
    raise exception 'what was restored is not what was backed up: % instead of %',
      current_setting('shootx.found'), current_setting('shootx.expected');
  end if;
end
$$;
