//! What a user sees of her generations.

use shared::generation::{Status, list};
use shared::ids::{GenerationId, UserId};

use super::World;

#[tokio::test]
async fn a_page_is_newest_first_and_the_next_one_begins_where_it_ended() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.accept().await);
    }
    ids.reverse();
    let first = list(&world.api, world.user, None, 2).await.unwrap();
    assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..2]);
    let last = first.last().unwrap();
    let second = list(&world.api, world.user, Some((last.created_at, last.id.0)), 2).await.unwrap();
    assert_eq!(second.iter().map(|one| one.id).collect::<Vec<_>>(), ids[2..]);
    assert!(list(&world.api, UserId(uuid::Uuid::new_v4()), None, 2).await.unwrap().is_empty());
    world.reconcile().await;
}

#[tokio::test]
async fn an_old_row_that_points_into_another_s_folder_shows_nothing_of_it() {
    let world = World::new().await;
    let id = GenerationId::generate();
    let own = format!("{}/old/1.png", world.user);
    sqlx::query(
        "insert into generations (id, user_id, generation_type, method, status, output_urls)
         values ($1, $2, 'model', 'automatic', 'completed', array['https://old/1.png', $3, 'somebody-else/g/1.png'])",
    )
    .bind(id.0)
    .bind(world.user.0)
    .bind(&own)
    .execute(world.database.pool())
    .await
    .unwrap();
    let seen = world.seen(id).await;
    assert_eq!((seen.status, seen.stage), (Status::Completed, None));
    assert_eq!(seen.output_paths, ["https://old/1.png", &own]);
    world.reconcile().await;
}
