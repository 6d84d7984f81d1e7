//! Rows that users could write freely, before this backend or through Supabase, hold the largest and strangest values
//! of their types. Every read is still answered, with a bounded body.

use devstack::test_stack::{TestStack, TestUser};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Longest answer to any read, in bytes.
const ANSWER_BYTES_MAX: usize = 200_000;

/// Inserts one row of the user into every table of the product, then drops all check constraints and disables triggers.
const ROWS: &str = "
    insert into public.projects (id, user_id, name) values ('ROW', 'USER', 'Spring');
    insert into public.generations (id, user_id, project_id, generation_type, method, status)
      values ('ROW', 'USER', 'ROW', 'model', 'automatic', 'completed');
    insert into public.credit_transactions (user_id, amount, transaction_type, generation_id)
      values ('USER', 5, 'refund', 'ROW'), ('USER', -5, 'generation', 'ROW');
    insert into public.billing_plans (id, name, price, interval, credits_per_month, active)
      values ('ROW', 'Pro', 10, 'monthly', 100, true);
    insert into public.subscriptions (id, user_id, plan_id, status) values ('ROW', 'USER', 'ROW', 'active');
    insert into public.invoices (user_id, invoice_number, amount, status, plan_name)
      values ('USER', 'I-1', 10, 'paid', 'Pro');
    insert into public.user_settings (user_id) values ('USER') on conflict do nothing;
    do $$
    declare held record;
    begin
      for held in select conname, conrelid::regclass as rel from pg_constraint
                  where contype = 'c' and connamespace = 'public'::regnamespace loop
        execute format('alter table %s drop constraint %I', held.rel, held.conname);
      end loop;
      for held in select distinct tgrelid::regclass as rel from pg_trigger join pg_class on pg_class.oid = tgrelid
                  where relnamespace = 'public'::regnamespace and not tgisinternal loop
        execute format('alter table %s disable trigger user', held.rel);
      end loop;
    end $$;";

/// Columns that hold free values: not those that identify a row.
const COLUMNS: &str = "
    select table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
    from information_schema.columns
    where table_schema = 'public' and data_type <> 'uuid'
      and table_name in ('profiles', 'projects', 'generations', 'credit_transactions', 'billing_plans',
                         'subscriptions', 'invoices', 'user_settings', 'credits')
      -- Credits are ours alone, and so is the mark of what a user deleted and the key of an entry.
      and column_name not in ('balance', 'deleted_at', 'entry_key')
    order by 1, 2";

/// Values of a type, as SQL.
fn strange(kind: &str) -> &'static [&'static str] {
    match kind {
        "text" | "character varying" => {
            &["repeat('x', 2000000)", "''", "E'\\u0001\\u202e\\n%00'", "'COMPLETED'", "repeat(E'\\U0001F600', 100000)"]
        }
        "ARRAY" => &[
            "array_fill(repeat('x', 100), array[50000])",
            "'{a,NULL}'",
            "'{{a,b},{c,d}}'",
            "'[5:6]={a,b}'",
            "array[repeat('x', 2000000)]",
        ],
        "timestamp with time zone" => {
            &["'infinity'", "'-infinity'", "'294276-12-31'", "'4713-01-01 BC'", "'0001-01-01'"]
        }
        "numeric" => &["'NaN'", "'Infinity'", "'-Infinity'", "1e100", "-0.001"],
        "integer" => &["2147483647", "-2147483648", "0", "1", "-1"],
        "jsonb" => &["to_jsonb(repeat('x', 2000000))", "'null'", "'[1, {\"a\": null}]'", "'{}'", "'5'"],
        "boolean" => &["true", "false", "true", "false", "true"],
        other => panic!("add the strange values of the type {other}"),
    }
}

/// The reads of the API that a user has, as its own document lists them.
async fn reads(stack: &TestStack, id: Uuid) -> Vec<String> {
    let document = stack.anonymous().get("/openapi.json").await.unwrap().expecting(200).body;
    let paths = document["paths"].as_object().unwrap();
    let for_users = |(_, operations): &(&String, &Value)| operations["get"]["security"].is_array();
    paths.iter().filter(for_users).map(|(path, _)| path.replace("{generation_id}", &id.to_string())).collect()
}

async fn run(stack: &TestStack, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(stack.database.pool()).await.unwrap();
}

async fn all_answered(stack: &TestStack, user: &TestUser, id: Uuid, what: &str) {
    for path in reads(stack, id).await {
        let answer = user.get(&path).await.unwrap();
        assert!(answer.status == 200, "{path} with {what}: {} {}", answer.status, answer.body);
        let length = answer.body.to_string().len();
        assert!(length <= ANSWER_BYTES_MAX, "{path} with {what}: {length} bytes");
    }
}

#[tokio::test]
async fn every_read_is_answered_whatever_a_row_holds() {
    let settings = [("USER_RATE_PER_SECOND", "10000"), ("ADDRESS_RATE_PER_SECOND", "10000")];
    let stack = settings.iter().fold(TestStack::builder(), |builder, (name, value)| builder.set(name, value));
    let stack = stack.start().await;
    let user = stack.user().await;
    let id = Uuid::now_v7();
    run(&stack, ROWS.replace("USER", &user.id().to_string()).replace("ROW", &id.to_string())).await;
    assert!(reads(&stack, id).await.len() >= 6, "{:?}", reads(&stack, id).await);
    all_answered(&stack, &user, id, "ordinary values").await;

    let columns: Vec<(String, String, String, bool)> =
        sqlx::query_as(AssertSqlSafe(COLUMNS)).fetch_all(stack.database.pool()).await.unwrap();
    let tables: std::collections::BTreeSet<&str> = columns.iter().map(|(table, ..)| table.as_str()).collect();
    assert_eq!(tables.len(), 9);
    for table in tables {
        let of_table = || columns.iter().filter(|(name, ..)| name == table);
        for n in 0..5 {
            let values = of_table().map(|(_, column, kind, _)| format!("{column} = {}", strange(kind)[n]));
            let set = values.collect::<Vec<_>>().join(", ");
            run(&stack, format!("update public.{table} set {set}")).await;
            all_answered(&stack, &user, id, &format!("{table}: {set}")).await;
        }
        let nothing = of_table().filter(|(.., nullable)| *nullable).map(|(_, column, ..)| format!("{column} = null"));
        let set = nothing.collect::<Vec<_>>().join(", ");
        run(&stack, format!("update public.{table} set {set}")).await;
        all_answered(&stack, &user, id, &format!("{table}: {set}")).await;
    }
    drop(user.delete(id).await.unwrap().expecting(204));
}
