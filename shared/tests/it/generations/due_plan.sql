-- A plan of {user}, of which a month is due.
insert into public.billing_plans (id, name, price, interval, credits_per_month)
  values ('00000000-0000-4000-8000-0000000000ff', 'Pro', 29, 'monthly', 500);
insert into public.subscriptions (user_id, plan_id, status)
  values ('{user}', '00000000-0000-4000-8000-0000000000ff', 'active');
insert into public.invoices (user_id, invoice_number, plan_name) values ('{user}', '1', 'Pro');
insert into gateway.purchase
  (purchase_id, user_id, plan_id, name, credits, months, amount_cents, currency, state, created_at, expires_at)
  values ('{user}', '{user}', '00000000-0000-4000-8000-0000000000ff', 'Pro', 500, 1, 2900, 'usd', 'paid', now(), now());
insert into gateway.payment
  (payment_id, user_id, purchase_id, name, amount_cents, charged_cents, credits_total, credits_paid, paid_at)
  values ('pi_1', '{user}', '{user}', 'Pro', 2900, 2900, 500, 500, now());
insert into gateway.subscription (subscription_id, provider_id, user_id, purchase_id)
  select id, 'sub_1', user_id, '{user}' from public.subscriptions;
insert into gateway.invoice (invoice_id, provider_id, subscription_id)
  select invoices.id, 'in_1', subscription_id from public.invoices join gateway.subscription using (user_id);
insert into gateway.plan_grant (invoice_id, month, payment_id, entry_key, credits, due_at)
  select invoice_id, 0, 'pi_1', 'subscription:in_1', 500, now() from gateway.invoice;
