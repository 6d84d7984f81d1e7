//! Attacks on generations and their runs; and what a user may say of hers.

use super::world::{World, filled, is_refused, is_useless};
use crate::people::{reconcile, refusal, run, value};

#[tokio::test]
async fn a_user_cannot_finish_a_generation_herself() {
    is_refused(&[
        "update public.generations set status = 'completed'",
        "update public.generations set status = 'failed', error_message = 'refund me' where id = '{eve_spare}'",
        "update public.generations set output_url = 'http://x', output_urls = '{http://x}', image_url = 'http://x'",
        "update public.generations set completed_at = now()",
        "update public.generations set metadata = '{}'",
        "update public.generations set external_job_id = 'x'",
        "update gateway.run set stage = 'completed', settled_at = now()",
        "update gateway.run set cancel_requested_at = now()",
        "insert into gateway.event (generation_id, kind, stage, attempt, created_at)
           values ('{eve_spare}', 'settled', 'failed', 1, now())",
        "insert into gateway.output (generation_id, n, path, format, width, height, size_bytes, created_at)
           values ('{eve_spare}', 1, '{ada}/{ada_generation}/1.webp', 'webp', 1, 1, 1, now())",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_make_a_generation_without_paying() {
    is_refused(&[
        "insert into public.generations (user_id, generation_type, method) values ('{eve}', 'video', 'automatic')",
        "insert into public.generations (user_id, generation_type, method, status, output_url)
           values ('{eve}', 'model', 'x', 'completed', '{ada}/{ada_generation}/1.webp')",
        "insert into public.generations (id, user_id, generation_type, method)
           values ('{eve_generation}', '{eve}', 'model', 'x') on conflict (id) do update set status = 'processing'",
        "update public.generations set generation_type = 'video', input_data = '{}'",
        "insert into gateway.run (generation_id, user_id, workflow, endpoint, price, outputs_asked, output_format, seed,
             request_id, accepted_at, deadline_at, target_seconds, max_seconds)
           values ('{eve_spare}', '{eve}', 'video', 'e', 0, 4, 'mp4', 1, 'r', now(), now(), 1, 1)",
        "insert into apalis.jobs (id, job_type, job, metadata) values ('x', 'submit', '{}', '')",
        "select apalis.push_job('submit', '{}')",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_change_what_a_generation_costs_or_forget_it() {
    is_refused(&[
        "update gateway.run set price = 0",
        "update gateway.run set outputs_delivered = 0",
        "delete from gateway.run",
        "delete from public.generations",
        "truncate public.generations cascade",
        "update public.generations set deleted_at = now()",
        "update public.generations set created_at = 'epoch'",
        "delete from gateway.idempotency_key",
        "update gateway.quote set price = 0",
        "insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
           values (gen_random_uuid(), '{eve}', sha256(''), 0, now(), now() + interval '1 minute')",
        "update gateway.user_limit set full_at = 'epoch'",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_move_a_generation_to_or_from_another_user() {
    is_refused(&[
        "update public.generations set user_id = '{ada}'",
        "update public.generations set id = '{ada_generation}'",
        "update public.generations set project_id = '{ada_project}'",
        // The same answer where there is no such project, so that nobody learns which there are.
        "update public.generations set project_id = gen_random_uuid()",
    ])
    .await;
    is_useless(&[
        "update public.generations set brand_name = 'Eve' where user_id = '{ada}'",
        "update public.generations set project_id = '{eve_project}' where id = '{ada_generation}'",
        "update public.generations set tags = '{}' from public.projects where projects.user_id = '{ada}'",
    ])
    .await;
}

#[tokio::test]
async fn deleting_a_project_keeps_what_was_paid_for_in_it() {
    for world in World::own_extremes().await {
        let pool = world.pool();
        assert_eq!(world.eve("delete from public.projects").await.unwrap(), 1);
        let kept = filled(
            "select count(*) from public.generations join public.credit_transactions on generation_id = generations.id
             where generations.id = '{eve_generation}' and project_id is null and status = 'completed' and amount = -2",
        );
        assert_eq!(value::<i64>(pool, &kept).await, 1);
        assert_eq!(value::<i64>(pool, "select count(*) from gateway.run").await, 2);
        let adas = filled("select project_id::text from public.generations where id = '{ada_generation}'");
        assert_eq!(value::<String>(pool, &adas).await, filled("{ada_project}"));
        reconcile(pool).await;
    }
}

#[tokio::test]
async fn a_deleted_generation_is_hidden_and_cannot_be_touched() {
    for world in World::own_extremes().await {
        run(world.pool(), &filled("update generations set deleted_at = now() where user_id = '{eve}'")).await;
        for attempt in [
            "select * from public.generations",
            "update public.generations set brand_name = 'b'",
            "update public.generations set project_id = null",
        ] {
            assert_eq!(world.eve(attempt).await.unwrap(), 0, "{attempt}");
        }
        let revived = world.eve("update public.generations set deleted_at = null").await;
        assert_eq!(refusal(revived), "42501");
    }
}

#[tokio::test]
async fn a_user_writes_what_is_hers_to_say() {
    for world in World::own_extremes().await {
        for statement in [
            "update public.profiles set full_name = 'E', avatar_url = 'a', company_name = 'c', bio = 'b'",
            "update public.generations set brand_name = 'b', campaign_name = 'c', tags = '{t}' where id = '{eve_generation}'",
            "insert into public.projects (user_id, name) values ('{eve}', 'Autumn')",
            "update public.generations set project_id = (select id from public.projects where name = 'Autumn')
               where id = '{eve_generation}'",
            "update public.projects set name = 'Winter', description = 'd', thumbnail_url = 't' where name = 'Autumn'",
            "update public.user_settings set language = 'de'",
            "delete from public.projects where name = 'Winter'",
        ] {
            assert_eq!(world.eve(statement).await.unwrap(), 1, "{statement}");
        }
    }
}
