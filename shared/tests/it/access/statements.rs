//! How each relation of the table of rights is read, added to and changed, about a row of somebody's.

use super::world::about;

pub(super) const NO_PREPARATION: &str = "select";

/// What to run for a relation. `{own}` and its like are the user whose row it is about.
pub(super) struct Relation {
    /// As in the table: a part of a relation stands behind a slash.
    pub(super) name: &'static str,
    /// The user's row.
    pick: &'static str,
    /// A column that may be set to itself.
    column: &'static str,
    /// Columns and values of a row that can be added.
    add: &'static str,
    /// Run as the superuser before the statement of a verb: what is in its way goes.
    clear: Option<(char, &'static str)>,
}

impl Relation {
    const fn new(name: &'static str, pick: &'static str, column: &'static str, add: &'static str) -> Self {
        Self { name, pick, column, add, clear: None }
    }

    const fn clearing(mut self, verb: char, clear: &'static str) -> Self {
        self.clear = Some((verb, clear));
        self
    }

    /// The relation itself.
    pub(super) fn table(&self) -> &'static str {
        self.name.split('/').next().expect("a split has a first part")
    }

    pub(super) fn preparation(&self, verb: char, user: &str) -> String {
        match self.clear {
            Some((for_verb, clear)) if for_verb == verb => about(user, clear),
            _ => NO_PREPARATION.into(),
        }
    }

    /// The statement of a verb about `user`; a change is of `column`, or of one that can always be changed.
    pub(super) fn statement(&self, verb: char, column: Option<&str>, user: &str) -> String {
        let (table, pick, column) = (self.table(), self.pick, column.unwrap_or(self.column));
        let statement = match verb {
            _ if table.ends_with("_seq") => match verb {
                'r' => format!("select last_value from {table}"),
                'a' => format!("select nextval('{table}')"),
                _ => format!("select setval('{table}', 1)"),
            },
            'r' => format!("select from {table} where {pick}"),
            'a' => format!("insert into {table} {}", self.add),
            'w' => format!("update {table} set {column} = {column} where {pick}"),
            'd' => format!("delete from {table} where {pick}"),
            't' => format!("truncate {table}"),
            _ => panic!("{verb} is no verb"),
        };
        about(user, &statement)
    }
}

