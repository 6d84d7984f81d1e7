//! What a browser may read and write, and that the holes of the deployed policies are closed.

use devstack::postgres::TestDatabase;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::people::{as_anon, as_role, as_user, refusal, rows, run, seen, sign_up, value};
use crate::projects::{Deployed, Owner, Project};

const TABLES: [&str; 9] = [
    "profiles",
    "projects",
    "generations",
    "credits",
    "credit_transactions",
    "billing_plans",
    "subscriptions",
    "invoices",
    "user_settings",
];

/// What the database refuses outright.
const REFUSED: [&str; 30] = [
    "update public.credits set balance = 1000000",
    "insert into public.credits (user_id, balance) values ('{eve}', 9) on conflict (user_id) do update set balance = 9",
    "delete from public.credits",
    "insert into public.credit_transactions (user_id, amount, transaction_type) values ('{eve}', 500, 'purchase')",
    "update public.credit_transactions set amount = 500",
    "delete from public.credit_transactions",
    "truncate public.credit_transactions",
    "insert into public.subscriptions (user_id, plan_id, status) select '{eve}', id, 'active' from public.billing_plans limit 1",
    "update public.subscriptions set status = 'active', current_period_end = 'infinity'",
    "insert into public.generations (user_id, generation_type, method, status, output_url) values ('{eve}', 'model', 'x', 'completed', 'http://x')",
    "update public.generations set status = 'failed'",
    "update public.generations set output_url = 'http://x', output_urls = '{http://x}'",
    "update public.generations set user_id = '{ada}'",
    "update public.generations set deleted_at = now()",
    "delete from public.generations",
    "insert into public.invoices (user_id, invoice_number, status, plan_name) values ('{eve}', '2', 'paid', 'Pro')",
    "update public.billing_plans set price = 0",
    "update public.profiles set email = 'ada@example.com'",
    "update public.profiles set id = '{ada}'",
    "delete from public.profiles",
    "insert into public.projects (user_id, name) values ('{ada}', 'Mine')",
    "update public.projects set user_id = '{ada}'",
    "insert into public.user_settings (user_id) values ('{ada}')",
    "update public.user_settings set user_id = '{ada}'",
    "select * from gateway.run",
    "select gateway.now()",
    "select * from gateway._sqlx_migrations",
    "select * from apalis.jobs",
    "select * from apalis._sqlx_migrations",
    "insert into apalis.jobs (id, job_type, job, metadata) values ('x', 'submit', '{}', '')",
];

/// What it lets pass without effect: somebody else's rows are not there, and credits are dropped.
const USELESS: [&str; 7] = [
    "insert into public.credits (user_id, balance) values ('{eve}', 1000000)",
    "insert into public.credits (user_id, balance) values ('{eve}', 1000000) on conflict do nothing",
    "update public.profiles set full_name = 'Eve' where id = '{ada}'",
    "update public.generations set brand_name = 'Eve' where user_id = '{ada}'",
    "delete from public.projects where user_id = '{ada}'",
    "update public.projects set name = 'Eve' where user_id = '{ada}'",
    "update public.user_settings set language = 'xx' where user_id = '{ada}'",
];

/// Ada, who has a row in every table, and Eve, who has nothing but an account of her own.
struct World {
    database: TestDatabase,
    ada: Uuid,
    eve: Uuid,
}

impl World {
    async fn new() -> Self {
        Self::on(TestDatabase::new().await).await
    }

    async fn on(database: TestDatabase) -> Self {
        let pool = database.pool();
        let (ada, eve) = (sign_up(pool, "ada@example.com").await, sign_up(pool, "eve@example.com").await);
        for user in [ada, eve] {
            run(pool, &furniture(user)).await;
        }
        run(pool, "insert into billing_plans (name, price, interval, active) values ('Old', 1, 'monthly', false)")
            .await;
        Self { database, ada, eve }
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Runs `statement` as Eve, with her and Ada's ids filled in.
    async fn eve_tries(&self, statement: &str) -> Result<u64, sqlx::Error> {
        let statement = statement.replace("{ada}", &self.ada.to_string()).replace("{eve}", &self.eve.to_string());
        as_user(self.pool(), self.eve, &statement).await.map(|result| result.rows_affected())
    }

    async fn everything(&self) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        for table in TABLES {
            all.push(rows(self.pool(), &format!("public.{table}")).await);
        }
        all
    }
}

/// One row in each table of a user.
fn furniture(user: Uuid) -> String {
    format!(
        "with p as (insert into projects (user_id, name) values ('{user}', 'Spring') returning id),
           g as (insert into generations (user_id, project_id, generation_type, method, status)
             select '{user}', id, 'model', 'automatic', 'completed' from p returning id),
           b as (insert into billing_plans (name, price, interval) values ('Pro', 10, 'monthly') returning id),
           s as (insert into subscriptions (user_id, plan_id) select '{user}', id from b),
           i as (insert into invoices (user_id, invoice_number, plan_name) values ('{user}', '1', 'Pro'))
         insert into user_settings (user_id) values ('{user}')"
    )
}

#[tokio::test]
async fn a_user_reads_all_of_her_own_rows_and_no_others() {
    let world = World::new().await;
    for table in TABLES {
        let expected = if table == "billing_plans" { 2 } else { 1 };
        assert_eq!(seen(world.pool(), world.eve, &format!("select * from public.{table}")).await, expected, "{table}");
        assert_eq!(refusal(as_anon(world.pool(), &format!("select * from public.{table}")).await), "42501", "{table}");
    }
}

