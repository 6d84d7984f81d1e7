//! The cost of deleting a generation does not grow with the number of the user's generations.

use devstack::postgres::TestDatabase;
use shared::ids::{GenerationId, UserId};
use shared::retention::delete_generation;
use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

use crate::people::{run, sign_up, value};

/// Generations of the user beside the deleted one.
const OTHERS: i64 = 3_000;

/// A generation that names an upload, and many others that name others, `encoded` of them in encoded links.
async fn generations(pool: &PgPool, user: Uuid, encoded: i64) -> Uuid {
    let id = Uuid::now_v7();
    run(
        pool,
        &format!(
            "insert into public.generations (id, user_id, generation_type, method, status, input_data)
               values ('{id}', '{user}', 'upscale', 'automatic', 'completed',
                       jsonb_build_object('input_image', '{user}/uploads/{id}.png'));
             insert into public.generations (user_id, generation_type, method, status, input_data)
               select '{user}', 'upscale', 'automatic', 'completed', jsonb_build_object('input_image',
                 case when n <= {encoded} then 'https://x.example.com/{user}%2Fuploads%2F' else '{user}/uploads/' end
                 || n || '.png', 'prompt', '100% cotton')
               from generate_series(1, {OTHERS}) as n;"
        ),
    )
    .await;
    id
}

/// How many rows were decoded until now.
async fn decoded(pool: &PgPool) -> i64 {
    run(pool, "select pg_stat_force_next_flush()").await;
    value(pool, "select coalesce(sum(calls), 0)::bigint from pg_stat_user_functions where funcname = 'named_pictures'")
        .await
}

#[tokio::test]
async fn deleting_costs_the_same_however_many_generations_name_other_pictures() {
    let database = TestDatabase::new().await;
    let counting = PgPoolOptions::new().max_connections(1).after_connect(|connection, _| {
        Box::pin(async move {
            sqlx::raw_sql("set track_functions = 'all'").execute(connection).await?;
            Ok(())
        })
    });
    let pool = counting.connect(&database.url()).await.unwrap();
    // How many others have encoded links, whether the upload is found then, and how many rows may be decoded.
    for (encoded, is_found, decoded_max) in [(0, true, 1), (50, true, 51), (500, false, 1)] {
        let user = sign_up(&pool, &format!("{encoded}@example.com")).await;
        let id = generations(&pool, user, encoded).await;
        let before = decoded(&pool).await;
        let paths = delete_generation(&pool, UserId(user), GenerationId(id)).await.unwrap();
        let cost = decoded(&pool).await - before;
        assert_eq!(paths, if is_found { vec![format!("{user}/uploads/{id}.png")] } else { Vec::new() }, "{encoded}");
        assert!((1..=decoded_max).contains(&cost), "{cost} rows were decoded, {encoded} have encoded links");
    }
}

#[tokio::test]
async fn a_picture_that_another_generation_names_stays_however_it_is_named() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    for link in ["PATH", "https://x.example.com/object/sign/b/PATH?token=t", "https://x.example.com/b/ENCODED"] {
        let user = sign_up(pool, &format!("{}@example.com", link.len())).await;
        let (id, path) = (Uuid::now_v7(), format!("{user}/uploads/my mug.png"));
        let link = link.replace("PATH", &path).replace("ENCODED", &path.replace('/', "%2F").replace(' ', "%20"));
        run(
            pool,
            &format!(
                "insert into public.generations (id, user_id, generation_type, method, status, input_data) values
                   ('{id}', '{user}', 'upscale', 'automatic', 'completed', jsonb_build_object('input_image', '{path}')),
                   (gen_random_uuid(), '{user}', 'upscale', 'automatic', 'completed',
                    jsonb_build_object('input_image', '{link}'));"
            ),
        )
        .await;
        let paths = delete_generation(pool, UserId(user), GenerationId(id)).await.unwrap();
        assert_eq!(paths, Vec::<String>::new(), "{link}");
    }
}
