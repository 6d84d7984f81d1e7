//! A deployed database is taken over as it is: no value changes but a balance below zero.

use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::people::{as_user, reconcile, refusal, rows, run, seen, value};
use crate::projects::{Deployed, Owner, Project};

/// Her balance is below zero and has no entries.
const DEBTOR: Uuid = uuid!("00000000-0000-4000-8000-000000000001");
/// Her balance differs from her entries.
const UNEVEN: Uuid = uuid!("00000000-0000-4000-8000-000000000002");
/// All of hers is in order.
const EVEN: Uuid = uuid!("00000000-0000-4000-8000-000000000003");
/// She has entries and no balance.
const ROWLESS: Uuid = uuid!("00000000-0000-4000-8000-000000000004");
/// Her balance is below zero, but differs from her entries too.
const BOTH: Uuid = uuid!("00000000-0000-4000-8000-000000000005");

const OLD_ROWS: &str = "
    insert into auth.users (id, email)
      select ('00000000-0000-4000-8000-00000000000' || n)::uuid, n || '@example.com' from generate_series(1, 5) n;
    insert into public.profiles (id, email, full_name, updated_at) select id, email, 'Old', '2025-01-01' from auth.users;
    insert into public.credits (user_id, balance) values
      ('00000000-0000-4000-8000-000000000001', -5), ('00000000-0000-4000-8000-000000000002', 70),
      ('00000000-0000-4000-8000-000000000003', 98), ('00000000-0000-4000-8000-000000000005', -1);
    insert into public.projects (id, user_id, name)
      values ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-000000000003', 'Spring');
    insert into public.generations (id, user_id, project_id, generation_type, method, status) values
      ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-000000000003',
       '00000000-0000-4000-8000-0000000000f1', 'model', 'automatic', 'completed'),
      ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-000000000003', null, 'model', 'prompt', 'processing'),
      ('00000000-0000-4000-8000-0000000000a3', '00000000-0000-4000-8000-000000000003', null, 'model', 'prompt', 'pending'),
      ('00000000-0000-4000-8000-0000000000a4', '00000000-0000-4000-8000-000000000003', null, 'model', 'prompt', 'canceled'),
      ('00000000-0000-4000-8000-0000000000a5', '00000000-0000-4000-8000-000000000003', null, 'model', 'prompt', null);
    insert into public.credit_transactions (user_id, amount, transaction_type, generation_id) values
      ('00000000-0000-4000-8000-000000000002', 100, 'purchase', null),
      ('00000000-0000-4000-8000-000000000003', 100, 'bonus', null),
      ('00000000-0000-4000-8000-000000000003', -2, 'generation', '00000000-0000-4000-8000-0000000000a1'),
      ('00000000-0000-4000-8000-000000000004', 30, 'purchase', null),
      ('00000000-0000-4000-8000-000000000005', 10, 'purchase', null);
    insert into public.billing_plans (id, name, price, interval)
      values ('00000000-0000-4000-8000-0000000000b1', 'Odd', 10, 'weekly');
    insert into public.subscriptions (user_id, plan_id, status)
      values ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-0000000000b1', 'trialing');
    insert into public.support_tickets (user_id, subject, description)
      values ('00000000-0000-4000-8000-000000000003', 's', 'd');";

const OLD_ROWS_OF_PART_TWO: &str = "
    update public.generations set image_url = 'https://old/1.png', brand_name = 'B', tags = '{t}';
    insert into public.invoices (user_id, invoice_number, status, plan_name)
      values ('00000000-0000-4000-8000-000000000003', 'I-1', 'draft', 'Odd');
    insert into public.user_settings (user_id, language) values ('00000000-0000-4000-8000-000000000003', 'fr');";

const TABLES: [&str; 8] = [
    "profiles",
    "projects",
    "generations",
    "credits",
    "credit_transactions",
    "billing_plans",
    "subscriptions",
    "support_tickets",
];