#[tokio::test]
async fn every_known_hole_is_closed() {
    attack(World::new().await).await;
}

#[tokio::test]
async fn every_known_hole_of_a_deployed_database_is_closed() {
    for deployed in [Deployed::PartOne, Deployed::Both] {
        let project = Project::new(true, Owner::Hosted, deployed).await;
        project.migrate().await;
        attack(World::on(project.database).await).await;
    }
}

async fn attack(world: World) {
    let before = world.everything().await;
    for attack in REFUSED {
        let result = world.eve_tries(attack).await;
        assert!(result.is_err(), "{attack}");
        assert_eq!(refusal(result), "42501", "{attack}");
    }
    for attack in USELESS {
        assert_eq!(world.eve_tries(attack).await.unwrap(), 0, "{attack}");
    }
    assert_eq!(before, world.everything().await, "nothing has changed");
}

#[tokio::test]
async fn a_user_writes_what_is_hers_to_say() {
    let world = World::new().await;
    let allowed = [
        "update public.profiles set full_name = 'E', avatar_url = 'a', company_name = 'c', bio = 'b'",
        "update public.generations set brand_name = 'b', campaign_name = 'c', tags = '{t}'",
        "insert into public.projects (user_id, name) values ('{eve}', 'Autumn')",
        "update public.generations set project_id = (select id from public.projects where name = 'Autumn')",
        "update public.projects set name = 'Winter', description = 'd', thumbnail_url = 't' where name = 'Autumn'",
        "update public.user_settings set language = 'de'",
        "delete from public.projects where name = 'Winter'",
    ];
    for statement in allowed {
        assert_eq!(world.eve_tries(statement).await.unwrap(), 1, "{statement}");
    }
    let query = format!("select count(*) from generations where user_id = '{}' and project_id is null", world.eve);
    assert_eq!(value::<i64>(world.pool(), &query).await, 1, "deleting a project keeps what was paid for");
}

#[tokio::test]
async fn a_generation_cannot_be_moved_into_another_user_s_project() {
    let world = World::new().await;
    let project: Uuid = value(world.pool(), &format!("select id from projects where user_id = '{}'", world.ada)).await;
    let moved = world.eve_tries(&format!("update public.generations set project_id = '{project}'")).await;
    assert_eq!(refusal(moved), "42501");
}

#[tokio::test]
async fn a_deleted_generation_is_hidden_and_cannot_be_touched() {
    let world = World::new().await;
    run(world.pool(), &format!("update generations set deleted_at = now() where user_id = '{}'", world.eve)).await;
    assert_eq!(seen(world.pool(), world.eve, "select * from public.generations").await, 0);
    assert_eq!(world.eve_tries("update public.generations set brand_name = 'b'").await.unwrap(), 0);
}

#[tokio::test]
async fn no_function_of_ours_can_be_called_by_a_browser() {
    let world = World::new().await;
    let callable: i64 = value(
        world.pool(),
        "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname in ('gateway', 'public')
           and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
           and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))",
    )
    .await;
    assert_eq!(callable, 0);
}

#[tokio::test]
async fn files_are_hers_only_under_her_uploads() {
    let world = World::new().await;
    let put =
        |name: String| format!("insert into storage.objects (bucket_id, name) values ('shootx-images', '{name}')");
    let (ada, eve) = (world.ada, world.eve);
    // The shim leaves this out, and the foreign key to the bucket is checked as the tables' owner.
    run(world.pool(), "grant usage on schema storage to supabase_storage_admin").await;
    run(world.pool(), &format!("{};{}", put(format!("{ada}/uploads/a.png")), put(format!("{eve}/g/1.webp")))).await;
    assert_eq!(world.eve_tries(&put(format!("{eve}/uploads/a.png"))).await.unwrap(), 1);
    for name in
        [format!("{ada}/uploads/b.png"), format!("{eve}/inputs/b.png"), format!("{eve}/b.png"), "uploads/b.png".into()]
    {
        assert_eq!(refusal(world.eve_tries(&put(name)).await), "42501");
    }
    assert_eq!(seen(world.pool(), eve, "select name from storage.objects").await, 1);
    // A policy that a deployment made for itself does not widen our bucket.
    run(world.pool(), "create policy wide on storage.objects for all to authenticated, anon using (true)").await;
    assert_eq!(seen(world.pool(), eve, "select name from storage.objects").await, 1);
    assert_eq!(as_anon(world.pool(), "select name from storage.objects").await.unwrap().rows_affected(), 0);
    assert!(!value::<bool>(world.pool(), "select public from storage.buckets").await);
}

#[tokio::test]
async fn the_service_key_cannot_touch_money_either() {
    let world = World::new().await;
    for attack in [
        "update public.credits set balance = 5",
        "insert into public.credit_transactions (user_id, amount, transaction_type) select id, 5, 'grant' from public.profiles",
        "delete from public.generations",
        "select * from gateway.run",
    ] {
        let result = as_role(world.pool(), "service_role", r#"{"role": "service_role"}"#, attack).await;
        assert_eq!(refusal(result), "42501", "{attack}");
    }
}
