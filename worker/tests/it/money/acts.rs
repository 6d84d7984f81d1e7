//! What can happen, each at a moment of the generator's choice.

use std::collections::BTreeMap;
use std::time::Duration;

use devstack::builders;
use devstack::shop::{self, Plans};
use devstack::test_stack::{TestStack, TestUser};
use rand::rngs::StdRng;
use rand::{RngExt, seq::IndexedRandom};
use serde_json::Value;
use shared::jobs::{self, Queue};
use simulators::payments::{Decline, EventFault, Kind};
use simulators::runpod::JobFault;
use simulators::{PaymentsFault, RunPodFault};
use uuid::Uuid;

use super::model::{Generation, Model};

pub(super) const WELCOME: i64 = 100;
const USERS: usize = 3;
pub(super) const DAY: Duration = Duration::from_hours(24);
/// Credits of `model` with two outputs.
const MODEL_COST: i64 = 2;

/// The system, its users, and what the model knows of them.
pub(super) struct World {
    pub(super) stack: TestStack,
    pub(super) users: Vec<TestUser>,
    pub(super) plans: Plans,
    pub(super) model: Model,
    pub(super) random: StdRng,
    /// Generations that had not ended when they were last looked at.
    pub(super) open: Vec<Uuid>,
    /// Checkouts of users who are gone.
    pub(super) gone: Vec<String>,
    counted: BTreeMap<&'static str, usize>,
}

impl World {
    pub(super) async fn open(random: StdRng) -> Self {
        let stack = TestStack::builder()
            .set("GENERATIONS_OPEN_MAX", "10000")
            .set("GENERATE_RATE_PER_MINUTE", "6000")
            .set("CANCELS_FREE_PER_DAY", "1")
            .start()
            .await;
        let plans = shop::stock(stack.database.pool()).await.unwrap();
        let mut users = Vec::new();
        for _ in 0..USERS {
            users.push(stack.user().await);
        }
        Self {
            stack,
            users,
            plans,
            model: Model::default(),
            random,
            open: Vec::new(),
            gone: Vec::new(),
            counted: BTreeMap::new(),
        }
    }

