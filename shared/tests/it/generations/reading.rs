//! What a user sees of her generations.

use shared::generation::{Status, list};
use shared::ids::{GenerationId, UserId};

use sqlx::AssertSqlSafe;

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
async fn a_page_of_a_user_with_many_generations_is_read_by_its_index() {
    let world = World::new().await;
    let many = format!(
        "insert into generations (user_id, generation_type, method, input_data, created_at)
         select '{user}', 'model', 'automatic', jsonb_build_object('prompt', repeat('x', 500)), now() - n * interval '1 min'
         from generate_series(1, 3000) as n;
         analyze generations",
        user = world.user
    );
    sqlx::raw_sql(AssertSqlSafe(many)).execute(world.database.pool()).await.unwrap();
    assert_eq!(list(&world.api, world.user, None, 20).await.unwrap().len(), 20);
    // The statement as it was prepared on the one connection that was used so far.
    let prepared = "select name from pg_prepared_statements where statement like '%output_urls%'";
    let name: String = sqlx::query_scalar(prepared).fetch_one(&world.api).await.unwrap();
    let explain = format!("explain execute {name}('{}', null, null, null, 20)", world.user);
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&world.api).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("generations_by_user_page")), "{plan:#?}");
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

#[tokio::test]
async fn an_old_row_without_status_or_time_is_shown_last_and_as_unfinished() {
    let world = World::new().await;
    let new = world.accept().await;
    let old = GenerationId::generate();
    sqlx::query(
        "insert into generations (id, user_id, generation_type, method, status, created_at)
         values ($1, $2, 'model', 'automatic', null, null)",
    )
    .bind(old.0)
    .bind(world.user.0)
    .execute(world.database.pool())
    .await
    .unwrap();
    let first = list(&world.api, world.user, None, 1).await.unwrap();
    assert_eq!(first[0].id, new);
    let second = list(&world.api, world.user, Some((first[0].created_at, new.0)), 10).await.unwrap();
    assert_eq!(second.iter().map(|one| one.id).collect::<Vec<_>>(), [old]);
    assert_eq!((second[0].status, second[0].progress), (Status::Processing, 0));
    world.reconcile().await;
}
