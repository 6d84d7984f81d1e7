//! Accepting, leasing, committing and cancelling on a real database, as the services' own roles.

mod accepting;
mod admitting;
mod budget;
mod calling;
mod contention;
mod deleting;
mod leasing;
mod open;
mod quoting;
mod reading;

use devstack::postgres::TestDatabase;
use serde_json::json;
use shared::generation::lease::{self, Leased};
use shared::generation::output::StoredOutput;
use shared::generation::store::{Committed, commit};
use shared::generation::{
    AcceptError, Accepted, Callback, Event, Generation, Limits, NewGeneration, accept, find, lifecycle,
};
use shared::ids::{GenerationId, UserId};
use shared::ledger;
use shared::notification::Notify;
use shared::workflow::{Dialect, Request};
use sqlx::PgPool;

use crate::people::sign_up;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct World {
    database: TestDatabase,
    api: PgPool,
    worker: PgPool,
    user: UserId,
    /// Requests a minute that she may make.
    rate: u32,
    /// Generations of hers that may be under way.
    runs_open_max: u32,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let user = UserId(sign_up(database.pool(), "ada@example.com").await);
        Self { api: database.api_pool(), worker: database.worker_pool(), user, rate: 60, runs_open_max: 1000, database }
    }

    async fn with_credits(credits: i32) -> Self {
        let world = Self::new().await;
        let spend = credits - ledger::balance(&world.api, world.user).await.unwrap().get();
        sqlx::query(
            "insert into credit_transactions (user_id, amount, transaction_type) values ($1, $2, 'adjustment')",
        )
        .bind(world.user.0)
        .bind(spend)
        .execute(world.database.pool())
        .await
        .unwrap();
        sqlx::query("update credits set balance = $2 where user_id = $1")
            .bind(world.user.0)
            .bind(credits)
            .execute(world.database.pool())
            .await
            .unwrap();
        world
    }

    async fn accept(&self) -> GenerationId {
        let id = GenerationId::generate();
        assert!(matches!(self.ask(id, None, &request(2)).await.unwrap(), Accepted::New { .. }));
        id
    }

    async fn ask(&self, id: GenerationId, key: Option<&str>, request: &Request) -> Result<Accepted, AcceptError> {
        accept(&self.api, &self.wanting(id, key, request, &format!("answer for {id}"))).await
    }

    fn wanting<'a>(
        &self,
        id: GenerationId,
        key: Option<&'a str>,
        request: &'a Request,
        response: &'a str,
    ) -> NewGeneration<'a> {
        NewGeneration {
            id,
            user_id: self.user,
            request,
            price: request.price(),
            seed: 7,
            request_id: "request-1",
            traceparent: Some(TRACEPARENT),
            key,
            response,
            limits: Limits { per_minute: self.rate, runs_open_max: self.runs_open_max, cancels_free_per_day: 20 },
            endpoint: "ep",
            dialect: Dialect::Product,
            admitted: false,
        }
    }

    async fn seen(&self, id: GenerationId) -> Generation {
        find(&self.api, self.user, id).await.unwrap().expect("hers")
    }

    async fn submit(&self, id: GenerationId) -> Leased {
        lease::for_submission(&self.worker, id).await.unwrap().expect("queued and due")
    }

    async fn commit(&self, leased: &Leased, event: Event) -> Committed {
        let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
        commit(&self.worker, leased, &transition, &[], Notify::Nobody).await.unwrap()
    }

    /// Brings a fresh generation into the provider's hands.
    async fn running(&self) -> GenerationId {
        let id = self.accept().await;
        let leased = self.submit(id).await;
        self.commit(&leased, Event::Submitted { provider_job_id: format!("job-{id}"), callback: Callback::Awaited })
            .await;
        id
    }

    async fn balance(&self) -> i32 {
        ledger::balance(&self.api, self.user).await.unwrap().get()
    }

    async fn reconcile(self) {
        assert_eq!(ledger::reconcile(&self.worker).await.unwrap(), vec![]);
    }
}

fn request(outputs: u8) -> Request {
    Request::parse(&json!({
        "workflow_type": "model",
        "input_data": {"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed"},
        "settings": {"output_count": outputs},
    }))
    .unwrap()
}

fn output(world: &World, n: i16) -> StoredOutput {
    let link = None;
    let path = format!("{}/g/{n}.webp", world.user);
    StoredOutput { n, path, format: "webp".into(), width: 8, height: 8, size_bytes: 64, link }
}
