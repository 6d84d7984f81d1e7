-- A submitted generation uses GPU time that we pay for even if it is cancelled. Each user may cancel a number of
-- submitted generations a day for free (CANCELS_FREE_PER_DAY); each further cancel costs the price of the generation.

-- Cancels of submitted generations on the day cancels_on, free or not. Days are in UTC, by gateway.now().
alter table gateway.user_limit
  add column cancels integer not null default 0 constraint user_limit_cancels_never_negative check (cancels >= 0),
  add column cancels_on date not null default 'epoch';

-- Set when the cancel is requested; reset to 0 if the run did not end because of the cancel.
alter table gateway.run add column cancel_fee integer not null default 0;
alter table gateway.run add constraint run_cancel_fee_is_the_price check
  (cancel_fee = 0 or (cancel_fee = price and cancel_requested_at is not null and stage not in ('completed', 'failed')))
  not valid;
alter table gateway.run validate constraint run_cancel_fee_is_the_price;
create index run_by_charged_cancel on gateway.run (settled_at) where stage = 'cancelled' and cancel_fee > 0;
