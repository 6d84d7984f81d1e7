//! `migrate` makes the schema, in every kind of project, once, and one caller at a time.

use std::time::Duration;

use devstack::postgres::TestDatabase;
use shared::config::Database;
use shared::db::{self, DatabaseError, MIGRATOR};

use crate::people::{run, seen, sign_up, value};
use crate::projects::{Deployed, Owner, Project};

/// Columns, constraints, policies, grants, triggers and functions: what a second run must leave as it is.
///
/// Without temporary functions: that of a migration goes with its session, which may end while this is read.
const SHAPE: &str = "select string_agg(line, E'\\n' order by line) from (
    select format('%s.%s %s %s %s', c.oid::regclass, a.attname, format_type(atttypid, atttypmod), attnotnull, a.attacl) as line
      from pg_attribute a join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
      where nspname in ('public', 'gateway', 'apalis', 'storage') and attnum > 0
    union all select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
    union all select format('%s', p) from pg_policies p
    union all select format('%s %s', oid::regclass, relacl) from pg_class
    union all select format('%s %s', oid::regprocedure, proacl) from pg_proc
      where not pg_is_other_temp_schema(pronamespace)
    union all select format('%s %s', tgrelid::regclass, tgname) from pg_trigger where not tgisinternal) lines";

#[tokio::test]
async fn an_empty_project_gets_the_schema_in_both_grant_modes_and_by_either_owner() {
    let mut shapes = Vec::new();
    for exposed in [false, true] {
        for owner in [Owner::Superuser, Owner::Hosted] {
            let project = Project::new(exposed, owner, Deployed::Nothing).await;
            let applied = project.migrate().await;
            assert!(applied.len() > MIGRATOR.iter().count(), "the queue's and ours");
            let pool = project.database.pool();
            let user = sign_up(pool, "ada@example.com").await;
            assert_eq!(seen(pool, user, "select * from public.credits where balance = 100").await, 1);
            let granted = "select string_agg(format('%s %s %s', table_name, grantee, privilege_type), E'\\n'
                  order by table_name, grantee, privilege_type)
                from information_schema.role_table_grants
                where table_schema in ('public', 'gateway', 'apalis')
                  and grantee in ('PUBLIC', 'anon', 'authenticated', 'service_role', 'shootx_api', 'shootx_worker')";
            shapes.push(value::<String>(pool, granted).await);
        }
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "the same grants everywhere");
}

#[tokio::test]
async fn a_second_run_has_no_effect() {
    for deployed in [Deployed::Nothing, Deployed::PartOne, Deployed::Both] {
        let project = Project::new(true, Owner::Hosted, deployed).await;
        project.migrate().await;
        let before: String = value(project.database.pool(), SHAPE).await;
        assert!(project.migrate().await.is_empty());
        assert_eq!(before, value::<String>(project.database.pool(), SHAPE).await);
    }
}

#[tokio::test]
async fn callers_at_the_same_time_take_turns() {
    let project = Project::new(false, Owner::Hosted, Deployed::Nothing).await;
    let url = project.owner_url();
    let runs = futures::future::join_all((0..4).map(|_| db::migrate(&url))).await;
    let applied: Vec<_> = runs.into_iter().map(|run| run.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "one applied all: {applied:?}");
}

#[tokio::test]
async fn databases_of_one_server_can_be_migrated_at_the_same_time() {
    let projects =
        futures::future::join_all((0..3).map(|_| Project::new(false, Owner::Superuser, Deployed::Nothing))).await;
    futures::future::join_all(projects.iter().map(Project::migrate)).await;
}

#[tokio::test]
async fn a_database_that_is_behind_is_refused_by_name_and_one_ahead_is_not() {
    let database = TestDatabase::new().await;
    let pool = service_pool(&database);
    db::ensure_current(&pool).await.unwrap();

    let later = "insert into gateway._sqlx_migrations (version, description, success, checksum, execution_time)
                 values (29990101000000, 'from a later release', true, '', 0)";
    run(database.pool(), later).await;
    db::ensure_current(&pool).await.unwrap();
    assert!(db::migrate(&database.url()).await.unwrap().applied.is_empty(), "migrating leaves a newer one alone");

    run(database.pool(), "delete from gateway._sqlx_migrations where description = 'create gateway'").await;
    let error = db::ensure_current(&pool).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::Behind { missing } if missing.len() == 1));
    let text = error.to_string();
    assert!(text.contains("20261122000300 create gateway") && text.contains("shootx-api migrate"), "{text}");
}

#[tokio::test]
async fn an_empty_database_is_refused_too() {
    let database = TestDatabase::empty().await;
    let error = db::ensure_current(database.pool()).await.unwrap_err();
    let error_text = error.to_string();
    let DatabaseError::Behind { missing } = error else { panic!("{error_text}") };
    assert!(error_text.contains("more migrations"), "{error_text}");
    assert!(missing.iter().any(|name| name.starts_with("queue ")) && missing.len() > MIGRATOR.iter().count());
}

#[tokio::test]
async fn a_failed_migration_leaves_what_was_before_it_and_says_which_failed() {
    let project = Project::new(false, Owner::Superuser, Deployed::Nothing).await;
    let pool = project.database.pool();
    run(pool, "create schema gateway authorization postgres; create table gateway.clock (in_the_way integer)").await;
    let error = db::migrate(&project.owner_url()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Migrate { set: "the product", .. }), "{error}");
    let DatabaseError::Behind { missing } = db::ensure_current(pool).await.unwrap_err() else { panic!("not behind") };
    assert_eq!(missing[0], "20261122000300 create gateway");
    run(pool, "drop table gateway.clock").await;
    assert_eq!(project.migrate().await, missing);
}

#[tokio::test]
async fn the_orphan_scan_has_an_index_and_vacuum_comes_early() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let index: String = value(pool, "select indexdef from pg_indexes where indexname = 'jobs_inflight'").await;
    assert!(index.contains("(lock_by)") && index.contains("WHERE"), "{index}");
    let options: Vec<String> = value(pool, "select reloptions from pg_class where oid = 'apalis.jobs'::regclass").await;
    assert!(options.contains(&"autovacuum_vacuum_scale_factor=0.02".to_owned()), "{options:?}");
}

#[tokio::test]
async fn sessions_of_a_service_are_bounded_and_named() {
    let database = TestDatabase::new().await;
    let pool = service_pool(&database);
    let query = "select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
                 current_setting('application_name'), current_user)";
    assert_eq!(value::<String>(&pool, query).await, "10s 5s shootx-test shootx_api_login");
}

/// The pool that the API would open on this database.
fn service_pool(database: &TestDatabase) -> sqlx::PgPool {
    let settings = Database { url: database.api_url().into(), pool_max: 2, silence_max: Duration::from_secs(15) };
    db::pool(&settings, "shootx-test").unwrap()
}
