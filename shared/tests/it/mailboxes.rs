//! Which users share a mailbox, as the database tells the worker: ids, never addresses.

use devstack::postgres::TestDatabase;
use uuid::Uuid;

use crate::people::{run, sign_up, value};
use crate::projects::{Deployed, Owner, Project};

#[tokio::test]
async fn spellings_of_one_mailbox_are_one_and_others_are_not() {
    let database = TestDatabase::new().await;
    for (spelled, normal) in [
        ("ada@example.com", Some("ada@example.com")),
        (" Ada@Example.COM ", Some("ada@example.com")),
        ("ada+shop@example.com", Some("ada@example.com")),
        ("ada+shop+more@example.com", Some("ada@example.com")),
        ("a.da@example.com", Some("a.da@example.com")),
        ("A.d.a+x@gmail.com", Some("ada@gmail.com")),
        ("ada@googlemail.com", Some("ada@gmail.com")),
        ("ada@gmail.com.example.com", Some("ada@gmail.com.example.com")),
        ("a.da@mygmail.com", Some("a.da@mygmail.com")),
        ("+shop@example.com", Some("+shop@example.com")),
        ("\"a@b\"@example.com", Some("\"a@b\"@example.com")),
        ("ädä@example.com", Some("ädä@example.com")),
        ("ada@", None),
        ("@example.com", None),
        ("ada", None),
        ("", None),
    ] {
        let found: Option<String> = sqlx::query_scalar("select gateway.normal_email($1)")
            .bind(spelled)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(found.as_deref(), normal, "{spelled}");
    }
    assert_eq!(value::<Option<String>>(database.pool(), "select gateway.normal_email(null)").await, None);
}

#[tokio::test]
async fn the_worker_learns_who_shares_a_mailbox_and_no_address_whoever_owns_the_schema() {
    for owner in [Owner::Superuser, Owner::Hosted] {
        let project = Project::new(true, owner, Deployed::Nothing).await;
        project.migrate().await;
        let pool = project.database.pool();
        let first = sign_up(pool, "ada.l@gmail.com").await;
        let second = sign_up(pool, "AdaL+two@googlemail.com").await;
        sign_up(pool, "eve@example.com").await;
        run(pool, "insert into auth.users (id) values (gen_random_uuid()), (gen_random_uuid())").await;

        let worker = project.database.worker_pool();
        let shared: Vec<(Uuid, Uuid)> =
            sqlx::query_as("select user_id, first_user_id from gateway.list_shared_emails() order by 1")
                .fetch_all(&worker)
                .await
                .unwrap();
        assert_eq!(shared, [(first, first), (second, first)]);
        for hidden in ["select email from auth.users", "select gateway.normal_email('ada@example.com')"] {
            let error = sqlx::query(hidden).execute(&worker).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{hidden}");
        }
    }
}
