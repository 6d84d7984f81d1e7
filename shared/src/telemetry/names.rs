//! The names of all metrics, their help texts, and the buckets of those that are distributions.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Labels: `outcome`.
pub const ACCEPTS_TOTAL: &str = "shootx_accepts_total";
/// Labels: `step`, `outcome`.
pub const STEPS_TOTAL: &str = "shootx_steps_total";
/// Labels: none.
pub const CANCELS_CHARGED_TOTAL: &str = "shootx_cancels_charged_total";
/// Labels: `kind`.
pub const ANOMALIES: &str = "shootx_anomalies";
/// Labels: none.
pub const BOOKS_AGE_SECONDS: &str = "shootx_books_age_seconds";
/// Labels: none.
pub const LEDGER_IMBALANCE: &str = "shootx_ledger_imbalance";
/// Labels: `queue`, `status`.
pub const QUEUE_JOBS: &str = "shootx_queue_jobs";
/// Labels: `queue`.
pub const QUEUE_OLDEST_SECONDS: &str = "shootx_queue_oldest_seconds";
/// Labels: `operation`, `outcome`.
pub const PROVIDER_CALLS_TOTAL: &str = "shootx_provider_calls_total";
/// Labels: `operation`.
pub const PROVIDER_CALL_SECONDS: &str = "shootx_provider_call_seconds";
/// Labels: `operation`, `outcome`.
pub const STORAGE_CALLS_TOTAL: &str = "shootx_storage_calls_total";
/// Labels: `operation`.
pub const STORAGE_CALL_SECONDS: &str = "shootx_storage_call_seconds";
/// Labels: `fault`.
pub const MISCONFIGURATIONS_TOTAL: &str = "shootx_misconfigurations_total";
/// Labels: `outcome`.
pub const INPUT_FETCHES_TOTAL: &str = "shootx_input_fetches_total";
/// Labels: none.
pub const INPUT_FETCH_SECONDS: &str = "shootx_input_fetch_seconds";
/// Labels: `route`, `method`, `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "shootx_http_requests_total";
/// Labels: `route`.
pub const HTTP_REQUEST_SECONDS: &str = "shootx_http_request_seconds";
/// Labels: none.
pub const HTTP_CONNECTIONS: &str = "shootx_http_connections";
/// Labels: `reason`.
pub const HTTP_CONNECTIONS_ENDED_TOTAL: &str = "shootx_http_connections_ended_total";
/// Labels: `outcome`.
pub const HTTP_DRAINS_TOTAL: &str = "shootx_http_drains_total";
/// Labels: `by`.
pub const THROTTLED_TOTAL: &str = "shootx_throttled_total";
/// Labels: `outcome`.
pub const WEBHOOKS_TOTAL: &str = "shootx_webhooks_total";
/// Labels: none.
pub const WEBHOOKS_EXPECTED: &str = "shootx_webhooks_expected";
/// Labels: `operation`, `outcome`.
pub const PAYMENT_CALLS_TOTAL: &str = "shootx_payment_calls_total";
/// Labels: `operation`.
pub const PAYMENT_CALL_SECONDS: &str = "shootx_payment_call_seconds";
/// Labels: `outcome`.
pub const PAYMENT_WEBHOOKS_TOTAL: &str = "shootx_payment_webhooks_total";
/// Labels: `kind`, `outcome`.
pub const PAYMENT_EVENTS_TOTAL: &str = "shootx_payment_events_total";
/// Labels: none.
pub const BILLING_STOPS_OLDEST_SECONDS: &str = "shootx_billing_stops_oldest_seconds";
/// Labels: `outcome`: `stopped` or `failed`.
pub const BILLING_STOPS_TOTAL: &str = "shootx_billing_stops_total";
/// Labels: none.
pub const PAYMENT_EVENTS_OLDEST_SECONDS: &str = "shootx_payment_events_oldest_seconds";
/// Labels: none.
pub const PAYMENT_EVENTS_RECOVERED_TOTAL: &str = "shootx_payment_events_recovered_total";
/// Labels: `kind`.
pub const CLEANUP_REMOVED_TOTAL: &str = "shootx_cleanup_removed_total";
/// Labels: `kind`.
pub const CLEANUP_REMOVED_BYTES_TOTAL: &str = "shootx_cleanup_removed_bytes_total";
/// Labels: none.
pub const CLEANUP_AGE_SECONDS: &str = "shootx_cleanup_age_seconds";
/// Labels: `outcome`.
pub const MAILS_TOTAL: &str = "shootx_mails_total";
/// Labels: none.
pub const MAIL_SECONDS: &str = "shootx_mail_seconds";
/// Labels: `outcome`.
pub const JWKS_FETCHES_TOTAL: &str = "shootx_jwks_fetches_total";
/// Labels: `outcome`.
pub const TRACE_SPANS_TOTAL: &str = "shootx_trace_spans_total";
/// Labels: `workflow`, `outcome`.
pub const GENERATIONS_TOTAL: &str = "shootx_generations_total";
/// Labels: `code`.
pub const GENERATION_FAILURES_TOTAL: &str = "shootx_generation_failures_total";
/// Labels: `workflow`, `outcome`.
pub const GENERATION_SECONDS: &str = "shootx_generation_seconds";
/// Labels: `workflow`.
pub const WORKFLOW_TARGET_SECONDS: &str = "shootx_workflow_target_seconds";
/// Labels: none.
pub const SETTLE_SECONDS: &str = "shootx_settle_seconds";
/// Labels: `queue`.
pub const ENQUEUE_TO_START_SECONDS: &str = "shootx_enqueue_to_start_seconds";
/// Labels: none.
pub const LEASES_LOST_TOTAL: &str = "shootx_leases_lost_total";
/// Labels: `kind`.
pub const CREDITS_TOTAL: &str = "shootx_credits_total";
/// Labels: `statement`.
pub const STATEMENT_SECONDS: &str = "shootx_statement_seconds";
/// Labels: `statement`, `kind`.
pub const STATEMENT_ERRORS_TOTAL: &str = "shootx_statement_errors_total";
/// Labels: `state`.
pub const POOL_CONNECTIONS: &str = "shootx_pool_connections";
/// Labels: none.
pub const POOL_CONNECTIONS_MAX: &str = "shootx_pool_connections_max";
/// Labels: `table`.
pub const TABLE_BYTES: &str = "shootx_table_bytes";
/// Labels: none.
pub const DATABASE_BYTES: &str = "shootx_database_bytes";
/// Labels: none.
pub const WAL_BYTES_TOTAL: &str = "shootx_wal_bytes_total";
/// Labels: none.
pub const TLS_CERTIFICATE_NOT_AFTER_SECONDS: &str = "shootx_tls_certificate_not_after_seconds";
/// Labels: `loop`.
pub const LOOP_AGE_SECONDS: &str = "shootx_loop_age_seconds";
/// Labels: `version`.
pub const BUILD_INFO: &str = "shootx_build_info";

