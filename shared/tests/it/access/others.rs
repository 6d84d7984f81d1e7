//! Attacks on what belongs to somebody else, and on what belongs to nobody outside.

use devstack::attack::{self, Target};

use super::world::{EVE, World, claims, is_refused, is_refused_to, is_useless};
use crate::people::{refusal, run, value};

/// Every table of `public` that is ours, and the column that says whose a row is.
const OWNED: [(&str, &str); 8] = [
    ("profiles", "id"),
    ("projects", "user_id"),
    ("generations", "user_id"),
    ("credits", "user_id"),
    ("credit_transactions", "user_id"),
    ("subscriptions", "user_id"),
    ("invoices", "user_id"),
    ("user_settings", "user_id"),
];

#[tokio::test]
async fn a_user_reads_all_of_her_own_rows_and_no_others() {
    for world in World::shared_extremes().await {
        for (table, owner) in OWNED {
            let hers: i64 =
                value(world.pool(), &format!("select count(*) from public.{table} where {owner} = '{EVE}'")).await;
            assert!(hers > 0, "{table}");
            let shown = world.eve(&format!("select * from public.{table}")).await.unwrap();
            assert_eq!(shown, hers.cast_unsigned(), "{table}");
            let others = format!("select * from public.{table} where {owner} is distinct from '{EVE}'");
            let seen = world.eve(&others).await.unwrap();
            attack::is_met(
                Target::Rows,
                format!("reading others' {table} ({:?})", world.kind),
                "0 rows",
                format!("{seen} rows"),
            );
        }
        assert_eq!(world.eve("select * from public.billing_plans where not active").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_user_cannot_change_or_delete_a_row_of_another() {
    is_useless(&[
        "update public.profiles set full_name = 'Eve' where id = '{ada}'",
        "update public.projects set name = 'Eve' where user_id = '{ada}'",
        "update public.projects set user_id = '{eve}' where id = '{ada_project}'",
        "delete from public.projects where user_id = '{ada}'",
        "update public.user_settings set language = 'xx' where user_id = '{ada}'",
        "insert into public.projects (id, user_id, name) values ('{ada_project}', '{eve}', 'x') on conflict do nothing",
    ])
    .await;
    is_refused(&[
        "insert into public.projects (id, user_id, name) values ('{ada_project}', '{eve}', 'x')
           on conflict (id) do update set name = 'Eve'",
        "insert into public.user_settings (user_id) values ('{ada}') on conflict (user_id) do update set language = 'xx'",
        "merge into public.projects using (select) as me on projects.id = '{ada_project}' when not matched then
           insert (id, user_id, name) values (gen_random_uuid(), '{ada}', 'x')",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_write_in_the_name_of_another() {
    is_refused(&[
        "insert into public.profiles (id, email, full_name) values ('{ada}', 'x', 'Eve was here')",
        "insert into public.profiles (id, email) values (gen_random_uuid(), 'x')",
        "update public.profiles set id = '{ada}'",
        "update public.profiles set email = 'ada@example.com'",
        "delete from public.profiles",
        "insert into public.projects (user_id, name) values ('{ada}', 'Mine')",
        "update public.projects set user_id = '{ada}'",
        "insert into public.user_settings (user_id) values ('{ada}')",
        "update public.user_settings set user_id = '{ada}'",
        "delete from public.user_settings",
    ])
    .await;
}

/// A condition is tried on a row only after the policy has let the row through, so its errors tell nothing.
#[tokio::test]
async fn conditions_that_fail_or_statistics_tell_a_user_nothing_about_others() {
    for world in World::shared_extremes().await {
        run(world.pool(), "analyze public.credits; analyze public.profiles").await;
        for question in [
            "select from public.credits where user_id <> '{eve}' and 1 / (balance - balance) = 1",
            "select from public.profiles where id <> '{eve}' and email::integer = 1",
            "select from pg_stats where schemaname = 'public' and tablename in ('credits', 'profiles')",
            "select from pg_statistic_ext_data",
        ] {
            let answer = world.eve(question).await;
            let refused = answer.as_ref().is_err_and(|error| error.to_string().contains("permission denied"));
            assert!(refused || matches!(answer, Ok(0)), "{question}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_names_nobody_opens_nothing() {
    for world in World::shared_extremes().await {
        let nobody = uuid::Uuid::nil().to_string();
        for claims in [
            r#"{"role": "authenticated"}"#.to_owned(),
            r#"{"role": "authenticated", "sub": null}"#.to_owned(),
            format!(r#"{{"role": "authenticated", "sub": "{nobody}"}}"#),
            String::new(),
        ] {
            for (table, _) in OWNED {
                let read = format!("select * from public.{table}");
                let read = world.acts("authenticated", &claims, &read).await;
                assert_eq!(read.unwrap(), 0, "{table} for {claims}");
            }
            let insert = format!("insert into public.projects (user_id, name) values ('{EVE}', 'x')");
            let written = world.acts("authenticated", &claims, &insert).await;
            assert_eq!(refusal(written), "42501", "{claims}");
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_can_be_read_or_written() {
    let tables = OWNED.into_iter().chain([("billing_plans", "id")]);
    let attacks: Vec<String> = tables
        .flat_map(|(table, owner)| {
            [
                format!("select {owner} from public.{table}"),
                format!("select count(*) from public.{table}"),
                format!("insert into public.{table} ({owner}) values ('{EVE}')"),
                format!("update public.{table} set {owner} = '{EVE}'"),
                format!("delete from public.{table}"),
                format!("truncate public.{table}"),
            ]
        })
        .collect();
    is_refused_to(&["anon"], &attacks.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// Every table of the two private schemas, whatever there will be.
#[tokio::test]
async fn the_private_schemas_are_closed_to_browsers_and_to_the_service_key() {
    const PRIVATE: &str = "select array_agg(format('%s.%s', nspname, relname)) from pg_class c
        join pg_namespace n on n.oid = relnamespace where nspname in ('gateway', 'apalis') and relkind in ('r', 'v', 'm', 'S')";
    for world in World::shared_extremes().await {
        for table in value::<Vec<String>>(world.pool(), PRIVATE).await {
            for role in ["anon", "authenticated", "service_role"] {
                for statement in
                    [format!("select * from {table}"), format!("delete from {table}"), format!("truncate {table}")]
                {
                    let result = world.acts(role, &claims(role), &statement).await;
                    let error = result.expect_err(&statement).to_string();
                    assert!(error.contains("permission denied for schema"), "{role} {statement}: {error}");
                }
            }
        }
    }
}
