-- Cancelling what was submitted costs GPU time that is paid for all the same. A number of such cancels a day is free for
-- each user (CANCELS_FREE_PER_DAY); the others cost the price of the generation.

-- Cancels of the day: those of submitted generations, free or not. Days are of UTC, by gateway.now().
alter table gateway.user_limit
  add column cancels integer not null default 0 constraint user_limit_cancels_never_negative check (cancels >= 0),
  add column cancels_on date not null default 'epoch';

-- Decided when the cancel is requested; kept where the cancel is what ended the run, else 0 again.
alter table gateway.run add column cancel_fee integer not null default 0;
alter table gateway.run add constraint run_cancel_fee_is_the_price check
  (cancel_fee = 0 or (cancel_fee = price and cancel_requested_at is not null and stage not in ('completed', 'failed')))
  not valid;
alter table gateway.run validate constraint run_cancel_fee_is_the_price;
create index run_by_charged_cancel on gateway.run (settled_at) where stage = 'cancelled' and cancel_fee > 0;