    /// Does one thing at random; its name.
    pub(super) async fn act(&mut self) -> &'static str {
        let (seconds, days) = (self.random.random_range(5..60), self.random.random_range(1..20));
        let act = match self.random.random_range(0..100) {
            0..17 => self.generate().await,
            17..25 => self.plan_act().await,
            25..37 => self.buy().await,
            37..42 => self.subscribe().await,
            42..47 => self.change_plan().await,
            47..55 => self.money_back().await,
            55..60 => self.dispute(),
            60..66 => self.cancel().await,
            66..72 => self.trouble_events(),
            72..76 => self.repeat_event(),
            76..80 => self.crash().await,
            80..92 => self.work().await,
            92..94 => self.wait(Duration::from_secs(seconds)).await,
            94 => self.confirm_late().await,
            95..97 => self.come_and_go().await,
            _ => self.wait(DAY * days).await,
        };
        *self.counted.entry(act).or_default() += 1;
        act
    }

    pub(super) fn counted(&self) -> String {
        self.counted.iter().map(|(act, times)| format!("{act} {times}")).collect::<Vec<_>>().join(", ")
    }

    /// Several requests of one user at once, each with a fate.
    async fn generate(&mut self) -> &'static str {
        let user = self.random.random_range(0..USERS);
        let count = self.random.random_range(1..=6);
        let mut asked = Vec::new();
        for _ in 0..count {
            let outputs = self.random.random_range(1..=4_i64);
            let tag = format!("tag{}", self.random.random_range(0..u64::MAX));
            let delivers = self.script_fate(&tag, outputs);
            asked.push((outputs, delivers, builders::model().prompt(&tag).outputs(outputs).build()));
        }
        let client = &self.users[user];
        let answers = futures::future::join_all(asked.iter().map(|(_, _, body)| client.generate(body))).await;
        for ((outputs, delivers, _), answer) in asked.into_iter().zip(answers) {
            let answer = answer.unwrap();
            assert!([202, 402].contains(&answer.status.as_u16()), "{answer:?}");
            if answer.status == 202 {
                let price = (MODEL_COST * outputs + 1) / 2;
                assert_eq!(answer.body["cost"]["price"], price);
                let generation = Generation { user, price, asked: outputs, delivers, may_end_early: false };
                self.model.generations.insert(answer.generation_id(), generation);
                self.open.push(answer.generation_id());
            }
        }
        "generate"
    }

    /// Decides what becomes of a generation; how many outputs it delivers.
    fn script_fate(&mut self, tag: &str, outputs: i64) -> i64 {
        let (fault, delivers) = match self.random.random_range(0..10) {
            0 => (JobFault::WorkflowInvalid, 0),
            1 => (JobFault::NeverFinishes, 0),
            2 if outputs > 1 => {
                let count = self.random.random_range(1..outputs);
                (JobFault::FewerPictures { count: usize::try_from(count).unwrap() }, count)
            }
            3 => (JobFault::WorkerGone, outputs),
            _ => return outputs,
        };
        // A failure that is final happens once; one that may be retried does not come again.
        self.stack.runpod.script(RunPodFault::new(fault).prompt_contains(tag));
        delivers
    }

    async fn buy(&mut self) -> &'static str {
        let user = self.random.random_range(0..USERS);
        let checkout = self.users[user].buy(shop::STARTER.0).await.unwrap();
        if checkout.status == 429 {
            return "buy too often";
        }
        let session = shop::session(&checkout.expecting(201));
        self.model.sessions.insert(session.clone(), (user, 0));
        match self.random.random_range(0..8) {
            0 => self.stack.payments.fail(&session),
            1 => self.stack.payments.abandon(&session),
            2 => self.stack.payments.pay_later(&session),
            _ => self.stack.payments.pay(&session),
        };
        for (session, _) in self.model.sessions.clone() {
            if self.random.random_bool(0.3) {
                self.stack.payments.settle(&session, self.random.random_bool(0.7));
            }
        }
        "buy"
    }

    async fn subscribe(&mut self) -> &'static str {
        let user = self.random.random_range(0..USERS);
        let (plan, months) =
            if self.random.random_bool(0.5) { (self.plans.monthly, 1) } else { (self.plans.yearly, 12) };
        let checkout = self.users[user].subscribe(plan).await.unwrap();
        if checkout.status != 201 {
            assert!([409, 429].contains(&checkout.status.as_u16()), "{checkout:?}");
            return "subscribe twice";
        }
        let session = shop::session(&checkout);
        self.model.sessions.insert(session.clone(), (user, months));
        assert!(self.stack.payments.pay(&session), "the provider knows whether a checkout can be paid");
        "subscribe"
    }

    /// Has a subscription end or go on, or its next renewal fail.
    async fn change_plan(&mut self) -> &'static str {
        if self.random.random_bool(0.3) {
            self.stack.payments.script(PaymentsFault::new(Decline::generic()));
            return "decline";
        }
        let user = self.users.choose(&mut self.random).unwrap();
        let held = user.get("/api/v1/subscriptions").await.unwrap().expecting(200).body;
        let Some(id) = held["items"][0]["subscription_id"].as_str() else { return "no subscription" };
        let verb = if self.random.random_bool(0.6) { "cancel" } else { "resume" };
        let path = format!("/api/v1/subscriptions/{id}/{verb}");
        let changed = user.post(&path, &serde_json::json!({}), None).await.unwrap();
        assert!([200, 409].contains(&changed.status.as_u16()), "{changed:?}");
        "change a subscription"
    }

    pub(super) fn paid(&mut self) -> Option<Value> {
        let paid = self.stack.payments.objects(Kind::PaymentIntent);
        let paid: Vec<Value> = paid.into_iter().filter(|payment| payment["status"] == "succeeded").collect();
        paid.choose(&mut self.random).cloned()
    }

    async fn money_back(&mut self) -> &'static str {
        let Some(payment) = self.paid() else { return "nothing to refund" };
        let (id, amount) = (payment["id"].as_str().unwrap(), payment["amount"].as_i64().unwrap());
        let amount = if self.random.random_bool(0.5) { amount } else { self.random.random_range(1..=amount) };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let form = [("payment_intent", id), ("amount", &amount.to_string())];
        let request = http.post(format!("{}/v1/refunds", self.stack.payments.url())).form(&form);
        // More than is left, or what is disputed, is refused.
        drop(request.bearer_auth(self.stack.payments.secret_key()).send().await.unwrap());
        "refund"
    }

    fn dispute(&mut self) -> &'static str {
        let open = self.stack.payments.objects(Kind::Dispute);
        if let Some(dispute) = open.choose(&mut self.random)
            && self.random.random_bool(0.5)
        {
            self.stack.payments.close_dispute(dispute["id"].as_str().unwrap(), self.random.random_bool(0.5));
            return "close a dispute";
        }
        let Some(payment) = self.paid() else { return "nothing to dispute" };
        drop(self.stack.payments.dispute(payment["id"].as_str().unwrap()));
        "dispute"
    }

    async fn cancel(&mut self) -> &'static str {
        let ids: Vec<Uuid> = self.model.generations.keys().copied().collect();
        let Some(id) = ids.choose(&mut self.random) else { return "nothing to cancel" };
        let generation = self.model.generations.get_mut(id).unwrap();
        generation.may_end_early = true;
        drop(self.users[generation.user].cancel(*id).await.unwrap().expecting(200));
        "cancel"
    }

    fn trouble_events(&mut self) -> &'static str {
        let fault = match self.random.random_range(0..5) {
            0 => EventFault::NeverSent,
            1 => EventFault::Reordered,
            2 => EventFault::Duplicated { copies: 3 },
            3 => EventFault::Forged,
            _ => EventFault::Delayed { ms: 90_000 },
        };
        self.stack.payments.script(PaymentsFault::new(fault).times(2));
        "trouble events"
    }

    fn repeat_event(&mut self) -> &'static str {
        let events = self.stack.payments.objects(Kind::Event);
        if let Some(event) = events.choose(&mut self.random) {
            self.stack.payments.resend(event["id"].as_str().unwrap());
        }
        "repeat an event"
    }

    /// A worker takes what is due and dies with it.
    async fn crash(&mut self) -> &'static str {
        let pool = &self.stack.worker.pool;
        drop(shared::billing::event::take_due(pool, 3).await.unwrap());
        drop(jobs::take_due(pool, Queue::Submit, 3).await.unwrap());
        "crash"
    }

    /// Two workers work side by side, while the provider tells what happened.
    pub(super) async fn work(&mut self) -> &'static str {
        assert!(self.stack.payments.delivered().await);
        tokio::join!(self.stack.drain(), self.stack.drain());
        "work"
    }
}
