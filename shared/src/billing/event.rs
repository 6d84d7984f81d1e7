//! SQL: what the provider told, until it has been followed up.

use std::time::Duration;

use sqlx::PgPool;

use super::stripe::Event;

/// How long an event that was taken is left to whoever took it.
const TAKEN: Duration = Duration::from_mins(2);
/// Longest id that is kept.
const ID_CHARS_MAX: usize = 255;

/// What an event is about, and so what is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Session,
    Invoice,
    Subscription,
    Payment,
}

/// The kinds of events that are followed up. All others are answered and forgotten.
pub const KINDS: [&str; 17] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "charge.refunded",
    "charge.refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
];

impl Subject {
    /// What an event of this kind is about; `None` for kinds that are not followed up.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        let prefixes: [(&str, Self); 5] = [
            ("checkout.session.", Self::Session),
            ("invoice.", Self::Invoice),
            ("customer.subscription.", Self::Subscription),
            ("charge.", Self::Payment),
            ("refund.", Self::Payment),
        ];
        prefixes.into_iter().find(|(prefix, _)| kind.starts_with(prefix)).map(|(_, subject)| subject)
    }
}

/// An event that is to be followed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEvent {
    pub event_id: String,
    pub kind: String,
    /// The object's id; of a charge or dispute, its payment's.
    pub object_id: String,
    /// Counted from 1.
    pub tries: i32,
}

/// What became of an event that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    New,
    /// It had come before.
    Known,
    /// Of a kind, or about an object, that means nothing here.
    Ignored,
}

/// Keeps an event for a worker, once. `recovered`: it was found by looking.
///
/// # Errors
/// Whatever the database says; then the event must come again.
pub async fn note(pool: &PgPool, event: &Event, recovered: bool) -> Result<Noted, sqlx::Error> {
    let object = &event.data.object;
    let object_id = match Subject::of(&event.kind) {
        None => None,
        Some(Subject::Payment) => object.payment_intent.as_deref(),
        Some(Subject::Session | Subject::Invoice | Subject::Subscription) => object.id.as_deref(),
    };
    let Some(object_id) = object_id.filter(|id| is_id(id) && is_id(&event.id)) else { return Ok(Noted::Ignored) };
    let noted = sqlx::query!(
        r#"
        insert into gateway.payment_event (event_id, kind, object_id, recovered, received_at, due_at)
        values ($1, $2, $3, $4, gateway.now(), gateway.now())
        on conflict (event_id) do nothing
        "#,
        event.id,
        event.kind,
        object_id,
        recovered,
    )
    .execute(pool)
    .await?;
    Ok(if noted.rows_affected() == 1 { Noted::New } else { Noted::Known })
}

fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Takes at most `limit` events that are due, the oldest first. Who takes one either ends it or puts it off.
///
/// # Errors
/// Whatever the database says.
pub async fn take_due(pool: &PgPool, limit: i64) -> Result<Vec<DueEvent>, sqlx::Error> {
    sqlx::query_as!(
        DueEvent,
        r#"
        with due as (
            select event_id from gateway.payment_event
            where ended_at is null and due_at <= gateway.now()
            -- What the provider tells now comes before what was found of old.
            order by recovered, due_at
            limit $1
            for update skip locked
        )
        update gateway.payment_event
        set due_at = gateway.now() + make_interval(secs => $2), tries = tries + 1
        from due where payment_event.event_id = due.event_id
        returning payment_event.event_id, kind, object_id, tries
        "#,
        limit,
        TAKEN.as_secs_f64(),
    )
    .fetch_all(pool)
    .await
}

/// How long the oldest event has waited that is not followed up; nothing where none does.
///
/// # Errors
/// Whatever the database says.
pub async fn oldest(pool: &PgPool) -> Result<Duration, sqlx::Error> {
    let seconds = sqlx::query_scalar!(
        r#"
        select coalesce(extract(epoch from gateway.now() - min(received_at)), 0)::float8 as "seconds!"
        from gateway.payment_event where ended_at is null
        "#,
    );
    Ok(Duration::try_from_secs_f64(seconds.fetch_one(pool).await?).unwrap_or_default())
}

/// Ends an event that has been followed up.
///
/// # Errors
/// Whatever the database says; then it is followed up once more, which changes nothing.
pub async fn end(pool: &PgPool, event_id: &str, outcome: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.payment_event set ended_at = gateway.now(), outcome = $2 where event_id = $1",
        event_id,
        outcome,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Has an event followed up later.
///
/// # Errors
/// Whatever the database says; then it is due when it would have been taken from whoever died with it.
pub async fn put_off(pool: &PgPool, event_id: &str, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.payment_event set due_at = gateway.now() + make_interval(secs => $2) where event_id = $1",
        event_id,
        wait.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Subject, is_id};

    #[test]
    fn every_kind_is_about_something_and_others_are_not() {
        assert!(KINDS.into_iter().all(|kind| Subject::of(kind).is_some()));
        for kind in ["", "charge.succeeded", "invoice.created", "checkout.session.completed.x", "customer.created"] {
            assert_eq!(Subject::of(kind), None, "{kind}");
        }
    }

    #[test]
    fn an_id_can_be_part_of_an_address() {
        assert!(is_id("cs_test_a1B2") && is_id(&"x".repeat(255)));
        for bad in ["", "a/b", "..", "a?b", "a b", "é", &"x".repeat(256)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
