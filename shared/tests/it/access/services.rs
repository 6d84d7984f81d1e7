//! The services can do their work, and have no grant that no work of theirs needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::rights::{Grant, ROLES, Rights, VERBS};
use super::world::World;
use crate::projects::KINDS;

/// A query of ours, as the cache of checked queries keeps it.
struct Query {
    text: String,
    parameters: usize,
}

fn verb_name(verb: char) -> &'static str {
    match verb {
        'r' => "select",
        'a' => "insert",
        'w' => "update",
        'd' => "delete",
        _ => panic!("{verb} is granted to no service"),
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The queries of each file of `shared/src` that the table names.
fn queries(files: BTreeSet<&'static str>) -> BTreeMap<&'static str, Vec<Query>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cached: Vec<serde_json::Value> = fs::read_dir(root.join("../.sqlx"))
        .unwrap()
        .map(|entry| serde_json::from_str(&read(&entry.unwrap().path())).unwrap())
        .collect();
    let mut found = BTreeMap::new();
    for file in files {
        let source = in_one_line(&read(&root.join("src").join(file)));
        let queries: Vec<Query> = cached
            .iter()
            .filter(|query| source.contains(&in_one_line(query["query"].as_str().unwrap())))
            .map(|query| Query {
                text: query["query"].as_str().unwrap().to_owned(),
                parameters: query["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len),
            })
            .collect();
        assert!(!queries.is_empty(), "{file} holds no query");
        found.insert(file, queries);
    }
    found
}

/// Whether `role` may run the query now. It is planned and started, which is when rights are checked, but not run.
async fn may_run(connection: &mut PgConnection, role: &str, query: &Query) -> bool {
    let arguments = vec!["null"; query.parameters].join(", ");
    let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
    let script = format!(
        "savepoint trial; prepare trial as {}; set local role {role}; explain execute trial{arguments};",
        query.text
    );
    let outcome = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await;
    let back = "rollback to savepoint trial; deallocate all";
    sqlx::raw_sql(back).execute(&mut *connection).await.unwrap();
    match outcome {
        Ok(_) => true,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => false,
        Err(error) => panic!("{}: {error}", query.text),
    }
}

/// Whether a query of these stops running for `role` when it loses something.
async fn is_needed(connection: &mut PgConnection, role: &str, revoke: &str, queries: &[&Query]) -> bool {
    let begin = format!("begin; set local plan_cache_mode = force_generic_plan; {revoke}");
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await.unwrap();
    let mut needed = false;
    for query in queries {
        needed = needed || !may_run(connection, role, query).await;
    }
    sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
    needed
}

#[tokio::test]
async fn every_grant_of_a_service_is_needed_by_a_query_of_its_own() {
    let (world, rights) = (World::shared(KINDS[0]).await, Rights::of(KINDS[0]));
    let files = rights.services.iter().filter_map(|grant| grant.files.as_ref()).flatten().copied().collect();
    let queries = queries(files);
    let mut connection = world.pool().acquire().await.unwrap();
    let mut needless = String::new();
    for Grant { role, relation, verbs, files } in &rights.services {
        let Some(files) = files else { continue };
        let of_files: Vec<&Query> = files.iter().flat_map(|file| &queries[file]).collect();
        for verb in verbs.chars() {
            let all = [""];
            let columns = rights.columns.get(&(relation, role, verb));
            let columns: Vec<&str> = columns.map_or(all.to_vec(), |columns| columns.iter().copied().collect());
            for column in columns {
                let what =
                    if column.is_empty() { verb_name(verb).into() } else { format!("{} ({column})", verb_name(verb)) };
                let revoke = format!("revoke {what} on {relation} from {role}");
                if !is_needed(&mut connection, role, &revoke, &of_files).await {
                    writeln!(needless, "  {role} {relation} {what}: no query of {files:?}").unwrap();
                }
            }
        }
    }
    assert!(needless.is_empty(), "granted for nothing:\n{needless}");
}

#[tokio::test]
async fn the_uses_of_grants_in_the_table_are_all_that_the_services_have() {
    let rights = Rights::of(KINDS[3]);
    let mut used = BTreeSet::new();
    for grant in &rights.services {
        for verb in grant.verbs.chars() {
            assert!(used.insert((grant.role, grant.relation, verb)), "{} {} {verb} twice", grant.role, grant.relation);
        }
    }
    let mut granted = BTreeSet::new();
    for relation in rights.relations.keys() {
        for role in ROLES.into_iter().filter(|role| role.starts_with("shootx_")) {
            granted.extend(
                VERBS
                    .into_iter()
                    .filter(|verb| rights.cell(relation, role, *verb) != '.')
                    .map(|verb| (role, *relation, verb)),
            );
        }
    }
    assert_eq!(used, granted);
}

/// The grants that no query of the cache shows: what the services run without it.
#[tokio::test]
async fn what_the_services_ask_outside_of_checked_queries_is_allowed_to_them() {
    let world = World::own(KINDS[0]).await;
    let [api, worker] = world.services();
    for pool in [&api, &worker] {
        shared::db::ensure_current(pool).await.unwrap();
        sqlx::query("select gateway.now()").execute(pool).await.unwrap();
    }
    let register = "insert into apalis.workers (id, worker_type, storage_name) values ('n', 'submit', 's')
        on conflict (id) do update set last_seen = now()";
    sqlx::query(register).execute(&worker).await.unwrap();
    let taken = sqlx::query("select * from apalis.get_jobs('n', 'submit', 1)").execute(&worker).await.unwrap();
    assert_eq!(taken.rows_affected(), 1);
}
