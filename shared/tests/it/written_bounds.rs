//! What a browser writes straight through Supabase is bounded by the database, column by column.

use crate::people::{as_user, refusal, run, sign_up, value};
use crate::projects::{Deployed, Owner, Project};

/// Rows for a user to write to, in every table that browsers may write.
const ROWS: &str = "
    insert into public.projects (user_id, name) values ('USER', 'Spring');
    insert into public.generations (user_id, generation_type, method, status)
      values ('USER', 'model', 'automatic', 'completed');
    insert into public.user_settings (user_id) values ('USER') on conflict do nothing;";

/// Columns that signed-in users may change in their rows (`update`) or set only in new rows (`insert`), and their types.
const WRITABLE: &str = "
    select coalesce(string_agg(format('%s %s %s %s', verb, c.table_name, c.column_name, c.data_type), ';'
                               order by c.table_name, c.column_name), '')
    from information_schema.columns as c
    cross join lateral (select format('public.%I', c.table_name)::regclass as relation) as named
    cross join lateral (
        select case when has_column_privilege('authenticated', relation, c.column_name, 'update') then 'update'
                    when has_column_privilege('authenticated', relation, c.column_name, 'insert') then 'insert' end as verb
    ) as held
    where c.table_schema = 'public' and verb is not null";

/// Columns of new rows whose values are ours: triggers replace or drop what the user sends.
const NOT_THEIRS: [&str; 4] = ["profiles.email", "profiles.id", "credits.user_id", "credits.balance"];

/// Values of a type that must be refused; none where the type itself is bounded.
fn huge(kind: &str) -> &'static [&'static str] {
    match kind {
        "text" | "character varying" => &["repeat('x', 1000001)"],
        "ARRAY" => &[
            "array[repeat('x', 1000001)]",
            "array_fill('x'::text, array[100000])",
            "'{a,NULL}'::text[]",
            "'{{a,b},{c,d}}'::text[]",
        ],
        "boolean" | "uuid" | "integer" | "timestamp with time zone" => &[],
        other => panic!("add the huge values of the type {other}"),
    }
}

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
        let columns: Vec<Vec<&str>> = writable.split(';').map(|column| column.splitn(4, ' ').collect()).collect();
        assert!(columns.len() >= 16, "{columns:?}");
        for column in columns {
            let [verb, table, name, kind] = column[..] else { panic!("{column:?}") };
            if NOT_THEIRS.contains(&&*format!("{table}.{name}")) {
                continue;
            }
            for value in huge(kind) {
                let statement = match (verb, table) {
                    // Granted by the deployment, but without a policy to change a row.
                    (_, "ticket_messages") => format!(
                        "insert into public.ticket_messages (ticket_id, user_id, {name})
                         select id, user_id, {value} from public.support_tickets"
                    ),
                    ("update", _) => format!("update public.{table} set {name} = {value}"),
                    _ => panic!("how is {table}.{name} written?"),
                };
                let written = as_user(pool, user, &statement).await;
                assert!(written.is_err(), "{statement}: {written:?}");
                assert_eq!(refusal(written), "23514", "{statement}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_signs_up_with_a_huge_name_has_an_account() {
    let project = Project::new(false, Owner::Superuser, Deployed::Nothing).await;
    project.migrate().await;
    let pool = project.database.pool();
    run(
        pool,
        "insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
         values (gen_random_uuid(), 'ada@example.com', now(), jsonb_build_object('full_name', repeat('x', 1000000)))",
    )
    .await;
    assert_eq!(value::<i32>(pool, "select char_length(full_name) from public.profiles").await, 200);
    assert_eq!(value::<i32>(pool, "select balance from public.credits").await, 100);
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
async fn rows_of_before_that_pass_the_bounds_stay_as_they_are_and_can_be_used() {
    let project = Project::new(true, Owner::Hosted, Deployed::Both).await;
    let pool = project.database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    run(
        pool,
        &format!(
            "insert into public.profiles (id, email, full_name) values ('{user}', 'ada@example.com', repeat('x', 100000));
             insert into public.projects (user_id, name) values ('{user}', repeat('x', 100000));
             insert into public.user_settings (user_id, language) values ('{user}', repeat('x', 100000));
             insert into public.generations (user_id, project_id, generation_type, method, status, tags)
               select user_id, id, 'model', 'automatic', 'completed', '{{a,NULL}}' from public.projects;"
        ),
    )
    .await;
    project.migrate().await;
    assert_eq!(value::<i32>(pool, "select char_length(full_name) from public.profiles").await, 100_000);
    assert_eq!(value::<i32>(pool, "select char_length(name) from public.projects").await, 100_000);
    assert_eq!(value::<i32>(pool, "select cardinality(tags) from public.generations").await, 2);
    // Only the value that is written is checked: the rest of such a row can still be changed, and its project deleted.
    for statement in [
        "update public.profiles set bio = 'I make mugs'",
        "update public.projects set description = 'Spring'",
        "update public.generations set brand_name = 'Ada'",
        "delete from public.projects",
    ] {
        assert_eq!(as_user(pool, user, statement).await.unwrap().rows_affected(), 1, "{statement}");
    }
    run(pool, "update public.user_settings set email_notifications = false; delete from auth.users").await;
}