/// Upper bounds of every `_seconds` distribution: from a database look-up to RunPod's slowest answer.
/// 0.2 and 0.5 are the promised limits of status and submission.
pub(super) const SECONDS_BUCKETS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds of the time of a statement: one that takes a hundred milliseconds is slow.
pub(super) const STATEMENT_BUCKETS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds of the time of a generation, whose deadline is twelve minutes away at most.
pub(super) const GENERATION_BUCKETS: [f64; 14] =
    [1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 240.0, 480.0, 720.0];

/// Gives every metric its help text and unit.
pub(super) fn describe() {
    describe_generations();
    describe_database();
    describe_http();
    describe_payments();
    describe_counter!(ACCEPTS_TOTAL, "Requests to start a generation, by outcome");
    describe_counter!(STEPS_TOTAL, "Steps of generations that workers ran, by step and outcome");
    describe_counter!(CANCELS_CHARGED_TOTAL, "Cancels beyond the free ones of a user's day, charged in full");
    describe_gauge!(ANOMALIES, "What is odd about the money and not over yet, by kind; anything but 0 is an alarm");
    describe_gauge!(BOOKS_AGE_SECONDS, Unit::Seconds, "How long ago a worker, any of them, read all of the books");
    describe_gauge!(LEDGER_IMBALANCE, "Rules of the ledger that the rows break; anything but 0 is an alarm");
    describe_gauge!(QUEUE_JOBS, "Jobs in the queue's table, by queue and status");
    describe_gauge!(
        QUEUE_OLDEST_SECONDS,
        Unit::Seconds,
        "Age of the oldest job that is due and waits, by queue; 0 when none does"
    );
    describe_counter!(PROVIDER_CALLS_TOTAL, "Calls to RunPod, by operation and outcome");
    describe_histogram!(PROVIDER_CALL_SECONDS, Unit::Seconds, "Duration of calls to RunPod, by operation");
    describe_counter!(STORAGE_CALLS_TOTAL, "Calls to the image store, by operation and outcome");
    describe_histogram!(STORAGE_CALL_SECONDS, Unit::Seconds, "Duration of calls to the image store, by operation");
    describe_counter!(
        MISCONFIGURATIONS_TOTAL,
        "Failures that only an operator can fix, because a bucket or key is set up wrongly, by fault"
    );
    describe_counter!(INPUT_FETCHES_TOTAL, "Pictures fetched from addresses that customers gave, by outcome");
    describe_histogram!(INPUT_FETCH_SECONDS, Unit::Seconds, "Duration of fetching a picture from a customer's address");
    describe_counter!(WEBHOOKS_TOTAL, "Webhooks received from RunPod, by outcome");
    describe_gauge!(
        WEBHOOKS_EXPECTED,
        "1 where RunPod is asked to call back, 0 where results are found by polling alone"
    );
    describe_counter!(CLEANUP_REMOVED_TOTAL, "Rows and stored objects that were removed, by kind");
    describe_counter!(CLEANUP_REMOVED_BYTES_TOTAL, Unit::Bytes, "Bytes of stored objects that were removed, by kind");
    describe_gauge!(
        CLEANUP_AGE_SECONDS,
        Unit::Seconds,
        "How long ago a worker, any of them, came to the end of cleaning up"
    );
    describe_counter!(MAILS_TOTAL, "Mails to users that were tried, by outcome");
    describe_histogram!(MAIL_SECONDS, Unit::Seconds, "Duration of handing a mail to the mail server");
    describe_counter!(JWKS_FETCHES_TOTAL, "Readings of the sign-in service's published keys, by outcome");
    describe_counter!(
        TRACE_SPANS_TOTAL,
        "Spans of traces: sent, failed to be sent, or dropped because too many waited"
    );
}

