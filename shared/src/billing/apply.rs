//! Makes our rows follow what the provider says of one object: read its version, read the object, write what follows
//! from it if nobody else has meanwhile. Safe to repeat, in any order.

use sqlx::{PgPool, PgTransaction};

use super::event::Subject;
use super::object::{self, Seen};
use super::payment::{self, NewPayment};
use super::purchase::{self, Purchase};
use super::stripe::{self, Invoice, Session, Stripe};
use super::{grant, subscription};
use crate::provider::ProviderError;

/// Times an object is read again because somebody else wrote meanwhile.
const READS_MAX: u8 = 5;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Our rows say now what the provider says.
    Applied,
    /// It is not yet decided; there will be another event.
    Pending,
    /// It is none of ours, or its user is gone.
    Foreign,
    /// The provider has no such object any more.
    Absent,
    /// What was paid is not what was asked for: nothing was credited, and an operator must look.
    Mismatch,
}

impl Outcome {
    /// Its name in rows and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Foreign => "foreign",
            Self::Absent => "absent",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Why it is not known what became of an object. It is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("others wrote of it {READS_MAX} times in a row")]
    Contended,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// One reading: done, or overtaken by somebody else's.
enum Reading {
    Done(Outcome),
    Overtaken,
}

/// Makes our rows follow an object. `kind` is the event's that says so.
///
/// # Errors
/// See [`ApplyError`].
pub async fn apply(
    pool: &PgPool,
    stripe: &Stripe,
    subject: Subject,
    (kind, object_id): (&str, &str),
) -> Result<Outcome, ApplyError> {
    for _ in 0..READS_MAX {
        let desk = Desk { pool, stripe };
        let reading = match subject {
            Subject::Session => desk.session(object_id, kind).await,
            Subject::Subscription => desk.subscription(object_id).await,
            Subject::Invoice => desk.invoice(object_id).await,
            Subject::Payment => desk.payment(object_id).await,
        };
        match reading {
            Ok(Reading::Done(outcome)) => return Ok(outcome),
            Ok(Reading::Overtaken) => {}
            Err(ApplyError::Provider(ProviderError::NotFound)) => return Ok(Outcome::Absent),
            Err(error) => return Err(error),
        }
    }
    Err(ApplyError::Contended)
}

#[derive(Clone, Copy)]
struct Desk<'a> {
    pool: &'a PgPool,
    stripe: &'a Stripe,
}

