//! What every policy must be, whatever it says: quick, indexed, one of its kind, and for somebody by name.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgPool;

use super::world::World;
use crate::people::{run, value};
use crate::projects::KINDS;

/// How Postgres writes `(select auth.uid())`: asked once a query instead of once a row.
const ONCE: &str = "( SELECT auth.uid() AS uid)";
/// What is asked once a row when it stands outside of such a query.
const SLOW: [&str; 5] = ["auth.uid()", "auth.role()", "auth.jwt()", "auth.email()", "current_setting("];

struct Policy {
    table: String,
    name: String,
    permissive: bool,
    roles: Vec<String>,
    verb: String,
    conditions: String,
}

/// Every policy of ours. The support tables are the front end's, and keep theirs.
async fn policies(pool: &PgPool) -> Vec<Policy> {
    let query =
        "select format('%s.%s', schemaname, tablename) as on_table, policyname::text, permissive, roles::text[], cmd,
          concat_ws(' and ', qual, with_check) as conditions
        from pg_policies where tablename not in ('support_tickets', 'ticket_messages') order by 1, 2";
    let rows = sqlx::query(query).fetch_all(pool).await.unwrap();
    rows.iter()
        .map(|row| Policy {
            table: row.get("on_table"),
            name: row.get("policyname"),
            permissive: row.get::<&str, _>("permissive") == "PERMISSIVE",
            roles: row.get("roles"),
            verb: row.get("cmd"),
            conditions: row.get("conditions"),
        })
        .collect()
}

/// Columns that a condition compares with the user: `(( SELECT auth.uid() AS uid) = user_id)`.
fn compared(conditions: &str) -> BTreeSet<&str> {
    let after = conditions.split(ONCE).skip(1).filter_map(|rest| rest.strip_prefix(" = "));
    let before = conditions.split(ONCE).filter_map(|rest| rest.strip_suffix(" = ")?.rsplit('(').next());
    after.filter_map(|rest| rest.split(')').next()).chain(before).collect()
}

#[tokio::test]
async fn policies_ask_who_the_user_is_once_a_query() {
    for kind in KINDS {
        let world = World::shared(kind).await;
        let all = policies(world.pool()).await;
        assert!(all.len() > 20, "they were found");
        for policy in all {
            let rest = policy.conditions.replace(ONCE, "");
            assert!(SLOW.iter().all(|slow| !rest.contains(slow)), "{} on {}: {rest}", policy.name, policy.table);
        }
    }
}

#[tokio::test]
async fn what_a_policy_compares_with_the_user_is_indexed() {
    // The first column of an index that holds all rows.
    const INDEXED: &str = "select coalesce(array_agg(distinct format('%s.%s %s', n.nspname, c.relname, attname)), '{}')
        from pg_index i join pg_class c on c.oid = indrelid join pg_namespace n on n.oid = relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum = indkey[0]
        where indisvalid and indpred is null";
    for kind in KINDS {
        let world = World::shared(kind).await;
        let indexed: BTreeSet<String> = value::<Vec<String>>(world.pool(), INDEXED).await.into_iter().collect();
        let mut found = 0;
        for policy in policies(world.pool()).await.iter().filter(|policy| policy.table.starts_with("public.")) {
            for column in compared(&policy.conditions) {
                // The column of a joined table is written with that table's name.
                let column = match column.split_once('.') {
                    Some((table, column)) => format!("public.{table} {column}"),
                    None => format!("{} {column}", policy.table),
                };
                assert!(indexed.contains(&column), "{} on {}: {column}", policy.name, policy.table);
                found += 1;
            }
        }
        assert!(found >= 15, "columns were found in the conditions: {found}");
    }
}

#[tokio::test]
async fn a_user_s_own_rows_are_found_by_index_and_the_token_is_read_once() {
    let world = World::own(KINDS[0]).await;
    run(
        world.pool(),
        "insert into auth.users (id, email_confirmed_at) select gen_random_uuid(), now() from generate_series(1, 2000);
         insert into public.projects (user_id, name) select id, 'p' from public.profiles, generate_series(1, 5);
         analyze",
    )
    .await;
    for table in ["credits", "credit_transactions", "projects", "profiles"] {
        let plan: Vec<String> = world.eve_reads(&format!("explain select * from public.{table}")).await;
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan") && !plan.contains("Seq Scan"), "{table}:\n{plan}");
    }
}

impl World {
    async fn eve_reads(&self, query: &str) -> Vec<String> {
        let mut tx = self.pool().begin().await.unwrap();
        let claims = format!(
            "set local request.jwt.claims = '{{\"sub\": \"{}\"}}'; set local role authenticated",
            super::world::EVE
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(claims)).execute(&mut *tx).await.unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_all(&mut *tx).await.unwrap()
    }
}

#[tokio::test]
async fn everything_in_public_is_held_to_policies() {
    // A view must read with the rights of who asks; a materialized one cannot.
    const OPEN: &str = "select coalesce(array_agg(relname::text), '{}') from pg_class
        where relnamespace = 'public'::regnamespace
          and ((relkind in ('r', 'p') and not relrowsecurity) or relkind in ('m', 'f')
            or (relkind = 'v' and not coalesce(reloptions @> '{security_invoker=true}', false)))";
    for kind in KINDS {
        let world = World::shared(kind).await;
        assert_eq!(value::<Vec<String>>(world.pool(), OPEN).await, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn policies_name_their_roles_and_are_one_for_each_role_and_verb() {
    let world = World::shared(KINDS[3]).await;
    let mut seen = BTreeSet::new();
    let mut readable = BTreeSet::new();
    let all = policies(world.pool()).await;
    for policy in &all {
        assert!(!policy.roles.contains(&"public".to_owned()), "{} on {} is for everybody", policy.name, policy.table);
        for role in policy.roles.iter().filter(|_| policy.permissive) {
            assert!(
                seen.insert((&policy.table, role, &policy.verb)),
                "{} on {} is a second one",
                policy.name,
                policy.table
            );
            if matches!(policy.verb.as_str(), "SELECT" | "ALL") {
                readable.insert((&policy.table, role));
            }
        }
    }
    // A change has to find its row first.
    for (table, role, verb) in &seen {
        assert!(
            *verb != "UPDATE" || readable.contains(&(table, role)),
            "{role} changes rows of {table} that it cannot read"
        );
    }
}