pub(super) const RELATIONS: [Relation; 52] = [
    Relation::new("public.profiles", "id = '{own}'", "bio", "(id, email) values ('{own}', '')")
        .clearing('a', "delete from public.profiles where id = '{own}'"),
    Relation::new("public.projects", "id = '{own_project}'", "name", "(user_id, name) values ('{own}', 'Autumn')"),
    Relation::new(
        "public.generations",
        "id = '{own_generation}'",
        "tags",
        "(user_id, generation_type, method) values ('{own}', 'model', 'automatic')",
    ),
    Relation::new("public.credits", "user_id = '{own}'", "balance", "(user_id) values ('{own}')")
        .clearing('a', "delete from public.credits where user_id = '{own}'"),
    Relation::new(
        "public.credit_transactions",
        "user_id = '{own}'",
        "amount",
        "(user_id, amount, transaction_type) values ('{own}', 5, 'grant')",
    ),
    Relation::new("public.billing_plans", "id = '{own_plan}'", "price", "(name, price, interval) values ('x', 1, 'monthly')"),
    Relation::new(
        "public.subscriptions",
        "user_id = '{own}'",
        "status",
        "(user_id, plan_id) values ('{own}', '00000000-0000-4000-8000-0000000000ff')",
    ),
    Relation::new(
        "public.invoices",
        "user_id = '{own}'",
        "status",
        "(user_id, invoice_number, plan_name) values ('{own}', '2', 'Pro')",
    ),
    Relation::new("public.user_settings", "user_id = '{own}'", "language", "(user_id) values ('{own}')")
        .clearing('a', "delete from public.user_settings where user_id = '{own}'"),
    Relation::new("public.support_tickets", "id = '{own_ticket}'", "subject", "(user_id, subject, description) values ('{own}', 's', 'd')"),
    Relation::new("public.ticket_messages", "ticket_id = '{own_ticket}'", "message", "(ticket_id, message) values ('{own_ticket}', 'm')"),
    Relation::new(
        "gateway._sqlx_migrations",
        "true",
        "description",
        "(version, description, success, checksum, execution_time) values (1, 'x', true, '', 0)",
    ),
    Relation::new(
        "gateway.anomaly",
        "subject = '{own}'",
        "detail",
        "(kind, subject, observed, threshold, detail, first_seen_at, last_seen_at)
         values ('imbalance', '{own}', 1, 0, 'another', now(), now())",
    ),
    Relation::new("gateway.anomaly_id_seq", "", "", ""),
    Relation::new(
        "gateway.attempt",
        "generation_id = '{own_generation}'",
        "outcome",
        "(generation_id, attempt, started_at) values ('{own_generation}', 2, now())",
    ),
    Relation::new(
        "gateway.billing_stop",
        "user_id = '{own}'",
        "tries",
        "(provider_id, kind, user_id, noted_at, due_at) values ('sub_2', 'subscription', '{own}', now(), now())",
    ),
    Relation::new("gateway.cleanup", "true", "scan_cursor", "default values").clearing('a', "delete from gateway.cleanup"),
    Relation::new("gateway.clock", "true", "ahead", "default values").clearing('a', "delete from gateway.clock"),
    Relation::new("gateway.customer", "user_id = '{own}'", "customer_id", "(user_id, customer_id, known_at) values ('{own}', 'cus_x', now())")
        .clearing('a', "delete from gateway.customer where user_id = '{own}'"),
    Relation::new("gateway.debt", "user_id = '{own}'", "credits", "(user_id, credits) values ('{own}', 1)")
        .clearing('a', "delete from gateway.debt where user_id = '{own}'"),
    Relation::new(
        "gateway.event",
        "generation_id = '{own_generation}'",
        "detail",
        "(generation_id, kind, stage, attempt, created_at) values ('{own_generation}', 'k', 's', 1, now())",
    ),
    Relation::new("gateway.event_id_seq", "", "", ""),
    Relation::new("gateway.hold", "true", "reason", "(held_at, reason) values (now(), 'x')")
        .clearing('a', "delete from gateway.hold"),
    Relation::new(
        "gateway.idempotency_key",
        "user_id = '{own}'",
        "response",
        "(user_id, operation, key, fingerprint, response, created_at, expires_at) values ('{own}', 'o', 'k', '', '', now(), now())",
    ),
    Relation::new(
        "gateway.invoice",
        "provider_id = 'in_{own}'",
        "provider_id",
        "(invoice_id, provider_id, subscription_id) select i.id, 'in_x', s.subscription_id from public.invoices as i
          join gateway.subscription as s using (user_id) where user_id = '{own}' limit 1",
    )
    .clearing('a', "delete from gateway.invoice where provider_id = 'in_{own}'"),
    Relation::new("gateway.mailing", "user_id = '{own}'", "tries", "(user_id) values ('{own}')")
        .clearing('a', "delete from gateway.mailing where user_id = '{own}'"),
    Relation::new(
        "gateway.notification",
        "generation_id = '{own_generation}'",
        "state",
        "(generation_id, event, user_id, created_at) values ('{own_spare}', 'failed', '{own}', now())",
    ),
    Relation::new(
        "gateway.output",
        "generation_id = '{own_generation}'",
        "link",
        "(generation_id, n, path, format, width, height, size_bytes, created_at) values ('{own_generation}', 2, 'p', 'webp', 1, 1, 1, now())",
    ),
    Relation::new("gateway.pack", "pack_id = 'starter'", "name", "(pack_id, name, credits, amount_cents) values ('x', 'x', 1, 50)"),
    Relation::new(
        "gateway.payment",
        "user_id = '{own}'",
        "credits_granted",
        "(payment_id, user_id, purchase_id, name, amount_cents, charged_cents, credits_total, credits_paid, paid_at) values ('pi_x', '{own}', '{own}', 'x', 1, 1, 1, 1, now())",
    ),
    Relation::new(
        "gateway.payment_event",
        "event_id = 'evt_{own}'",
        "outcome",
        "(event_id, kind, object_id, recovered, received_at, due_at) values ('evt_x', 'invoice.paid', 'in_x', false, now(), now())",
    ),
    Relation::new("gateway.payment_watch", "true", "next_at", "default values")
        .clearing('a', "delete from gateway.payment_watch"),
    Relation::new(
        "gateway.plan_grant",
        "payment_id = 'pi_{own}'",
        "granted_at",
        "(invoice_id, month, payment_id, entry_key, credits, due_at) select invoice_id, 1, 'pi_{own}', 'x', 1, now()
          from gateway.invoice where provider_id = 'in_{own}'",
    ),
    Relation::new(
        "gateway.plan_retention",
        "plan_id = '00000000-0000-4000-8000-0000000000ff'",
        "days",
        "(plan_id, days) values ('00000000-0000-4000-8000-0000000000e4', 30)",
    ),
    Relation::new("gateway.provider_object", "object_id = 'in_{own}'", "version", "(object_id, version) values ('x', 1)"),
    Relation::new(
        "gateway.purchase",
        "user_id = '{own}'",
        "state",
        "(purchase_id, user_id, pack_id, name, credits, amount_cents, currency, created_at, expires_at)
          values (gen_random_uuid(), '{own}', 'starter', 'x', 1, 50, 'usd', now(), now())",
    ),
    Relation::new("gateway.provider_budget", "true", "free_at", "(endpoint, operation, free_at) values ('e', 'status', now())"),
    Relation::new("gateway.reading", "true", "read_at", "default values")
        .clearing('a', "delete from gateway.reading"),
    Relation::new(
        "gateway.quote",
        "user_id = '{own}'",
        "price",
        "(quote_id, user_id, fingerprint, price, created_at, expires_at)
          values (gen_random_uuid(), '{own}', sha256(''), 0, now(), now() + interval '1 minute')",
    ),
    Relation::new("gateway.removed_user", "user_id = '{own}'", "rounds", "(user_id, removed_at, next_at) values ('{own}', now(), now())")
        .clearing('a', "delete from gateway.removed_user where user_id = '{own}'"),
    Relation::new("gateway.stored_object", "user_id = '{own}'", "used_by", "(path, user_id) values ('{own}/inputs/b.png', '{own}')"),
    Relation::new(
        "gateway.run",
        "generation_id = '{own_generation}'",
        "progress",
        "(generation_id, user_id, workflow, endpoint, price, outputs_asked, output_format, seed, request_id, accepted_at, deadline_at,
          target_seconds, max_seconds) values ('{own_spare}', '{own}', 'model', 'e', 2, 2, 'webp', 1, 'r', now(), now(), 20, 45)",
    ),
    Relation::new("gateway.setting", "true", "value", "(name, value) values ('x', '1')"),
    Relation::new(
        "gateway.subscription",
        "user_id = '{own}'",
        "provider_id",
        "(subscription_id, provider_id, user_id, purchase_id) select id, 'sub_x', user_id, user_id
          from public.subscriptions where user_id = '{own}' limit 1",
    )
    .clearing('a', "delete from gateway.subscription where user_id = '{own}'"),
    Relation::new(
        "gateway.undecided_payment",
        "user_id = '{own}'",
        "reason",
        "(object_id, user_id, reason, paid_cents, agreed_cents) values ('in_x', '{own}', 'x', 1, 1)",
    ),
    Relation::new("gateway.user_limit", "user_id = '{own}'", "full_at", "(user_id, full_at) values ('{own}', now())")
        .clearing('a', "delete from gateway.user_limit where user_id = '{own}'"),
    Relation::new(
        "apalis._sqlx_migrations",
        "true",
        "description",
        "(version, description, success, checksum, execution_time) values (1, 'x', true, '', 0)",
    ),
    Relation::new(
        "apalis.jobs",
        "true",
        "status",
        "(id, job_type, job, status, attempts, max_attempts, run_at, priority, metadata) values ('x', 'submit', '{}', 'Pending', 0, 1, now(), 0, ''::hstore)",
    ),
    Relation::new("apalis.workers", "true", "last_seen", "(id, worker_type, storage_name) values ('x', 'submit', 's')"),
    Relation::new("storage.buckets", "id = 'shootx-images'", "public", "(id, name) values ('x', 'x')")
        .clearing('d', "delete from storage.objects"),
    Relation::new(
        "storage.objects",
        "name = '{own}/uploads/a.png'",
        "version",
        "(bucket_id, name) values ('shootx-images', '{own}/uploads/b.png')",
    ),
    Relation::new(
        "storage.objects/outputs",
        "name = '{own}/{own_generation}/1.webp'",
        "version",
        "(bucket_id, name) values ('shootx-images', '{own}/{own_generation}/2.webp')",
    ),
];