impl Desk<'_> {
    /// A checkout has ended. Of a plan only that is noted: its credits come with invoices.
    async fn session(self, id: &str, kind: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let session = self.stripe.find_session(id).await?;
        let Some(purchase) = self.purchase_of(&session).await? else { return Ok(Reading::Done(Outcome::Foreign)) };
        let state = match (session.status.as_str(), session.payment_status.as_str()) {
            ("expired", _) => "expired",
            ("complete", "paid" | "no_payment_required") => "paid",
            ("complete", _) if kind == "checkout.session.async_payment_failed" => "failed",
            _ => return Ok(Reading::Done(Outcome::Pending)),
        };
        if state == "paid" && purchase.months == 0 {
            return self.pack(&seen, &session, &purchase).await;
        }
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        purchase::end(&mut tx, purchase.purchase_id, state).await?;
        if let Some(customer) = &session.customer {
            purchase::note_customer(&mut tx, purchase.user_id, customer).await?;
        }
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    async fn purchase_of(self, session: &Session) -> Result<Option<Purchase>, ApplyError> {
        let Some(purchase_id) = session.metadata.purchase() else { return Ok(None) };
        let purchase = purchase::find(self.pool, purchase_id).await?;
        // A checkout that somebody else made in our name brings nothing.
        Ok(purchase.filter(|purchase| purchase.session_id.as_deref().is_none_or(|known| known == session.id)))
    }

    /// A pack was paid.
    async fn pack(self, seen: &Seen, session: &Session, purchase: &Purchase) -> Result<Reading, ApplyError> {
        let Some(payment_id) = session.payment_intent.as_deref() else { return Ok(Reading::Done(Outcome::Pending)) };
        let paid_seen = object::look(self.pool, payment_id).await?;
        let paid = self.stripe.find_payment(payment_id).await?;
        let asked = i64::from(purchase.amount_cents);
        let is_as_asked = session.amount_total == Some(asked)
            && paid.amount_cents == asked
            && session.currency.as_deref() == Some(&purchase.currency);
        if !is_as_asked {
            tracing::error!(purchase_id = %purchase.purchase_id, payment_id, "what was paid is not what was asked for");
            return Ok(Reading::Done(Outcome::Mismatch));
        }
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, seen).await? || !object::claim(&mut tx, &paid_seen).await? {
            return Ok(Reading::Overtaken);
        }
        purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
        if let Some(customer) = &session.customer {
            purchase::note_customer(&mut tx, purchase.user_id, customer).await?;
        }
        insert_payment(&mut tx, purchase, payment_id, purchase.amount_cents).await?;
        let entry_key = format!("purchase:{payment_id}");
        let entry = payment::purchase_entry(purchase.user_id, purchase.credits, &purchase.name, &entry_key);
        payment::credit(&mut tx, payment_id, &entry).await?;
        payment::reverse(&mut tx, payment_id, paid.reversed_cents).await?;
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    async fn subscription(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let subscription = self.stripe.find_subscription(id).await?;
        let Some(purchase) = self.plan_purchase(&subscription).await? else {
            return Ok(Reading::Done(Outcome::Foreign));
        };
        if super::rules::subscription_status(&subscription.status, None).is_none() {
            return Ok(Reading::Done(Outcome::Pending));
        }
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        purchase::note_customer(&mut tx, purchase.user_id, &subscription.customer).await?;
        let subscription_id = subscription::ensure(&mut tx, &purchase, id).await?;
        subscription::follow(&mut tx, subscription_id, &subscription).await?;
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    async fn plan_purchase(self, subscription: &stripe::Subscription) -> Result<Option<Purchase>, ApplyError> {
        let Some(purchase_id) = subscription.metadata.purchase() else { return Ok(None) };
        Ok(purchase::find(self.pool, purchase_id).await?.filter(|purchase| purchase.months > 0))
    }

    /// An invoice was paid, or not. Its subscription comes first, whichever event did.
    async fn invoice(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let invoice = self.stripe.find_invoice(id).await?;
        let Some(provider_id) = invoice.subscription() else { return Ok(Reading::Done(Outcome::Foreign)) };
        let known = match subscription::find(self.pool, provider_id).await? {
            Some(known) => known,
            None => match self.subscription(provider_id).await? {
                Reading::Done(Outcome::Applied) => return Ok(Reading::Overtaken),
                other => return Ok(other),
            },
        };
        let (subscription_id, purchase_id) = known;
        let Some(purchase) = purchase::find(self.pool, purchase_id).await? else {
            return Ok(Reading::Done(Outcome::Foreign));
        };
        let paid = if invoice.status == "paid" { Some(self.paid(&invoice).await?) } else { None };
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        let invoice_id = subscription::ensure_invoice(&mut tx, &purchase, subscription_id, &invoice).await?;
        if let Some(paid) = paid {
            if !object::claim(&mut tx, &paid.seen).await? {
                return Ok(Reading::Overtaken);
            }
            purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
            insert_payment(&mut tx, &purchase, &paid.payment_id, paid.amount_cents).await?;
            let period = grant::PaidPeriod {
                invoice_id,
                provider_id: id,
                payment_id: &paid.payment_id,
                credits: purchase.credits,
                months: purchase.months,
                start: subscription::paid_from(&invoice),
            };
            grant::plan(&mut tx, &period).await?;
            payment::reverse(&mut tx, &paid.payment_id, paid.reversed_cents).await?;
        }
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    /// How the money of a paid invoice stands. Where there was nothing to pay, the invoice stands for its payment.
    async fn paid(self, invoice: &Invoice) -> Result<Paid, ApplyError> {
        let payment_id = invoice.payment().unwrap_or(&invoice.id).to_owned();
        let seen = object::look(self.pool, &payment_id).await?;
        let (amount_cents, reversed_cents) = match invoice.payment() {
            Some(payment_id) => {
                let payment = self.stripe.find_payment(payment_id).await?;
                (payment.amount_cents, payment.reversed_cents)
            }
            None => (0, 0),
        };
        let amount_cents = i32::try_from(amount_cents.max(0)).unwrap_or(i32::MAX);
        Ok(Paid { seen, payment_id, amount_cents, reversed_cents })
    }

    /// Money went back to the payer, or is held by her bank, or is ours again.
    ///
    /// A payment that is not known yet is read with what it paid for; claiming it tells whoever does so right now to
    /// read it again.
    async fn payment(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let is_known = payment::is_known(self.pool, id).await?;
        let reversed_cents = if is_known { self.stripe.find_payment(id).await?.reversed_cents } else { 0 };
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        if is_known {
            payment::reverse(&mut tx, id, reversed_cents).await?;
        }
        tx.commit().await?;
        Ok(Reading::Done(if is_known { Outcome::Applied } else { Outcome::Foreign }))
    }
}

struct Paid {
    seen: Seen,
    payment_id: String,
    amount_cents: i32,
    reversed_cents: i64,
}

async fn insert_payment(
    tx: &mut PgTransaction<'_>,
    purchase: &Purchase,
    payment_id: &str,
    amount_cents: i32,
) -> Result<(), sqlx::Error> {
    let Purchase { user_id, purchase_id, name, .. } = purchase;
    let payment = NewPayment { payment_id, user_id: *user_id, purchase_id: *purchase_id, name, amount_cents };
    payment::insert(tx, &payment).await
}
