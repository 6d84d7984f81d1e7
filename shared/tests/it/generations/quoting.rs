//! Quotes: how many there may be, and that making, honouring and purging them holds in a crowd.

use std::time::Duration;

use shared::credits::Credits;
use shared::generation::quote::{self, QUOTE_LIFETIME, QUOTES_LIVE_MAX};
use shared::generation::{AcceptError, Accepted, NewGeneration, Quote, QuoteError, Terms, accept};
use shared::ids::{GenerationId, QuoteId, UserId};
use shared::retention::{self, Kind, Mode};
use uuid::Uuid;

use super::{World, request};
use crate::people::{run, value};

impl World {
    async fn quote(&self) -> Quote {
        quote::quote(&self.api, self.user, &request(2)).await.unwrap()
    }

    async fn honour(&self, id: QuoteId, key: Option<&str>) -> Result<Terms, AcceptError> {
        quote::honour(&self.api, self.user, id, key, &request(2)).await
    }

    async fn quotes(&self) -> i64 {
        value(self.database.pool(), "select count(*) from gateway.quote").await
    }

    /// Makes quotes of the user's until there are so many.
    async fn fill_to(&self, quotes: i64) {
        let fill = format!(
            "insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
             select gen_random_uuid(), '{}', sha256(''), 2, gateway.now(), gateway.now() + interval '15 minutes'
             from generate_series(1, {quotes} - (select count(*) from gateway.quote))",
            self.user
        );
        run(self.database.pool(), &fill).await;
    }
}

#[tokio::test]
async fn of_many_at_once_as_many_are_made_as_there_is_room_for() {
    let world = World::new().await;
    world.fill_to(QUOTES_LIVE_MAX - 3).await;
    let wanted = request(2);
    let results = futures::future::join_all((0..12).map(|_| quote::quote(&world.api, world.user, &wanted))).await;
    let made = results.iter().filter(|result| result.is_ok()).count();
    let refused = |result: &&Result<Quote, QuoteError>| matches!(result, Err(QuoteError::TooMany { next_in }) if !next_in.is_zero() && *next_in <= QUOTE_LIFETIME);
    assert_eq!((made, results.iter().filter(refused).count()), (3, 9));
    assert_eq!(world.quotes().await, QUOTES_LIVE_MAX);
    world.reconcile().await;
}

#[tokio::test]
async fn what_has_expired_takes_no_room_whether_it_is_purged_or_not() {
    let world = World::new().await;
    world.fill_to(QUOTES_LIVE_MAX).await;
    assert!(matches!(quote::quote(&world.api, world.user, &request(2)).await, Err(QuoteError::TooMany { .. })));
    world.database.advance(QUOTE_LIFETIME).await;
    world.quote().await;
    for (mode, rows) in [(Mode::Look, QUOTES_LIVE_MAX), (Mode::Apply, QUOTES_LIVE_MAX), (Mode::Apply, 0)] {
        assert_eq!(retention::purge(&world.worker, Kind::Quotes, mode).await.unwrap(), rows);
    }
    assert_eq!(world.quotes().await, 1);
    world.reconcile().await;
}

#[tokio::test]
async fn a_quote_is_honoured_to_its_last_moment_for_its_user_and_request_alone() {
    let world = World::new().await;
    let quote = world.quote().await;
    assert_eq!(world.honour(quote.id, None).await.unwrap(), Terms::Price(Credits::new(2)));
    let other = quote::honour(&world.api, world.user, quote.id, None, &request(1)).await;
    assert!(matches!(other, Err(AcceptError::QuotedOtherwise)));
    let stranger = quote::honour(&world.api, UserId(Uuid::new_v4()), quote.id, None, &request(2)).await;
    assert!(matches!(stranger, Err(AcceptError::QuoteNotFound)));
    world.database.advance(QUOTE_LIFETIME - Duration::from_secs(30)).await;
    assert_eq!(world.honour(quote.id, None).await.unwrap(), Terms::Price(Credits::new(2)));
    world.database.advance(Duration::from_secs(30)).await;
    assert!(matches!(world.honour(quote.id, None).await, Err(AcceptError::QuoteExpired)));
    world.reconcile().await;
}

#[tokio::test]
async fn a_stored_answer_comes_before_the_quote() {
    let world = World::new().await;
    let quote = world.quote().await;
    let mut quoted = request(2);
    quoted.quote_id = Some(quote.id);
    let new = world.wanting(GenerationId::generate(), Some("k"), &quoted, "accepted");
    let new = NewGeneration { price: Credits::new(1), ..new };
    assert!(matches!(accept(&world.api, &new).await.unwrap(), Accepted::New { .. }));
    assert_eq!(world.balance().await, 99, "the price it was accepted at");
    world.database.advance(QUOTE_LIFETIME).await;
    let replayed = Terms::Replayed { response: "accepted".to_owned() };
    for id in [quote.id, QuoteId::generate()] {
        let honoured = quote::honour(&world.api, world.user, id, Some("k"), &quoted).await;
        assert_eq!(honoured.unwrap(), replayed, "the key knows which quote it was");
    }
    assert!(matches!(world.honour(quote.id, Some("k")).await, Err(AcceptError::KeyReused)));
    assert!(matches!(world.honour(quote.id, Some("other")).await, Err(AcceptError::QuoteExpired)));
    world.reconcile().await;
}

#[tokio::test]
async fn quotes_go_with_their_user_and_are_made_for_nobody_else() {
    let world = World::new().await;
    world.quote().await;
    run(world.database.pool(), "delete from public.profiles").await;
    assert_eq!(world.quotes().await, 0);
    assert!(matches!(quote::examine(&world.api, world.user, &request(2)).await, Err(QuoteError::NoProfile)));
    assert!(matches!(quote::quote(&world.api, world.user, &request(2)).await, Err(QuoteError::NoProfile)));
    world.reconcile().await;
}
