-- The words each column may hold. `not valid`: rows from before keep whatever they say, new ones are held to it.

alter table public.generations add constraint generations_status_known
  check (status in ('pending', 'processing', 'completed', 'failed')) not valid;

alter table public.credit_transactions add constraint credit_transactions_type_known
  check (transaction_type in
    ('purchase', 'subscription', 'generation', 'refund', 'grant', 'adjustment', 'reversal')) not valid;

alter table public.billing_plans add constraint billing_plans_interval_known
  check (interval in ('monthly', 'yearly')) not valid;

alter table public.subscriptions add constraint subscriptions_status_known
  check (status in ('active', 'cancelled', 'expired', 'past_due')) not valid;

alter table public.invoices add constraint invoices_status_known
  check (status in ('paid', 'pending', 'failed')) not valid;
