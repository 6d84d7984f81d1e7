//! Rows that users could write freely, before this backend or through Supabase, with the largest and strangest values of
//! each column's type. SQL.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

/// Inserts one row of the user into every table of `public`, drops all check constraints, disables all triggers, and
/// copies every table to the schema `ordinary`.
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
      create schema ordinary;
      for held in select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' loop
        execute format('create table ordinary.%I as table public.%I', held.name, held.name);
      end loop;
    end $$;";

/// Columns that hold free values: not those that identify a row.
const COLUMNS: &str = "
    select table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = 'public' and table_type = 'BASE TABLE' and data_type <> 'uuid'
      -- Credits are ours alone, and so is the mark of what a user deleted and the key of an entry.
      and column_name not in ('balance', 'deleted_at', 'entry_key')
    order by 1, 2";

/// How many values [`strange`] has for each type.
const VALUES: usize = 6;

/// Values of a type, as SQL. The last ones name a picture of the user.
fn strange(kind: &str) -> [&'static str; VALUES] {
    match kind {
        "text" | "character varying" => [
            "repeat('x', 2000000)",
            "''",
            "E'\\u0001\\u202e\\n%00'",
            "'COMPLETED'",
            "repeat(E'\\U0001F600', 100000)",
            "'USER/uploads/cup.png'",
        ],
        "ARRAY" => [
            "array_fill(repeat('x', 100), array[50000])",
            "'{a,NULL}'",
            "'{{a,b},{c,d}}'",
            "'[5:6]={a,b}'",
            "array[repeat('x', 2000000)]",
            "'{{a,USER/uploads/cup.png},{c,NULL}}'",
        ],
        "timestamp with time zone" => {
            ["'infinity'", "'-infinity'", "'294276-12-31'", "'4713-01-01 BC'", "'0001-01-01'", "now()"]
        }
        "numeric" => ["'NaN'", "'Infinity'", "'-Infinity'", "1e100", "-0.001", "10"],
        "integer" => ["2147483647", "-2147483648", "0", "1", "-1", "7"],
        "jsonb" => [
            "to_jsonb(repeat('x', 2000000))",
            "'null'",
            "'[1, {\"a\": null}]'",
            "'{}'",
            "'5'",
            "'{\"a\": [[{\"input_image\": \"USER/uploads/cup.png\"}]]}'",
        ],
        "boolean" => ["true", "false", "true", "false", "true", "false"],
        other => panic!("add the strange values of the type {other}"),
    }
}

/// The rows of one table with strange values.
#[derive(Debug)]
pub struct Strange {
    pub table: String,
    /// What is set, as SQL.
    pub set: String,
    columns: Vec<String>,
}

impl Strange {
    /// Sets them.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn apply(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        run(pool, format!("update public.{} set {}", self.table, self.set)).await
    }

    /// Brings the ordinary values back.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn undo(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let table = &self.table;
        let key = if table == "user_settings" { "user_id" } else { "id" };
        let back: Vec<_> = self.columns.iter().map(|column| format!("{column} = ordinary.{column}")).collect();
        let back = back.join(", ");
        run(pool, format!("update public.{table} as held set {back} from ordinary.{table} as ordinary where held.{key} = ordinary.{key}")).await
    }
}

/// Inserts a row of the user into every table, the generation with this id, and returns the states to try: all columns of
/// a table at once, each column alone unless it is text, and all without a value.
///
/// # Errors
/// Whatever the database says.
///
/// # Panics
/// When a table of `public` has no row.
pub async fn lay(pool: &PgPool, user_id: Uuid, generation_id: Uuid) -> Result<Vec<Strange>, sqlx::Error> {
    run(pool, ROWS.replace("USER", &user_id.to_string()).replace("ROW", &generation_id.to_string())).await?;
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(COLUMNS).fetch_all(pool).await?;
    let mut tables: BTreeMap<String, Vec<(String, String, bool)>> = BTreeMap::new();
    for (table, column, kind, nullable) in columns {
        tables.entry(table).or_default().push((column, kind, nullable));
    }
    let mut states = Vec::new();
    for (table, columns) in tables {
        let rows = format!("select count(*) from public.{table}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(pool).await?;
        assert!(rows > 0, "insert a row into {table}, too");
        let sets = sets(&columns);
        states.extend(sets.into_iter().map(|set| Strange {
            table: table.clone(),
            set: set.replace("USER", &user_id.to_string()),
            columns: columns.iter().map(|(column, ..)| column.clone()).collect(),
        }));
    }
    Ok(states)
}

fn sets(columns: &[(String, String, bool)]) -> Vec<String> {
    let mut sets = Vec::new();
    for n in 0..VALUES {
        let each = columns.iter().map(|(column, kind, _)| (kind, format!("{column} = {}", strange(kind)[n])));
        let alone = each.clone().filter(|(kind, _)| !matches!(kind.as_str(), "text" | "boolean")).map(|(_, set)| set);
        sets.push(each.clone().map(|(_, set)| set).collect::<Vec<_>>().join(", "));
        sets.extend(alone);
    }
    let nothing: Vec<_> =
        columns.iter().filter(|(.., nullable)| *nullable).map(|(column, ..)| format!("{column} = null")).collect();
    sets.push(nothing.join(", "));
    sets
}

async fn run(pool: &PgPool, statements: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await.map(drop)
}