fn describe_http() {
    describe_counter!(HTTP_REQUESTS_TOTAL, "Requests answered, by route, method and status");
    describe_histogram!(HTTP_REQUEST_SECONDS, Unit::Seconds, "Duration of requests, by route");
    describe_gauge!(HTTP_CONNECTIONS, "Connections that are open");
    describe_counter!(
        HTTP_CONNECTIONS_ENDED_TOTAL,
        "Connections refused or ended because the limit was reached, or ended because they were slow or idle"
    );
    describe_counter!(HTTP_DRAINS_TOTAL, "Bodies that were left unread when their request was answered, by outcome");
    describe_counter!(
        THROTTLED_TOTAL,
        "Requests refused before anything was asked of the database, by whose rate it was"
    );
}

fn describe_payments() {
    describe_counter!(PAYMENT_CALLS_TOTAL, "Calls to Stripe, by operation and outcome");
    describe_histogram!(PAYMENT_CALL_SECONDS, Unit::Seconds, "Duration of calls to Stripe, by operation");
    describe_counter!(PAYMENT_WEBHOOKS_TOTAL, "Webhooks received from Stripe, by outcome");
    describe_counter!(PAYMENT_EVENTS_TOTAL, "Events of Stripe that were followed up, by kind and outcome");
    describe_gauge!(
        BILLING_STOPS_OLDEST_SECONDS,
        Unit::Seconds,
        "How long the oldest subscription or checkout of a deleted user has waited to be cancelled at Stripe; 0 if none"
    );
    describe_counter!(BILLING_STOPS_TOTAL, "Attempts to cancel a deleted user's billing at Stripe, by outcome");
    describe_gauge!(
        PAYMENT_EVENTS_OLDEST_SECONDS,
        Unit::Seconds,
        "How long the oldest event of Stripe has waited to be followed up; 0 when none does"
    );
    describe_counter!(PAYMENT_EVENTS_RECOVERED_TOTAL, "Events that never came and were found by looking");
}

fn describe_generations() {
    describe_counter!(GENERATIONS_TOTAL, "Generations that ended, by workflow and outcome");
    describe_counter!(GENERATION_FAILURES_TOTAL, "Generations that failed, by error code");
    describe_histogram!(
        GENERATION_SECONDS,
        Unit::Seconds,
        "Time from accepting a generation to its end, by workflow and outcome"
    );
    describe_gauge!(WORKFLOW_TARGET_SECONDS, Unit::Seconds, "Time a generation should take, by workflow");
    describe_histogram!(
        SETTLE_SECONDS,
        Unit::Seconds,
        "Time from learning that the provider is done to the end of the generation"
    );
    describe_histogram!(
        ENQUEUE_TO_START_SECONDS,
        Unit::Seconds,
        "Time from enqueueing a generation's first job to its begin, by queue"
    );
    describe_counter!(LEASES_LOST_TOTAL, "Steps whose outcome was dropped because another worker has the run");
    describe_counter!(
        CREDITS_TOTAL,
        "Credits moved by entries of the ledger, by kind, as of the last reading of the books"
    );
}

fn describe_database() {
    describe_histogram!(
        STATEMENT_SECONDS,
        Unit::Seconds,
        "Time of a named statement, waiting for a connection included"
    );
    describe_counter!(STATEMENT_ERRORS_TOTAL, "Named statements that failed, by statement and kind");
    describe_gauge!(POOL_CONNECTIONS, "Connections to the database of this process, by state");
    describe_gauge!(POOL_CONNECTIONS_MAX, "Connections to the database that this process may open");
    describe_gauge!(TABLE_BYTES, Unit::Bytes, "Size of a table with its indexes");
    describe_gauge!(DATABASE_BYTES, Unit::Bytes, "Size of the whole database");
    describe_counter!(WAL_BYTES_TOTAL, Unit::Bytes, "Write-ahead log that the database server has written");
    describe_gauge!(
        TLS_CERTIFICATE_NOT_AFTER_SECONDS,
        Unit::Seconds,
        "When the certificate of TLS_CERT ends, in seconds since 1970"
    );
    describe_gauge!(LOOP_AGE_SECONDS, Unit::Seconds, "How long ago a loop of this process completed a turn, by loop");
    describe_gauge!(BUILD_INFO, "1, labelled with what runs");
}
