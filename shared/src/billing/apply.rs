//! Makes our rows follow what the provider says of one object: read its version, read the object, write what follows
//! from it if nobody else has meanwhile. Safe to repeat, in any order.

use sqlx::PgPool;

use super::event::Subject;
use super::object::{self, Seen};
use super::outcome::{ApplyError, Outcome};
use super::payment::{Paid, Reversal};
use super::purchase::{self, Purchase};
use super::stripe::{Invoice, Metadata, PaidBy, Payment, Session, Stripe};
use super::undecided::{self, Reason};
use super::{customer, grant, lost_purchase, payment, subscription};
use crate::db;
use crate::ids::UserId;
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
            // The user and their rows were deleted while this was being written.
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
        let mut tx = db::begin_for(self.pool, purchase.user_id).await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        purchase::end(&mut tx, purchase.purchase_id, state).await?;
        if let Some(customer) = &session.customer {
            customer::note(&mut tx, purchase.user_id, customer).await?;
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
        let total = session.amount_total.unwrap_or_default();
        let Some(payment_id) = session.payment_intent.as_deref() else {
            return self.undecided(purchase, (&session.id, Reason::NoPayment), total).await;
        };
        let (paid_seen, paid) = self.read_payment(payment_id).await?;
        if session.currency.as_deref() != Some(&purchase.currency) {
            return self.undecided(purchase, (&session.id, Reason::Currency), total).await;
        }
        // For a charge in another currency, the checkout states the price.
        if total != i64::from(purchase.amount_cents) || (paid.currency == purchase.currency && paid.charged != total) {
            return self.undecided(purchase, (&session.id, Reason::Amount), total).await;
        }
        let mut tx = db::begin_for(self.pool, purchase.user_id).await?;
        if !object::claim(&mut tx, seen).await? || !object::claim(&mut tx, &paid_seen).await? {
            return Ok(Reading::Overtaken);
        }
        let by = Paid { payment_id, charged_cents: purchase.amount_cents };
        payment::insert(&mut tx, purchase, by).await?;
        purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
        undecided::clear(&mut tx, &session.id).await?;
        if let Some(customer) = &session.customer {
            customer::note(&mut tx, purchase.user_id, customer).await?;
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
        payment::reverse(&mut tx, payment_id, Reversal::from(&paid)).await?;
        tx.commit().await?;
        self.unless_unclear(purchase.user_id, &paid).await
    }

    /// Leaves the payment of a purchase to an operator. No credits are given.
    async fn undecided(self, purchase: &Purchase, object: (&str, Reason), cents: i64) -> Result<Reading, ApplyError> {
        undecided::note_paid(self.pool, purchase, object, cents).await?;
        Ok(Reading::Done(Outcome::Mismatch))
    }

    /// A recorded payment counts as applied, unless an operator must decide how much of it a dispute holds.
    async fn unless_unclear(self, user_id: UserId, paid: &Payment) -> Result<Reading, ApplyError> {
        if paid.is_clear {
            return Ok(Reading::Done(Outcome::Applied));
        }
        undecided::note(self.pool, (&paid.id, Reason::Dispute), (user_id, paid.reversed, paid.charged)).await?;
        Ok(Reading::Done(Outcome::Mismatch))
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
            return self.undecided(&purchase, (id, Reason::SecondSubscription), 0).await;
        }
        if super::rules::subscription_status(&subscription.status, None).is_none() {
            return Ok(Reading::Done(Outcome::Pending));
        }
        let mut tx = db::begin_for(self.pool, purchase.user_id).await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        customer::note(&mut tx, purchase.user_id, &subscription.customer).await?;
        let subscription_id = subscription::ensure(&mut tx, &purchase, id).await?;
        subscription::follow(&mut tx, subscription_id, &subscription).await?;
        subscription::tell_of_second(&mut tx, purchase.user_id).await?;
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
        let paid = if invoice.status == "paid" {
            if let Err(reason) = undecided::agrees(&invoice, &purchase) {
                return self.undecided(&purchase, (id, reason), invoice.settled_cents()).await;
            }
            Some(self.read_paid(&invoice).await?)
        } else {
            None
        };
        let mut tx = db::begin_for(self.pool, purchase.user_id).await?;
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        let invoice_id = subscription::ensure_invoice(&mut tx, &purchase, subscription_id, &invoice).await?;
        let Some((by, read)) = paid else {
            tx.commit().await?;
            return Ok(Reading::Done(Outcome::Applied));
        };
        if let Some((paid_seen, _)) = &read
            && !object::claim(&mut tx, paid_seen).await?
        {
            return Ok(Reading::Overtaken);
        }
        payment::insert(&mut tx, &purchase, by).await?;
        purchase::end(&mut tx, purchase.purchase_id, "paid").await?;
        undecided::clear(&mut tx, id).await?;
        let period = grant::PaidPeriod {
            invoice_id,
            provider_id: id,
            payment_id: by.payment_id,
            credits: purchase.credits,
            months: purchase.months,
            start: subscription::paid_from(&invoice),
        };
        grant::plan(&mut tx, &period).await?;
        if let Some((_, paid)) = &read {
            payment::reverse(&mut tx, by.payment_id, Reversal::from(paid)).await?;
        }
        tx.commit().await?;
        match read {
            Some((_, paid)) => self.unless_unclear(purchase.user_id, &paid).await,
            None => Ok(Reading::Done(Outcome::Applied)),
        }
    }

    /// How an invoice that matches the agreement was paid, and its payment, if there is one.
    async fn read_paid<'i>(self, invoice: &'i Invoice) -> Result<(Paid<'i>, Option<(Seen, Payment)>), ApplyError> {
        match invoice.paid_by() {
            PaidBy::One { payment_id, charged_cents } => {
                Ok((Paid { payment_id, charged_cents }, Some(self.read_payment(payment_id).await?)))
            }
            // Paid from the customer's balance, or outside Stripe: there is no charge that could be refunded or
            // disputed.
            PaidBy::None | PaidBy::Several => Ok((Paid { payment_id: &invoice.id, charged_cents: 0 }, None)),
        }
    }

    /// A payment, and its version before it was read.
    async fn read_payment(self, payment_id: &str) -> Result<(Seen, Payment), ApplyError> {
        let seen = object::look(self.pool, payment_id).await?;
        Ok((seen, self.stripe.find_payment(payment_id).await?))
    }

    /// Money went back to the payer, or is held by their bank, or is ours again.
    ///
    /// A payment that is not known yet is read with what it paid for; claiming it tells whoever does so right now to
    /// read it again.
    async fn payment(self, id: &str) -> Result<Reading, ApplyError> {
        let seen = object::look(self.pool, id).await?;
        let owner = payment::owner(self.pool, id).await?;
        let read = if owner.is_some() { Some(self.stripe.find_payment(id).await?) } else { None };
        let mut tx = match owner {
            Some(user_id) => db::begin_for(self.pool, user_id).await?,
            None => self.pool.begin().await?,
        };
        if !object::claim(&mut tx, &seen).await? {
            return Ok(Reading::Overtaken);
        }
        let Some((user_id, paid)) = owner.zip(read) else {
            tx.commit().await?;
            return Ok(Reading::Done(Outcome::Foreign));
        };
        payment::reverse(&mut tx, id, Reversal::from(&paid)).await?;
        if paid.is_clear {
            undecided::clear(&mut tx, id).await?;
        }
        tx.commit().await?;
        self.unless_unclear(user_id, &paid).await
    }
}
