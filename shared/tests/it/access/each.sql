-- What a user has: a project with a generation in it that was paid for and completed, one that has no run, the rest.
insert into auth.users (id, email, email_confirmed_at) values ('{own}', '{own}@example.com', now());
insert into public.projects (id, user_id, name) values ('{own_project}', '{own}', 'Spring');
insert into public.generations (id, user_id, project_id, generation_type, method, status, output_url) values
  ('{own_generation}', '{own}', '{own_project}', 'model', 'automatic', 'completed', '{own}/{own_generation}/1.webp'),
  ('{own_spare}', '{own}', null, 'model', 'automatic', 'processing', null);
insert into public.credit_transactions (user_id, amount, transaction_type, generation_id, entry_key)
  values ('{own}', -2, 'generation', '{own_generation}', 'generation:{own_generation}');
update public.credits set balance = balance - 2 where user_id = '{own}';
insert into public.subscriptions (user_id, plan_id, status)
  values ('{own}', '00000000-0000-4000-8000-0000000000ff', 'expired');
insert into public.invoices (user_id, invoice_number, plan_name) values ('{own}', '1', 'Pro');
insert into gateway.purchase
  (purchase_id, user_id, pack_id, name, credits, amount_cents, currency, session_id, state, created_at, expires_at)
  values ('{own}', '{own}', 'starter', 'Starter', 100, 900, 'usd', 'cs_{own}', 'paid', now(), now());
insert into gateway.customer (user_id, customer_id, known_at) values ('{own}', 'cus_{own}', now());
insert into gateway.payment (payment_id, user_id, purchase_id, name, amount_cents, charged_cents, credits_total, credits_paid, paid_at)
  values ('pi_{own}', '{own}', '{own}', 'Starter', 900, 900, 100, 100, now());
insert into gateway.undecided_payment (object_id, user_id, reason, paid_cents, agreed_cents)
  values ('cs_{own}', '{own}', 'another amount', 1, 900);
insert into gateway.subscription (subscription_id, provider_id, user_id, purchase_id)
  select id, 'sub_{own}', user_id, '{own}' from public.subscriptions where user_id = '{own}';
insert into gateway.invoice (invoice_id, provider_id, subscription_id)
  select invoices.id, 'in_{own}', subscription_id from public.invoices join gateway.subscription using (user_id)
  where user_id = '{own}';
insert into gateway.plan_grant (invoice_id, month, payment_id, entry_key, credits, due_at, granted_at)
  select invoice_id, 0, 'pi_{own}', 'subscription:in_{own}', 500, now(), now() from gateway.invoice
  where provider_id = 'in_{own}';
insert into gateway.debt (user_id, credits) values ('{own}', 0);
insert into gateway.payment_event (event_id, kind, object_id, recovered, received_at, due_at, ended_at)
  values ('evt_{own}', 'invoice.paid', 'in_{own}', false, now(), now(), now());
insert into gateway.provider_object (object_id, version) values ('in_{own}', 1);
insert into public.user_settings (user_id) values ('{own}');
insert into gateway.run
  (generation_id, user_id, workflow, endpoint, stage, price, outputs_asked, outputs_delivered, output_format, seed,
   request_id, accepted_at, deadline_at, target_seconds, max_seconds, settled_at)
  values ('{own_generation}', '{own}', 'model', 'e', 'completed', 2, 2, 2, 'webp', 1, 'r', now(), now(), 20, 45, now());
insert into gateway.anomaly (kind, subject, observed, threshold, detail, first_seen_at, last_seen_at)
  values ('imbalance', '{own}', 1, 0, '', now(), now());
insert into gateway.attempt (generation_id, attempt, started_at) values ('{own_generation}', 1, now());
insert into gateway.output (generation_id, n, path, format, width, height, size_bytes, created_at)
  values ('{own_generation}', 1, '{own}/{own_generation}/1.webp', 'webp', 1, 1, 1, now());
insert into gateway.event (generation_id, kind, stage, attempt, created_at)
  values ('{own_generation}', 'accepted', 'queued', 1, now());
insert into gateway.idempotency_key (user_id, operation, key, fingerprint, response, created_at, expires_at)
  values ('{own}', 'generate', 'k', '', '{}', now(), now());
insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
  values (gen_random_uuid(), '{own}', sha256(''), 2, now(), now() + interval '1 minute');
insert into gateway.stored_object (path, user_id) values ('{own}/inputs/a.png', '{own}');
insert into gateway.removed_user (user_id, removed_at, next_at) values ('{own}', now(), now());
insert into gateway.billing_stop (provider_id, kind, user_id, noted_at, due_at)
  values ('sub_{own}', 'subscription', '{own}', now(), now());
insert into gateway.user_limit (user_id, full_at) values ('{own}', now());
insert into gateway.notification (generation_id, event, user_id, created_at)
  values ('{own_generation}', 'completed', '{own}', now());
insert into gateway.mailing (user_id) values ('{own}');
insert into storage.objects (bucket_id, name) values
  ('shootx-images', '{own}/uploads/a.png'), ('shootx-images', '{own}/{own_generation}/1.webp');
