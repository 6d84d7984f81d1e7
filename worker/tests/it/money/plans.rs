//! What can happen around plans and how they are paid: part of a year given back, a second checkout, payments past the
//! provider or from the customer's balance, disputes in other currencies.

use devstack::shop;
use rand::{RngExt, seq::IndexedRandom};
use serde_json::Value;
use simulators::payments::Kind;

use super::acts::{DAY, World};

/// Currencies that a bank may dispute in, and what a hundred cents of ours come to.
const CURRENCIES: [(&str, i64); 3] = [("jpy", 15_000), ("eur", 93), ("bhd", 377)];

impl World {
    /// Does one of these at random; its name.
    pub(super) async fn plan_act(&mut self) -> &'static str {
        match self.random.random_range(0..6) {
            0 => self.give_back_months().await,
            1 => self.subscribe_at_once().await,
            2 => self.pay_past_provider().await,
            3 => self.change_balance().await,
            4 => self.dispute_in_another_currency(),
            _ => self.cancel_late().await,
        }
    }

    async fn at_provider(&self, path: &str, form: &[(&str, &str)]) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(format!("{}/v1/{path}", self.stack.payments.url())).form(form);
        // More than is left, or what is disputed, paid or not to be paid any more, is refused.
        drop(request.bearer_auth(self.stack.payments.secret_key()).send().await.unwrap());
    }

    fn pick(&mut self, kind: Kind, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let fit: Vec<Value> = self.stack.payments.objects(kind).into_iter().filter(wanted).collect();
        fit.choose(&mut self.random).cloned()
    }

    /// The months of a year that are left are refunded, rounded as an operator would.
    async fn give_back_months(&mut self) -> &'static str {
        let is_of_a_year =
            |payment: &Value| payment["status"] == "succeeded" && payment["amount"].as_i64() > Some(20_000);
        let Some(payment) = self.pick(Kind::PaymentIntent, is_of_a_year) else { return "no year to refund" };
        let left = self.random.random_range(1..12);
        let amount = payment["amount"].as_i64().unwrap() * left / 12;
        let form = [("payment_intent", payment["id"].as_str().unwrap()), ("amount", &amount.to_string())];
        self.at_provider("refunds", &form).await;
        "refund months"
    }

    /// Several checkouts of one user at once. At most one can be paid, and only where none was.
    async fn subscribe_at_once(&mut self) -> &'static str {
        let number = self.random.random_range(0..self.users.len());
        let user = &self.users[number];
        let asked = [(self.plans.monthly, 1), (self.plans.yearly, 12), (self.plans.monthly, 1)];
        let answers = futures::future::join_all(asked.iter().map(|(plan, _)| user.subscribe(*plan))).await;
        for (answer, (_, months)) in answers.into_iter().zip(asked) {
            let answer = answer.unwrap();
            assert!([201, 409, 429].contains(&answer.status.as_u16()), "{answer:?}");
            if answer.status == 201 {
                self.model.sessions.insert(shop::session(&answer), (number, months));
            }
        }
        let plans: Vec<String> = self
            .model
            .sessions
            .iter()
            .filter(|(_, (buyer, months))| *buyer == number && *months > 0)
            .map(|(session, _)| session.clone())
            .collect();
        let is_open = |session: &String| self.stack.payments.object(session).unwrap()["status"] == "open";
        assert!(plans.iter().filter(|session| is_open(session)).count() <= 1, "two checkouts can be paid");
        if self.random.random_bool(0.5) {
            for session in plans {
                self.stack.payments.pay(&session);
            }
        }
        "subscribe at once"
    }

    async fn pay_past_provider(&mut self) -> &'static str {
        let is_due = |invoice: &Value| ["draft", "open"].contains(&invoice["status"].as_str().unwrap());
        let Some(invoice) = self.pick(Kind::Invoice, is_due) else { return "no invoice to pay" };
        let path = format!("invoices/{}/pay", invoice["id"].as_str().unwrap());
        self.at_provider(&path, &[("paid_out_of_band", "true")]).await;
        "pay past the provider"
    }

    async fn change_balance(&mut self) -> &'static str {
        let Some(customer) = self.pick(Kind::Customer, |_| true) else { return "no customer" };
        let amount = self.random.random_range(-5_000..2_000).to_string();
        let path = format!("customers/{}/balance_transactions", customer["id"].as_str().unwrap());
        self.at_provider(&path, &[("amount", &amount), ("currency", "usd")]).await;
        "change a customer's balance"
    }

    fn dispute_in_another_currency(&mut self) -> &'static str {
        let Some(payment) = self.paid() else { return "nothing to dispute" };
        let (currency, rate) = *CURRENCIES.choose(&mut self.random).unwrap();
        let percent = self.random.random_range(1..=100);
        let amount = payment["amount"].as_i64().unwrap() * rate / 100 * percent / 100;
        drop(self.stack.payments.dispute_in(payment["id"].as_str().unwrap(), (amount, currency), percent));
        "dispute in another currency"
    }

    /// Some months pass, and a plan is cancelled with its period.
    async fn cancel_late(&mut self) -> &'static str {
        let months = self.random.random_range(1..4);
        for _ in 0..2 * months {
            // The provider lists an event that was never sent for 30 days.
            self.wait(DAY * 16).await;
        }
        let user = self.users.choose(&mut self.random).unwrap();
        let held = user.get("/api/v1/subscriptions").await.unwrap().expecting(200).body;
        let Some(id) = held["items"][0]["subscription_id"].as_str() else { return "nothing to cancel late" };
        let path = format!("/api/v1/subscriptions/{id}/cancel");
        let changed = user.post(&path, &serde_json::json!({}), None).await.unwrap();
        assert!([200, 409].contains(&changed.status.as_u16()), "{changed:?}");
        "cancel late"
    }
}
