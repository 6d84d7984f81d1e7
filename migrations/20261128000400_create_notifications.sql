-- What users are told by mail: a row for each end of a generation, written by the transaction that settles it. And for
-- each user when her rows are next looked at, as `gateway.run` has it for a generation.

create table gateway.notification (
  generation_id uuid not null references public.generations (id) on delete cascade,
  event text not null constraint notification_event_known check (event in ('completed', 'failed')),
  user_id uuid not null references public.profiles (id) on delete cascade,
  state text not null default 'waiting'
    constraint notification_state_known check (state in ('waiting', 'sending', 'sent', 'unwanted', 'given_up')),
  mail_id uuid,                               -- the mail it is in, or was in
  created_at timestamptz not null,
  primary key (generation_id, event),
  constraint notification_in_a_mail check (case when state = 'waiting' then mail_id is null
                                                when state in ('sending', 'sent') then mail_id is not null
                                                else true end)
);
create index notification_by_user on gateway.notification (user_id, state, created_at);
create index notification_by_mail on gateway.notification (mail_id) where mail_id is not null;
create index notification_ended on gateway.notification (created_at) where state not in ('waiting', 'sending');

create table gateway.mailing (
  user_id uuid primary key references public.profiles (id) on delete cascade,
  wake_at timestamptz,                        -- null: nothing of hers waits
  job_id text,                                -- the job that wakes her mailing
  tries smallint not null default 0,          -- in a row that did not end well
  mail_id uuid,                               -- a mail that is written; whether it went out is not known yet
  mailed_at timestamptz,                      -- the date it carries
  unheard smallint not null default 0,        -- times it may have gone out
  lease_id uuid,
  leased_until timestamptz,
  constraint mailing_mail_has_a_date check ((mail_id is null) = (mailed_at is null))
);
create index mailing_by_wake on gateway.mailing (wake_at) where wake_at is not null;

-- Workers write and send; nobody else has anything to do with it.
grant select, insert, update, delete on gateway.notification to shootx_worker;
grant select, insert, update on gateway.mailing to shootx_worker;

-- Whether a user wants mail: workers ask, and the API notes that she does not. No row means that she does.
create policy services on public.user_settings for all to shootx_api, shootx_worker using (true) with check (true);
grant select (user_id, email_notifications) on public.user_settings to shootx_api, shootx_worker;
grant insert (user_id, email_notifications), update (email_notifications, updated_at) on public.user_settings to shootx_api;

-- The address of a mail that is written, and of no other user. As its owner, because the services may not see addresses.
create function gateway.find_mail_address(mail uuid) returns text
  language sql stable security definer set search_path = ''
as $$
  select users.email
  from gateway.mailing join auth.users on users.id = mailing.user_id
  where mailing.mail_id = find_mail_address.mail
$$;
revoke execute on function gateway.find_mail_address(uuid) from public, anon, authenticated, service_role;
grant execute on function gateway.find_mail_address(uuid) to shootx_worker;
