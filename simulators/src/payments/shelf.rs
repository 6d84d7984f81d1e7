//! What was made, by kind and in the order it was made, within bounds; and the pages in which lists are read.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::form::Fields;
use super::refusal::Refusal;

/// Objects of one kind that are kept; the oldest goes when one more is made.
pub const OBJECTS_MAX: usize = 10_000;

/// Objects of one page, and without a `limit`.
const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 10;

/// What the simulator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named after Stripe's object")]
pub enum Kind {
    Customer,
    Price,
    Session,
    PaymentIntent,
    Charge,
    Subscription,
    Invoice,
    Refund,
    Dispute,
    BalanceTransaction,
    Event,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Customer,
        Self::Price,
        Self::Session,
        Self::PaymentIntent,
        Self::Charge,
        Self::Subscription,
        Self::Invoice,
        Self::Refund,
        Self::Dispute,
        Self::BalanceTransaction,
        Self::Event,
    ];

    fn prefix(self) -> &'static str {
        match self {
            Self::Customer => "cus_",
            Self::Price => "price_",
            Self::Session => "cs_test_",
            Self::PaymentIntent => "pi_",
            Self::Charge => "ch_",
            Self::Subscription => "sub_",
            Self::Invoice => "in_",
            Self::Refund => "re_",
            Self::Dispute => "dp_",
            Self::BalanceTransaction => "txn_",
            Self::Event => "evt_",
        }
    }

    /// As refusals say it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Price => "price",
            Self::Session => "checkout.session",
            Self::PaymentIntent => "payment_intent",
            Self::Charge => "charge",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::BalanceTransaction => "balance_transaction",
            Self::Event => "event",
        }
    }

    /// The collection's path under `/v1`.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Customer => "customers",
            Self::Price => "prices",
            Self::Session => "checkout/sessions",
            Self::PaymentIntent => "payment_intents",
            Self::Charge => "charges",
            Self::Subscription => "subscriptions",
            Self::Invoice => "invoices",
            Self::Refund => "refunds",
            Self::Dispute => "disputes",
            Self::BalanceTransaction => "balance_transactions",
            Self::Event => "events",
        }
    }

    /// The kind that an id's prefix names.
    pub(super) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| id.starts_with(kind.prefix()))
    }

    /// The collection of this path, given in segments.
    pub(super) fn at(path: &[&str]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.path() == path.join("/"))
    }

    pub(super) fn new_id(self) -> String {
        new_id(self.prefix())
    }
}

/// An id as Stripe's look.
pub(super) fn new_id(prefix: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("{prefix}{}", &random[..24])
}

#[derive(Default)]
struct Shelf {
    order: VecDeque<String>,
    objects: HashMap<String, Value>,
}

/// All that was made.
#[derive(Default)]
pub(super) struct Shelves(BTreeMap<Kind, Shelf>);

impl Shelves {
    /// Keeps an object under its own id.
    pub(super) fn put(&mut self, kind: Kind, object: Value) {
        let shelf = self.0.entry(kind).or_default();
        let id = object["id"].as_str().unwrap_or_default().to_owned();
        if shelf.objects.insert(id.clone(), object).is_none() {
            shelf.order.push_back(id);
        }
        while shelf.order.len() > OBJECTS_MAX {
            if let Some(oldest) = shelf.order.pop_front() {
                shelf.objects.remove(&oldest);
            }
        }
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.0.get(&kind)?.objects.get(id)
    }

    pub(super) fn find_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Value> {
        self.0.get_mut(&kind)?.objects.get_mut(id)
    }

    /// What a request named, or its refusal.
    pub(super) fn get(&self, kind: Kind, id: &str, param: &str) -> Result<&Value, Refusal> {
        self.find(kind, id).ok_or_else(|| Refusal::no_such(kind, id, param))
    }

    /// Oldest first.
    pub(super) fn all(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Value> {
        let shelf = self.0.get(&kind);
        shelf.into_iter().flat_map(|shelf| shelf.order.iter().filter_map(|id| shelf.objects.get(id)))
    }

    /// One page, newest first, of those that `wanted` lets through.
    pub(super) fn page(
        &self,
        kind: Kind,
        fields: &Fields<'_>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Refusal> {
        let limit = match fields.integer("limit")? {
            None => PAGE_DEFAULT,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=PAGE_MAX).contains(limit))
                .ok_or_else(|| Refusal::invalid("limit must be between 1 and 100").param("limit"))?,
        };
        let created = Created::read(fields)?;
        let cursor = fields.text("starting_after")?;
        if let Some(cursor) = cursor {
            self.get(kind, cursor, "starting_after")?;
        }
        let newest_first = self.all(kind).rev();
        let after_cursor = newest_first.skip_while(|object| cursor.is_some_and(|cursor| object["id"] != *cursor));
        let mut page: Vec<&Value> = after_cursor
            .skip(usize::from(cursor.is_some()))
            .filter(|object| created.covers(object["created"].as_i64().unwrap_or_default()) && wanted(object))
            .take(limit + 1)
            .collect();
        let has_more = page.len() > limit;
        page.truncate(limit);
        Ok(json!({"object": "list", "url": format!("/v1/{}", kind.path()), "has_more": has_more, "data": page}))
    }
}

/// The filter `created`, an exact time or bounds.
struct Created {
    from: i64,
    to: i64,
}

impl Created {
    fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
        let mut created = Self { from: i64::MIN, to: i64::MAX };
        if let Ok(Some(exact)) = fields.integer("created") {
            return Ok(Self { from: exact, to: exact });
        }
        let Some(bounds) = fields.part("created")? else { return Ok(created) };
        bounds.only(&["gt", "gte", "lt", "lte"])?;
        for (name, shift) in [("gt", 1), ("gte", 0)] {
            if let Some(bound) = bounds.integer(name)? {
                created.from = created.from.max(bound.saturating_add(shift));
            }
        }
        for (name, shift) in [("lt", -1), ("lte", 0)] {
            if let Some(bound) = bounds.integer(name)? {
                created.to = created.to.min(bound.saturating_add(shift));
            }
        }
        Ok(created)
    }

    fn covers(&self, time: i64) -> bool {
        (self.from..=self.to).contains(&time)
    }
}
