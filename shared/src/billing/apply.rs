//! Makes our rows follow what the provider says of one object: read its version, read the object, write what follows
//! from it if nobody else has meanwhile. Safe to repeat, in any order.

use sqlx::PgPool;

use super::event::Subject;
use super::object::{self, Seen};
use super::outcome::{ApplyError, Outcome};
use super::purchase::{self, Purchase};
use super::stripe::{Invoice, Metadata, Payment, Session, Stripe};
use super::{grant, lost_purchase, payment, subscription};
use crate::db;
use crate::ledger::{EntryKind, NewEntry};

/// Times an object is read again because somebody else wrote meanwhile.
const READS_MAX: u8 = 5;

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
            // Its user went while this was written: what belonged to her goes with her.
            Err(ApplyError::Database(error)) if db::is_foreign_key_violation(&error) => return Ok(Outcome::Orphaned),
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
        let purchase = match self.purchase_of(&session).await? {
            Ok(purchase) => purchase,
            Err(outcome) => return Ok(Reading::Done(outcome)),
        };
        let state = match (session.status.as_str(), session.payment_status.as_str()) {
            ("expired", _) => "expired",
            ("complete", "paid" | "no_payment_required") => "paid",
            ("complete", _) if kind == "checkout.session.async_payment_failed" => "failed",
            ("complete", _) if kind == "checkout.session.completed" => return Ok(Reading::Done(Outcome::Pending)),
            // It was told to have ended, and reads as if it had not.
            _ => return Err(ApplyError::NotYet),
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

    async fn purchase_of(self, session: &Session) -> Result<Result<Purchase, Outcome>, ApplyError> {
        let found = self.purchase(&session.metadata).await?;
        // A checkout that somebody else made in our name brings nothing.
        let is_ours = |purchase: &Purchase| purchase.session_id.as_deref().is_none_or(|known| known == session.id);
        Ok(found.and_then(|purchase| if is_ours(&purchase) { Ok(purchase) } else { Err(Outcome::Foreign) }))
    }

    /// The purchase that an object names.
    async fn purchase(self, metadata: &Metadata) -> Result<Result<Purchase, Outcome>, ApplyError> {
        let Some(purchase_id) = metadata.purchase() else { return Ok(Err(Outcome::Foreign)) };
        let found = match purchase::find(self.pool, purchase_id).await? {
            None => lost_purchase::make_again(self.pool, purchase_id, metadata).await?,
            found => found,
        };
        if found.is_none() {
            tracing::error!(%purchase_id, "something was paid for a purchase that is not here");
        }
        Ok(found.ok_or(Outcome::Orphaned))
    }

    /// A pack was paid.
    async fn pack(self, seen: &Seen, session: &Session, purchase: &Purchase) -> Result<Reading, ApplyError> {
        let Some(payment_id) = session.payment_intent.as_deref() else { return Err(ApplyError::NotYet) };
        let (paid_seen, paid) = self.read_payment(payment_id).await?;
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
        // The payment first: it holds on to the profile, which a deletion of the user takes before all else.
        payment::insert(&mut tx, purchase, &paid).await?;
        purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
        if let Some(customer) = &session.customer {
            purchase::note_customer(&mut tx, purchase.user_id, customer).await?;
        }
        let entry_key = format!("purchase:{payment_id}");
        let entry = NewEntry {
            user_id: purchase.user_id,
            amount: purchase.credits,
            kind: EntryKind::Purchase,
            description: &purchase.name,
            entry_key: &entry_key,
        };
        payment::credit(&mut tx, payment_id, &entry).await?;
        payment::reverse(&mut tx, payment_id, paid.reversed_cents).await?;
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    async fn subscription(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let subscription = self.stripe.find_subscription(id).await?;
        let purchase = match self.purchase(&subscription.metadata).await? {
            Ok(purchase) if purchase.months > 0 => purchase,
            Ok(_) => return Ok(Reading::Done(Outcome::Foreign)),
            Err(outcome) => return Ok(Reading::Done(outcome)),
        };
        if subscription::is_of_another(self.pool, purchase.purchase_id, id).await? {
            tracing::error!(purchase_id = %purchase.purchase_id, provider_id = id, "a second subscription names a purchase");
            return Ok(Reading::Done(Outcome::Mismatch));
        }
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

    /// An invoice was paid, or not. Its subscription comes first, whichever event did.
    async fn invoice(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let invoice = self.stripe.find_invoice(id).await?;
        let Some(provider_id) = invoice.subscription() else { return Ok(Reading::Done(Outcome::Foreign)) };
        let known = match subscription::find(self.pool, provider_id).await? {
            Some(known) => known,
            None => match self.subscription(provider_id).await? {
                Reading::Done(Outcome::Applied) => return Ok(Reading::Overtaken),
                // Nothing else would come back to this invoice.
                Reading::Done(Outcome::Pending) => return Err(ApplyError::NotYet),
                other => return Ok(other),
            },
        };
        let (subscription_id, purchase_id) = known;
        let Some(purchase) = purchase::find(self.pool, purchase_id).await? else {
            return Ok(Reading::Done(Outcome::Orphaned));
        };
        if invoice.status == "paid" && !is_as_agreed(&invoice, &purchase) {
            tracing::error!(purchase_id = %purchase.purchase_id, invoice = id, "an invoice was paid that is not what was agreed");
            return Ok(Reading::Done(Outcome::Mismatch));
        }
        let paid = match (invoice.status.as_str(), invoice.payment()) {
            ("paid", Some(payment_id)) => Some(self.read_payment(payment_id).await?),
            ("paid", None) => return Err(ApplyError::NotYet),
            _ => None,
        };
        let mut tx = self.pool.begin().await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        let invoice_id = subscription::ensure_invoice(&mut tx, &purchase, subscription_id, &invoice).await?;
        if let Some((paid_seen, paid)) = paid {
            if !object::claim(&mut tx, &paid_seen).await? {
                return Ok(Reading::Overtaken);
            }
            payment::insert(&mut tx, &purchase, &paid).await?;
            purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
            let period = grant::PaidPeriod {
                invoice_id,
                provider_id: id,
                payment_id: &paid.id,
                credits: purchase.credits,
                months: purchase.months,
                start: subscription::paid_from(&invoice),
            };
            grant::plan(&mut tx, &period).await?;
            payment::reverse(&mut tx, &paid.id, paid.reversed_cents).await?;
        }
        tx.commit().await?;
        Ok(Reading::Done(Outcome::Applied))
    }

    /// A payment, and its version before it was read.
    async fn read_payment(self, payment_id: &str) -> Result<(Seen, Payment), ApplyError> {
        let seen = object::look(self.pool, payment_id).await?;
        Ok((seen, self.stripe.find_payment(payment_id).await?))
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

/// Whether a paid invoice is for one period of the plan at the price it was bought for. What an operator bills besides
/// brings no credits.
fn is_as_agreed(invoice: &Invoice, purchase: &Purchase) -> bool {
    matches!(invoice.billing_reason.as_deref(), Some("subscription_create" | "subscription_cycle"))
        && invoice.amount_paid == i64::from(purchase.amount_cents)
        && invoice.currency == purchase.currency
}