async fn deployed(parts: Deployed) -> Project {
    let project = Project::new(true, Owner::Hosted, parts).await;
    run(project.database.pool(), OLD_ROWS).await;
    if matches!(parts, Deployed::Both) {
        run(project.database.pool(), OLD_ROWS_OF_PART_TWO).await;
    }
    project
}

#[tokio::test]
async fn no_old_value_changes_but_a_negative_balance() {
    for parts in [Deployed::PartOne, Deployed::Both] {
        let project = deployed(parts).await;
        let pool = project.database.pool();
        let mut tables = TABLES.to_vec();
        if matches!(parts, Deployed::Both) {
            tables.extend(["invoices", "user_settings"]);
        }
        let mut before = Vec::new();
        for table in &tables {
            before.push(rows(pool, &format!("public.{table}")).await);
        }
        project.migrate().await;
        for (table, before) in tables.iter().zip(before) {
            let after = rows(pool, &format!("public.{table}")).await;
            for old in before.as_array().unwrap() {
                assert!(kept(old, &after), "{table} lost or changed {old}");
            }
        }
    }
}

/// Whether a row is still there with all of its values; a negative balance is there as 0.
fn kept(old: &Value, after: &Value) -> bool {
    let mut old = old.as_object().unwrap().clone();
    if old.get("balance").and_then(Value::as_i64).is_some_and(|balance| balance < 0) {
        old.insert("balance".into(), json!(0));
    }
    after.as_array().unwrap().iter().any(|new| old.iter().all(|(column, value)| new.get(column) == Some(value)))
}

#[tokio::test]
async fn every_balance_equals_its_entries_afterwards_and_each_difference_is_an_adjustment() {
    for parts in [Deployed::PartOne, Deployed::Both] {
        let project = deployed(parts).await;
        let pool = project.database.pool();
        project.migrate().await;
        reconcile(pool).await;
        let mut adjustments = Vec::new();
        for user in [DEBTOR, UNEVEN, EVEN, ROWLESS, BOTH] {
            let query = format!(
                "select coalesce(array_agg(amount order by amount), '{{}}') from credit_transactions
                 where user_id = '{user}' and transaction_type = 'adjustment' and entry_key is not null"
            );
            adjustments.push(value::<Vec<i32>>(pool, &query).await);
        }
        assert_eq!(adjustments, [vec![-5, 5], vec![-30], vec![], vec![-30], vec![-11, 1]]);
        assert_eq!(value::<i64>(pool, "select count(*) from credits where balance < 0").await, 0);
        assert_eq!(value::<i64>(pool, "select count(*) from credits").await, 4, "nobody is given a row");
    }
}

#[tokio::test]
async fn no_amount_that_a_user_could_write_stops_the_adoption() {
    let project = deployed(Deployed::PartOne).await;
    let pool = project.database.pool();
    run(pool, "insert into public.credits (user_id) values ('00000000-0000-4000-8000-000000000004')").await;
    let statements = [
        (
            EVEN,
            "insert into credit_transactions (user_id, amount, transaction_type)
            select auth.uid(), 2147483647, 'purchase' from generate_series(1, 3)",
        ),
        (
            ROWLESS,
            "insert into credit_transactions (user_id, amount, transaction_type)
            select auth.uid(), -2147483648, 'purchase' from generate_series(1, 3)",
        ),
    ];
    for (user, statement) in statements {
        as_user(pool, user, statement).await.unwrap();
    }
    run(pool, &format!("update credits set balance = -2147483648 where user_id = '{DEBTOR}'")).await;
    run(pool, &format!("update credits set balance = null where user_id = '{ROWLESS}'")).await;
    project.migrate().await;
    reconcile(pool).await;
    assert_eq!(value::<i64>(pool, "select count(*) from credits where balance is null or balance < 0").await, 0);
    let broken = sqlx::query("update credits set balance = null").execute(pool).await;
    assert_eq!(refusal(broken), "23514", "what is added to no balance would be lost");
}

