//! One user, many connections: exactly what she can afford is accepted, and nobody waits for ever.

use shared::generation::{AcceptError, Accepted, NewGeneration, accept};
use shared::ids::GenerationId;
use sqlx::postgres::PgPoolOptions;

use super::{World, request};

const CONNECTIONS: u32 = 64;
const CREDITS: i32 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_requests_at_once_exactly_the_affordable_ones_win() {
    let world = World { rate: 6_000, ..World::with_credits(CREDITS).await };
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&world.database.api_url()).await.unwrap();
    let request = request(1);
    let asked = (0..CONNECTIONS).map(|_| {
        let (pool, world, request) = (&pool, &world, &request);
        async move {
            let id = GenerationId::generate();
            let new: NewGeneration<'_> = world.wanting(id, None, request, "accepted");
            accept(pool, &new).await
        }
    });
    let results = futures::future::join_all(asked).await;
    let won = results.iter().filter(|result| matches!(result, Ok(Accepted::New { .. }))).count();
    let poor = results.iter().filter(|result| matches!(result, Err(AcceptError::InsufficientCredits { .. }))).count();
    let expected = (usize::try_from(CREDITS).unwrap(), usize::try_from(CONNECTIONS).unwrap() - won);
    assert_eq!((won, poor), expected, "no deadlock, no time-out: {results:?}");
    assert_eq!(world.balance().await, 0);
    pool.close().await;
    world.reconcile().await;
}
