//! What a browser writes straight through Supabase is bounded by the database, column by column.

use crate::people::{as_user, refusal, run, sign_up, value};
use crate::projects::{Deployed, Owner, Project};

/// Rows for a user to write to, in every table that browsers may write.
const ROWS: &str = "
    insert into public.projects (user_id, name) values ('USER', 'Spring');
    insert into public.generations (user_id, generation_type, method, status)
      values ('USER', 'model', 'automatic', 'completed');
    insert into public.user_settings (user_id) values ('USER') on conflict do nothing;";

/// Text and list columns that signed-in users may change in their rows, and how to write a huge value of each.
const WRITABLE: &str = "
    select coalesce(string_agg(format('%s %s %s', c.table_name, c.column_name, c.data_type), ';'
                               order by c.table_name, c.column_name), '')
    from information_schema.columns as c
    where c.table_schema = 'public' and c.data_type in ('text', 'character varying', 'jsonb', 'json', 'ARRAY')
      and has_column_privilege('authenticated', format('public.%I', c.table_name)::regclass, c.column_name, 'update')";

#[tokio::test]
async fn every_text_that_a_browser_may_write_is_bounded() {
    for deployed in [Deployed::Nothing, Deployed::Both] {
        let project = Project::new(true, Owner::Hosted, deployed).await;
        project.migrate().await;
        let pool = project.database.pool();
        let user = sign_up(pool, "ada@example.com").await;
        run(pool, &ROWS.replace("USER", &user.to_string())).await;
        if matches!(deployed, Deployed::Both) {
            let ticket = "insert into public.support_tickets (user_id, subject, description) values ('USER', 's', 'd')";
            run(pool, &ticket.replace("USER", &user.to_string())).await;
        }
        let writable: String = value(pool, WRITABLE).await;
        let columns: Vec<Vec<&str>> = writable.split(';').map(|column| column.splitn(3, ' ').collect()).collect();
        assert!(columns.len() >= 8, "{columns:?}");
        for column in columns {
            let [table, name, kind] = column[..] else { panic!("{column:?}") };
            // Rows of these are only added, below.
            if table == "ticket_messages" {
                continue;
            }
            let huge: &[&str] = match kind {
                "ARRAY" => &[
                    "array[repeat('x', 1000001)]",
                    "array_fill('x'::text, array[100000])",
                    "'{a,NULL}'::text[]",
                    "'{{a,b},{c,d}}'::text[]",
                ],
                "jsonb" | "json" => &["to_jsonb(repeat('x', 1000001))"],
                _ => &["repeat('x', 1000001)"],
            };
            for value in huge {
                let written = as_user(pool, user, &format!("update public.{table} set {name} = {value}")).await;
                assert_eq!(refusal(written), "23514", "{table}.{name} = {value}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_projects() {
    let project = Project::new(false, Owner::Superuser, Deployed::Nothing).await;
    project.migrate().await;
    let pool = project.database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    let insert = |count| {
        format!(
            "insert into public.projects (user_id, name) select '{user}', 'p' || n from generate_series(1, {count}) n"
        )
    };
    as_user(pool, user, &insert(1_000)).await.unwrap();
    assert_eq!(refusal(as_user(pool, user, &insert(1)).await), "23514");
}

#[tokio::test]
async fn rows_of_before_that_pass_the_bounds_stay_as_they_are() {
    let project = Project::new(true, Owner::Hosted, Deployed::Both).await;
    let pool = project.database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    run(
        pool,
        &format!(
            "insert into public.profiles (id, email, full_name) values ('{user}', 'ada@example.com', repeat('x', 100000));
             insert into public.projects (user_id, name) values ('{user}', repeat('x', 100000));
             insert into public.generations (user_id, generation_type, method, status, tags)
               values ('{user}', 'model', 'automatic', 'completed', '{{a,NULL}}');"
        ),
    )
    .await;
    project.migrate().await;
    assert_eq!(value::<i32>(pool, "select char_length(full_name) from public.profiles").await, 100_000);
    assert_eq!(value::<i32>(pool, "select char_length(name) from public.projects").await, 100_000);
    assert_eq!(value::<i32>(pool, "select cardinality(tags) from public.generations").await, 2);
}
