//! What the scripts promise: a whole schema comes back, a damaged backup is refused, and no password is shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use devstack::postgres::{Deployed, ProjectKind, TestDatabase, hosted_url};
use serde_json::Value;
use sqlx::PgPool;

use super::{World, restore, script};
use crate::operations::Ran;

/// Everything of the schema that a dump of three schemas could lose: who may do what, and what stands on Supabase's tables.
const SHAPE: &str = r#"
    with ours as (select oid from pg_namespace where nspname in ('public', 'gateway', 'apalis'))
    select jsonb_build_object(
      'relations', (select jsonb_object_agg(c.oid::regclass::text, jsonb_build_array(relkind, relrowsecurity,
           (select jsonb_agg(a::text order by a::text) from unnest(coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r' end, relowner))) as a)))
         from pg_class c where relnamespace in (select oid from ours)),
      'columns', (select jsonb_object_agg(attrelid::regclass || '.' || attname, jsonb_build_array(
           format_type(atttypid, atttypmod), attnotnull, attacl::text,
           (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = attrelid and adnum = attnum)))
         from pg_attribute a join pg_class c on c.oid = attrelid
         where attnum > 0 and not attisdropped and relkind = 'r' and relnamespace in (select oid from ours)),
      'functions', (select jsonb_object_agg(p.oid::regprocedure::text, jsonb_build_array(prosecdef, proconfig::text, prosrc,
           (select jsonb_agg(a::text order by a::text) from unnest(coalesce(proacl, acldefault('f', proowner))) as a)))
         from pg_proc p where pronamespace in (select oid from ours)),
      -- Read back, `a and (b and c)` loses its parentheses.
      'constraints', (select jsonb_object_agg(conrelid::regclass || '.' || conname,
           translate(pg_get_constraintdef(oid), '() ' || chr(10), ''))
         from pg_constraint where connamespace in (select oid from ours) and conrelid <> 0),
      'indexes', (select jsonb_object_agg(schemaname || '.' || indexname, indexdef) from pg_indexes
         where schemaname in ('public', 'gateway', 'apalis')),
      'triggers', (select jsonb_object_agg(tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)) from pg_trigger
         where not tgisinternal),
      'policies', (select jsonb_object_agg(schemaname || '.' || tablename || '.' || policyname,
           jsonb_build_array(permissive, roles::text, cmd, qual, with_check)) from pg_policies),
      'schemas', (select jsonb_object_agg(nspname, (select jsonb_agg(a::text order by a::text) from unnest(nspacl) as a))
         from pg_namespace where nspname in ('gateway', 'apalis')))"#;

async fn shape(pool: &PgPool) -> Value {
    sqlx::query_scalar(SHAPE).fetch_one(pool).await.unwrap()
}

/// A backup of `database` by its hosted owner.
fn back_up(database: &TestDatabase, dir: &Path) -> PathBuf {
    let ran = script("backup", &hosted_url(&database.url()), &[], &["--into", dir.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.complained);
    PathBuf::from(ran.said.trim())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_trigger_policy_and_constraint_comes_back_whoever_may_not_be_superuser() {
    let stack = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    for exposed in [false, true] {
        let kind = ProjectKind { exposed, deployed: Deployed::Both };
        let old = TestDatabase::of(kind).await;
        let backup = back_up(&old, &dir.path().join(exposed.to_string()));
        let fresh = TestDatabase::empty().await;
        ProjectKind { deployed: Deployed::Nothing, ..kind }.lay(&fresh.url()).await.unwrap();
        let mut settings: Vec<_> =
            stack.stack.worker_environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        settings.push(("DATABASE_URL", fresh.worker_url()));
        let ran = script("restore", &hosted_url(&fresh.url()), &settings, &[backup.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}{}", ran.said, ran.complained);
        let (was, is) = (shape(old.pool()).await, shape(fresh.pool()).await);
        for (part, was) in was.as_object().unwrap() {
            let (was, is) = (was.as_object().unwrap(), is[part].as_object().unwrap());
            for name in was.keys().chain(is.keys()) {
                assert_eq!(was.get(name), is.get(name), "{part}: {name}, exposed: {exposed}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_or_half_written_is_refused_and_nothing_is_touched() {
    let world = World::new().await;
    let backup = world.back_up();
    let check = || -> Ran { script("restore", "", &[], &[backup.to_str().unwrap(), "--check"]) };
    assert_eq!(check().code, 0);
    let manifest: Value = serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["counts"]["profiles"], 1);
    assert!(manifest["wal_position"].as_str().unwrap().contains('/'), "{manifest}");

    let dump = fs::read(backup.join("database.dump")).unwrap();
    let mut damaged = dump.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(backup.join("database.dump"), damaged).unwrap();
    let refused = restore(&world.stack, &world.stack.database, &backup, &["--into-nonempty"]);
    assert!(refused.code == 1 && refused.complained.contains("damaged"), "{refused:?}");
    fs::write(backup.join("database.dump"), dump).unwrap();
    fs::rename(backup.join("SHA256SUMS"), backup.join("elsewhere")).unwrap();
    assert!(check().complained.contains("no complete backup"));
    assert_eq!(world.user.balance().await.unwrap(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_fails_half_way_leaves_the_database_as_it_was() {
    let world = World::new().await;
    let backup = world.back_up();
    // It says that there was more than there is: found when all is written, before it is committed.
    let path = backup.join("manifest.json");
    let told = fs::read_to_string(&path).unwrap().replace("\"profiles\": 1", "\"profiles\": 2");
    fs::write(&path, told).unwrap();
    let sums = fs::read_to_string(backup.join("SHA256SUMS")).unwrap();
    let others: String =
        sums.lines().filter(|line| !line.ends_with("manifest.json")).map(|l| format!("{l}\n")).collect();
    let own = Command::new("sha256sum").current_dir(&backup).arg("manifest.json").output().unwrap();
    fs::write(backup.join("SHA256SUMS"), others + &String::from_utf8(own.stdout).unwrap()).unwrap();
    drop(world.stack.user().await);
    let before = shape(world.stack.database.pool()).await;
    let failed = restore(&world.stack, &world.stack.database, &backup, &["--into-nonempty"]);
    assert!(failed.code == 1 && failed.complained.contains("as it was"), "{failed:?}");
    assert!(failed.complained.contains("is not what was backed up"), "{failed:?}");
    assert_eq!(shape(world.stack.database.pool()).await, before);
    let profiles: i64 =
        sqlx::query_scalar("select count(*) from profiles").fetch_one(world.stack.database.pool()).await.unwrap();
    assert_eq!(profiles, 2);
    world.stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_becomes_settings_and_its_password_stands_on_no_command_line() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let read = |url: &str| {
        let shown = ". ./database-env; use_database SHOWN_URL; echo \"$PGUSER|${PGPASSWORD-}|$PGHOST|${PGPORT-}|$PGDATABASE|${PGSSLMODE-}\"";
        let ran =
            Command::new("bash").current_dir(&scripts).args(["-c", shown]).env("SHOWN_URL", url).output().unwrap();
        String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap().trim().to_owned()
    };
    for (url, expected) in [
        ("postgres://u:p%40%2F%25x%5Cn@db.example.com:5432/d", r"u|p@/%x\n|db.example.com|5432|d|require"),
        ("postgresql://u:a:b@db.example.com/d?sslmode=verify-full", "u|a:b|db.example.com||d|verify-full"),
        ("postgres://u@[::1]:5433/d", "u||::1|5433|d|"),
        ("postgres://u@localhost/d?host=/tmp", "u||/tmp||d|"),
    ] {
        assert_eq!(read(url), expected);
    }
    let pooler = read("postgres://u:secret@db.example.com:6543/d");
    assert!(pooler.contains("6543 is the transaction pooler") && !pooler.contains("secret"), "{pooler}");

    let unreachable = script("backup", "postgres://u:secret@127.0.0.1:1/d", &[], &[]);
    assert!(unreachable.code != 0 && !unreachable.complained.contains("secret"), "{unreachable:?}");
    for name in ["backup", "restore"] {
        let help = script(name, "", &[], &["--help"]);
        assert!(help.code == 0 && help.said.contains(name), "{help:?}");
        let text = fs::read_to_string(scripts.join(name)).unwrap();
        assert!(!text.contains("--dbname") && !text.contains("postgres://$"), "addresses are given by the environment");
    }
}
