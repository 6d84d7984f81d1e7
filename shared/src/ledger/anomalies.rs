//! SQL: reading the books for anomalies (`anomalies.sql`, and `reconcile.sql`), and the rows that tell of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::types::Json;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::anomaly::{Anomaly, AnomalyKind, Thresholds};
use super::reconcile::{connect_for_reading, differences};

/// How often the books are read: all of them, so not often.
pub const READ_EVERY: Duration = Duration::from_mins(10);
/// Names the advisory lock that the one reader of the books holds.
const READER_LOCK: i64 = 0x5368_6f6f_7442;
/// Findings of one kind that a reading takes down.
const FINDINGS_MAX: i64 = 1_000;
/// Attempts to process an event of the payment provider before it is an anomaly: it has then waited for about an hour.
const STUCK_TRIES: i64 = 12;
/// How long an anomaly is kept after its end, and how many a reading forgets at most.
const KEPT: Duration = Duration::from_hours(24 * 365);
const FORGOTTEN_MAX: i64 = 1_000;
/// Anomalies listed at most.
const LIST_MAX: i64 = 10_000;

/// Something that a reading found.
struct Finding {
    kind: AnomalyKind,
    subject: Uuid,
    observed: i64,
    threshold: i64,
    detail: String,
}

/// Findings by column, as a statement takes them.
#[derive(Default)]
struct Columns {
    kinds: Vec<String>,
    subjects: Vec<Uuid>,
    observed: Vec<i64>,
    thresholds: Vec<i64>,
    details: Vec<String>,
}

/// What the last reading of the books left.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    /// Seconds since that reading; none if there was none yet.
    pub age_seconds: Option<f64>,
    /// How many anomalies are open, of each kind that has one.
    pub open: Vec<(AnomalyKind, i64)>,
    /// Credits that all entries up to that reading have moved, by their kind, signs aside.
    pub moved: BTreeMap<String, u64>,
}

/// Reads the books if that is due and nobody else does, and writes down what is odd: opens, refreshes and ends
/// anomalies in one transaction. Returns those that are new. Repairs nothing.
///
/// # Errors
/// Whatever the database says; then nothing is written, and the reading is still due.
pub async fn read_books(pool: &PgPool, thresholds: &Thresholds) -> Result<Vec<Anomaly>, sqlx::Error> {
    let mut connection = connect_for_reading(pool).await?;
    let mut tx = connection.begin().await?;
    if !begin(&mut tx).await? {
        return Ok(Vec::new());
    }
    let columns = Columns::of(findings(&mut tx, thresholds).await?);
    let refreshed = refresh(&mut tx, &columns).await?;
    let opened = open(&mut tx, &columns).await?;
    let seen: Vec<i64> = refreshed.into_iter().chain(opened.iter().map(|anomaly| anomaly.id)).collect();
    end_others(&mut tx, &seen).await?;
    forget(&mut tx).await?;
    tx.commit().await?;
    Ok(opened)
}

/// Whether this transaction is to read the books; no other one is until it ends.
async fn begin(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let alone = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "alone!""#, READER_LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !alone {
        return Ok(false);
    }
    let due = sqlx::query!(
        "update gateway.reading
         set read_at = gateway.now(),
             moved = (select coalesce(jsonb_object_agg(kind, credits), '{}')
                      from (select coalesce(transaction_type, '') as kind, sum(abs(amount)) as credits
                            from public.credit_transactions group by 1) as entries)
         where read_at is null or read_at <= gateway.now() - make_interval(secs => $1)",
        READ_EVERY.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(due.rows_affected() > 0)
}

async fn findings(connection: &mut PgConnection, thresholds: &Thresholds) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = sqlx::query_file_as!(
        Finding,
        "src/ledger/anomalies.sql",
        i64::from(thresholds.jump_credits),
        i64::from(thresholds.refund_percent),
        i64::from(thresholds.refund_credits_min),
        i64::from(thresholds.email_users_max),
        FINDINGS_MAX,
        STUCK_TRIES,
    )
    .fetch_all(&mut *connection)
    .await?;
    findings.extend(differences(connection).await?.into_iter().map(|difference| Finding {
        kind: AnomalyKind::Imbalance,
        subject: difference.id,
        observed: difference.found,
        threshold: difference.expected,
        detail: difference.rule,
    }));
    Ok(findings)
}

impl Columns {
    fn of(findings: Vec<Finding>) -> Self {
        let mut columns = Self::default();
        for finding in findings {
            columns.kinds.push(finding.kind.as_str().to_owned());
            columns.subjects.push(finding.subject);
            columns.observed.push(finding.observed);
            columns.thresholds.push(finding.threshold);
            columns.details.push(finding.detail);
        }
        columns
    }
}

