//! Attacks on pictures: the rows of Supabase Storage, by which it decides who may read and write which file.

use super::world::{World, is_refused, is_useless};
use crate::people::{as_anon, refusal, run, value};
use crate::projects::{Deployed, Owner, Project};

#[tokio::test]
async fn a_user_writes_and_reads_files_under_her_uploads() {
    for world in World::own_extremes().await {
        let put = "insert into storage.objects (bucket_id, name) values ('shootx-images', '{eve}/uploads/deep/b.png')";
        assert_eq!(world.eve(put).await.unwrap(), 1);
        let hers = "select from storage.objects where name like '{eve}/uploads/%'";
        assert_eq!(world.eve(hers).await.unwrap(), 2);
        assert_eq!(world.eve("select from storage.objects").await.unwrap(), 2, "and nothing else");
    }
}

#[tokio::test]
async fn a_user_cannot_put_a_file_outside_her_uploads() {
    const PLACES: [&str; 18] = [
        "{ada}/uploads/b.png",
        "{ada}/{ada_generation}/1.webp",
        "{eve}/{eve_generation}/1.webp",
        "{eve}/{eve_generation}/2.webp",
        "{eve}/inputs/b.png",
        "{eve}/b.png",
        "{eve}/Uploads/b.png",
        "{eve}/uploads",
        "{eve}/uploads/..",
        "{eve}/uploads/../{eve_generation}/1.webp",
        "{eve}/uploads/../../{ada}/uploads/b.png",
        "{eve}//uploads/b.png",
        "{eve}/./uploads/b.png",
        "/{eve}/uploads/b.png",
        "./{eve}/uploads/b.png",
        "{eve} /uploads/b.png",
        "uploads/b.png",
        "b.png",
    ];
    let put = |place| format!("insert into storage.objects (bucket_id, name) values ('shootx-images', '{place}')");
    let mut attacks: Vec<String> = PLACES.into_iter().map(put).collect();
    // No other bucket is hers either, nor a file in none.
    attacks.push("insert into storage.objects (bucket_id, name) values ('other', '{eve}/uploads/b.png')".into());
    attacks.push("insert into storage.objects (name) values ('{eve}/uploads/b.png')".into());
    attacks.push("insert into storage.buckets (id, name, public) values ('mine', 'mine', true)".into());
    is_refused(&attacks.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_user_cannot_move_replace_or_delete_a_file_or_open_the_bucket() {
    is_useless(&[
        "update storage.objects set name = '{eve}/uploads/c.png' where name = '{ada}/uploads/a.png'",
        "update storage.objects set name = '{ada}/uploads/c.png' where name = '{eve}/uploads/a.png'",
        "update storage.objects set name = '{eve}/uploads/1.webp' where name = '{eve}/{eve_generation}/1.webp'",
        "update storage.objects set owner = '{eve}', owner_id = '{eve}'",
        "delete from storage.objects",
        "update storage.buckets set public = true",
        "delete from storage.buckets",
        "select from storage.buckets",
        "select from storage.objects where name not like '{eve}/uploads/%'",
    ])
    .await;
}

#[tokio::test]
async fn a_deployment_s_own_policies_do_not_widen_our_bucket() {
    for world in World::own_extremes().await {
        let pool = world.pool();
        run(pool, "insert into storage.buckets (id, name) values ('theirs', 'theirs')").await;
        run(pool, "create policy wide on storage.objects for all to public using (true) with check (true)").await;
        assert_eq!(world.eve("select from storage.objects").await.unwrap(), 1, "her upload");
        assert_eq!(as_anon(pool, "select from storage.objects").await.unwrap().rows_affected(), 0);
        for attack in [
            "update storage.objects set name = '{ada}/uploads/b.png' where name = '{eve}/uploads/a.png'",
            "update storage.objects set name = '{eve}/{eve_generation}/9.webp' where name = '{eve}/uploads/a.png'",
            "insert into storage.objects (bucket_id, name) values ('shootx-images', '{ada}/uploads/b.png')",
        ] {
            assert_eq!(refusal(world.eve(attack).await), "42501", "{attack}");
        }
        for attack in ["update storage.objects set version = 'x'", "delete from storage.objects"] {
            let attack = format!("{attack} where name not like '{{eve}}/uploads/%'");
            assert_eq!(world.eve(&attack).await.unwrap(), 0, "{attack}");
        }
        let elsewhere = "insert into storage.objects (bucket_id, name) values ('theirs', '{ada}/b.png')";
        assert_eq!(world.eve(elsewhere).await.unwrap(), 1, "other buckets are theirs to rule");
    }
}

#[tokio::test]
async fn a_bucket_that_was_public_before_us_is_closed() {
    let project = Project::new(true, Owner::Hosted, Deployed::Both).await;
    let pool = project.database.pool();
    run(pool, "insert into storage.buckets (id, name, public) values ('shootx-images', 'shootx-images', true)").await;
    run(pool, "insert into storage.buckets (id, name, public) values ('theirs', 'theirs', true)").await;
    project.migrate().await;
    let public = "select array_agg(id) from storage.buckets where public";
    assert_eq!(value::<Vec<String>>(pool, public).await, ["theirs"]);
}