#[tokio::test]
async fn old_rows_stay_readable_and_new_ones_are_held_to_the_words() {
    let project = deployed(Deployed::PartOne).await;
    project.migrate().await;
    let pool = project.database.pool();
    assert_eq!(seen(pool, EVEN, "select * from public.generations").await, 5);
    for insert in [
        "insert into generations (user_id, generation_type, method, status) select id, 'model', 'x', 'canceled' from profiles",
        "insert into credit_transactions (user_id, amount, transaction_type) select id, 1, 'bonus' from profiles",
        "insert into billing_plans (name, price, interval) values ('W', 1, 'weekly')",
        "insert into subscriptions (user_id, plan_id, status) select p.id, b.id, 'trialing' from profiles p, billing_plans b",
        "insert into invoices (user_id, invoice_number, plan_name, status) select id, '1', 'x', 'draft' from profiles",
        "update credits set balance = -1",
    ] {
        assert_eq!(refusal(sqlx::query(insert).execute(pool).await), "23514", "{insert}");
    }
}

#[tokio::test]
async fn deleting_a_project_no_longer_deletes_what_was_paid() {
    let project = deployed(Deployed::Both).await;
    project.migrate().await;
    let pool = project.database.pool();
    assert_eq!(as_user(pool, EVEN, "delete from public.projects").await.unwrap().rows_affected(), 1);
    assert_eq!(value::<i64>(pool, "select count(*) from generations where project_id is null").await, 5);
    let delete = sqlx::query("delete from generations where status = 'completed'").execute(pool).await;
    assert_eq!(refusal(delete), "23503", "an entry keeps its generation");
}

#[tokio::test]
async fn the_deployed_policies_and_grants_are_gone_and_the_support_tables_keep_theirs() {
    let project = deployed(Deployed::Both).await;
    project.migrate().await;
    let pool = project.database.pool();
    let old: i64 = value(pool, "select count(*) from pg_policies where schemaname = 'public' and policyname like 'Users can%' and tablename not in ('support_tickets', 'ticket_messages')").await;
    assert_eq!(old, 0);
    for attack in [
        format!(
            "insert into public.credit_transactions (user_id, amount, transaction_type) values ('{EVEN}', 500, 'purchase')"
        ),
        "update public.subscriptions set status = 'active'".into(),
        "update public.generations set status = 'completed'".into(),
        "delete from public.generations".into(),
    ] {
        assert_eq!(refusal(as_user(pool, EVEN, &attack).await), "42501", "{attack}");
    }
    assert_eq!(
        as_user(pool, EVEN, "update public.support_tickets set subject = 'new'").await.unwrap().rows_affected(),
        1
    );
}

#[tokio::test]
async fn a_deployment_s_own_limits_on_the_type_of_an_entry_do_not_stop_the_adoption() {
    let project = deployed(Deployed::PartOne).await;
    run(
        project.database.pool(),
        "alter table credit_transactions add constraint old_types
           check (transaction_type in ('purchase', 'subscription', 'generation', 'refund', 'bonus'))",
    )
    .await;
    project.migrate().await;
    reconcile(project.database.pool()).await;
}

#[tokio::test]
async fn users_from_before_sign_in_without_being_given_anything() {
    let project = deployed(Deployed::Both).await;
    project.migrate().await;
    let pool = project.database.pool();
    let insert = format!("insert into public.credits (user_id, balance) values ('{ROWLESS}', 100)");
    as_user(pool, ROWLESS, &insert).await.unwrap();
    assert_eq!(value::<i64>(pool, "select count(*) from credits").await, 4);
}

#[tokio::test]
async fn what_never_finished_is_left_and_reported() {
    let project = deployed(Deployed::Both).await;
    for _ in 0..2 {
        assert_eq!(shared::db::migrate(&project.owner_url()).await.unwrap().unfinished_of_before, 2);
    }
    let open = "select count(*) from generations where status in ('pending', 'processing')";
    assert_eq!(value::<i64>(project.database.pool(), open).await, 2);
}