/// Brings what is open and was found again up to date, and returns which that is.
async fn refresh(connection: &mut PgConnection, found: &Columns) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        update gateway.anomaly
        set observed = found.observed, threshold = found.threshold, last_seen_at = gateway.now()
        from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
            as found (kind, subject, observed, threshold, detail)
        where anomaly.ended_at is null and anomaly.kind = found.kind and anomaly.subject = found.subject
          and anomaly.detail = found.detail
        returning anomaly.id
        "#,
        &found.kinds,
        &found.subjects,
        &found.observed,
        &found.thresholds,
        &found.details,
    )
    .fetch_all(connection)
    .await
}

/// Opens an anomaly in the transaction that causes it, so that it shows before the next audit of the ledger. The audit
/// must find it too, or it ends the anomaly. Logs an anomaly that is new.
///
/// # Errors
/// Whatever the database says; then the caller's transaction is undone.
pub async fn open_at_once(
    connection: &mut PgConnection,
    (kind, subject): (AnomalyKind, Uuid),
    (observed, threshold): (i64, i64),
    detail: &str,
) -> Result<(), sqlx::Error> {
    let finding = Finding { kind, subject, observed, threshold, detail: detail.to_owned() };
    for Anomaly { id, .. } in open(connection, &Columns::of(vec![finding])).await? {
        tracing::error!(anomaly = id, kind = kind.as_str(), %subject, observed, threshold, detail, "an anomaly of the books");
    }
    Ok(())
}

/// Opens what was found and is not open yet.
async fn open(connection: &mut PgConnection, found: &Columns) -> Result<Vec<Anomaly>, sqlx::Error> {
    sqlx::query_as!(
        Anomaly,
        r#"
        insert into gateway.anomaly (kind, subject, observed, threshold, detail, first_seen_at, last_seen_at)
        select kind, subject, observed, threshold, detail, gateway.now(), gateway.now()
        from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
            as found (kind, subject, observed, threshold, detail)
        on conflict (kind, subject, detail) where ended_at is null do nothing
        returning id, kind as "kind: AnomalyKind", subject, observed, threshold, detail, first_seen_at, last_seen_at,
                  ended_at
        "#,
        &found.kinds,
        &found.subjects,
        &found.observed,
        &found.thresholds,
        &found.details,
    )
    .fetch_all(connection)
    .await
}

/// What was open and is not `seen` any more is over.
async fn end_others(connection: &mut PgConnection, seen: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.anomaly set ended_at = gateway.now() where ended_at is null and id <> all ($1::bigint[])",
        seen,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn forget(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from gateway.anomaly where id in (
             select id from gateway.anomaly
             where ended_at <= gateway.now() - make_interval(secs => $1) order by ended_at limit $2)",
        KEPT.as_secs_f64(),
        FORGOTTEN_MAX,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What the last reading left, whoever read.
///
/// # Errors
/// Whatever the database says.
pub async fn books(pool: &PgPool) -> Result<Books, sqlx::Error> {
    let open = sqlx::query!(
        r#"select kind as "kind: AnomalyKind", count(*) as "open!" from gateway.anomaly
           where ended_at is null group by kind"#
    )
    .fetch_all(pool)
    .await?;
    let reading = sqlx::query!(
        r#"
        select extract(epoch from gateway.now() - read_at)::float8 as age_seconds,
               moved as "moved!: Json<BTreeMap<String, u64>>"
        from gateway.reading
        "#
    )
    .fetch_one(pool)
    .await?;
    let open = open.into_iter().map(|row| (row.kind, row.open)).collect();
    Ok(Books { age_seconds: reading.age_seconds, open, moved: reading.moved.0 })
}

/// Lists anomalies, newest first: the open ones, or those that are over, too. At most [`LIST_MAX`].
///
/// # Errors
/// Whatever the database says.
pub async fn list_anomalies(pool: &PgPool, with_ended: bool) -> Result<Vec<Anomaly>, sqlx::Error> {
    sqlx::query_as!(
        Anomaly,
        r#"
        select id, kind as "kind: AnomalyKind", subject, observed, threshold, detail, first_seen_at, last_seen_at,
               ended_at
        from gateway.anomaly
        where $1 or ended_at is null
        order by ended_at is null desc, id desc
        limit $2
        "#,
        with_ended,
        LIST_MAX,
    )
    .fetch_all(pool)
    .await
}
