//! Runs the table of rights, cell by cell, as the role it is about.

use std::collections::BTreeSet;
use std::fmt::Write;

use devstack::attack::{self, Target};

use super::rights::{ROLES, Rights, VERBS};
use super::statements::{NO_PREPARATION, RELATIONS};
use super::world::{EVE, World};
use crate::people::value;
use crate::projects::KINDS;

/// What became of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It was let through by the grants, and no row was changed or seen.
    Nothing,
    /// There is no grant; and what Postgres says of it.
    Refused(String),
    /// It does not work for anybody: the table or the test is wrong.
    Failed(String),
}

/// Runs a statement as a role with Eve's token, tells what became of it, and undoes it.
const TRIED: &str = "
    create or replace function pg_temp.tried(role text, preparation text, statement text) returns text language plpgsql as $$
    declare changed bigint;
    begin
      execute preparation;
      perform set_config('request.jwt.claims', json_build_object('sub', '{eve}', 'role', role)::text, true);
      perform set_config('role', role, true);
      execute statement;
      get diagnostics changed = row_count;
      raise exception using errcode = 'TRIED', message = case when statement like 'truncate%' then 'all' else changed::text end;
    exception when others then
      return sqlstate || ' ' || sqlerrm;
    end $$";

struct Trial {
    role: &'static str,
    preparation: String,
    statement: String,
}

impl World {
    async fn outcomes(&self, trials: &[Trial]) -> Vec<Outcome> {
        let mut connection = self.pool().acquire().await.unwrap();
        let function = TRIED.replace("{eve}", &EVE.to_string());
        sqlx::raw_sql(sqlx::AssertSqlSafe(function)).execute(&mut *connection).await.unwrap();
        let outcomes: Vec<String> = sqlx::query_scalar(
            "select pg_temp.tried(r, p, s) from unnest($1::text[], $2::text[], $3::text[]) as t(r, p, s)",
        )
        .bind(trials.iter().map(|trial| trial.role).collect::<Vec<_>>())
        .bind(trials.iter().map(|trial| trial.preparation.clone()).collect::<Vec<_>>())
        .bind(trials.iter().map(|trial| trial.statement.clone()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        outcomes.iter().map(|text| Outcome::of(text)).collect()
    }
}

impl Outcome {
    fn of(text: &str) -> Self {
        match text.split_once(' ').expect("a state and a message") {
            ("TRIED", "0") => Self::Nothing,
            ("TRIED", "all") => Self::Done,
            ("TRIED", _) => Self::Done,
            ("42501", message) if message.contains("row-level security") => Self::Nothing,
            ("42501", message) => Self::Refused(message.to_owned()),
            // Whoever may truncate gets as far as the foreign keys.
            ("0A000", message) if message.starts_with("cannot truncate") => Self::Done,
            _ => Self::Failed(text.to_owned()),
        }
    }
}

/// The letter of the table for what a verb does to the user's own row and to somebody else's.
fn letter(verb: char, own: &Outcome, others: &Outcome) -> Option<char> {
    match (own, others) {
        (Outcome::Done, Outcome::Done) => Some(verb.to_ascii_uppercase()),
        (Outcome::Done, Outcome::Nothing) => Some(verb),
        (Outcome::Nothing, Outcome::Nothing) => Some('0'),
        (Outcome::Refused(_), Outcome::Refused(_)) => Some('.'),
        _ => None,
    }
}

#[tokio::test]
async fn every_cell_of_the_table_of_rights_is_what_the_database_does() {
    let mut differences = String::new();
    let (mut tried, mut differ) = (0, 0);
    for kind in KINDS {
        let (world, rights) = (World::shared(kind).await, Rights::of(kind));
        let mut cells = Vec::new();
        let mut trials = Vec::new();
        for relation in RELATIONS.iter().filter(|relation| rights.relations.contains_key(relation.name)) {
            for role in ROLES {
                let some = rights.columns.get(&(relation.table(), role, 'w')).and_then(BTreeSet::first).copied();
                for verb in VERBS {
                    cells.push((relation.name, role, verb));
                    for user in ["eve", "ada"] {
                        let preparation = relation.preparation(verb, user);
                        trials.push(Trial { role, preparation, statement: relation.statement(verb, some, user) });
                    }
                }
            }
        }
        let outcomes = world.outcomes(&trials).await;
        for ((relation, role, verb), outcomes) in cells.into_iter().zip(outcomes.chunks(2)) {
            let expected = rights.cell(relation, role, verb);
            tried += 1;
            if letter(verb, &outcomes[0], &outcomes[1]) != Some(expected) {
                differ += 1;
                writeln!(
                    differences,
                    "  {kind:?} {relation} {role} {verb}: {expected} is written, {outcomes:?} is seen"
                )
                .unwrap();
            }
        }
    }
    let attack = format!("{tried} cells (role, table, verb, own and foreign row) in {} kinds of project", KINDS.len());
    attack::is_met(Target::Rows, attack, "0 differ", format!("{differ} differ{differences}"));
}

#[tokio::test]
async fn only_the_columns_of_the_table_of_rights_can_be_written() {
    const COLUMNS: &str = "select coalesce(array_agg(attname::text order by attnum), '{}') from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = ''";
    let mut differences = String::new();
    for kind in KINDS {
        let (world, rights) = (World::shared(kind).await, Rights::of(kind));
        let mut expected = Vec::new();
        let mut trials = Vec::new();
        for table in rights.relations.keys().filter(|name| !name.contains('/') && !name.ends_with("_seq")) {
            let columns: Vec<String> = sqlx::query_scalar(COLUMNS).bind(table).fetch_one(world.pool()).await.unwrap();
            for (column, role) in columns.iter().flat_map(|column| ROLES.map(|role| (column, role))) {
                for verb in ['a', 'w'] {
                    let some = rights.columns.get(&(table, role, verb));
                    let granted = rights.cell(table, role, verb) != '.';
                    expected.push(granted && some.is_none_or(|some| some.contains(column.as_str())));
                    let statement = match verb {
                        'a' => format!("insert into {table} ({column}) select null where false"),
                        _ => format!("update {table} set {column} = default where false"),
                    };
                    trials.push(Trial { role, preparation: NO_PREPARATION.into(), statement });
                }
            }
        }
        for ((trial, expected), outcome) in trials.iter().zip(expected).zip(world.outcomes(&trials).await) {
            let as_written =
                if expected { outcome == Outcome::Nothing } else { matches!(outcome, Outcome::Refused(_)) };
            if !as_written {
                writeln!(differences, "  {kind:?} {} {}: {outcome:?}", trial.role, trial.statement).unwrap();
            }
        }
    }
    assert!(differences.is_empty(), "not as the table says:\n{differences}");
}

#[tokio::test]
async fn every_function_is_called_by_those_alone_who_are_in_the_table_of_rights() {
    const ARGUMENTS: &str = "select coalesce(string_agg(format('null::%s', format_type(t, null)), ', '), '')
        from pg_proc, unnest(proargtypes) as t where oid = $1::regprocedure";
    let mut differences = String::new();
    for kind in KINDS {
        let (world, rights) = (World::shared(kind).await, Rights::of(kind));
        for (function, allowed) in &rights.functions {
            let arguments: String = sqlx::query_scalar(ARGUMENTS).bind(function).fetch_one(world.pool()).await.unwrap();
            let name = function.split('(').next().unwrap();
            let statement = format!("select {name}({arguments})");
            let trials =
                ROLES.map(|role| Trial { role, preparation: NO_PREPARATION.into(), statement: statement.clone() });
            for (trial, outcome) in trials.iter().zip(world.outcomes(&trials).await) {
                // Once it runs, it may be refused something in its turn.
                let refused = matches!(&outcome, Outcome::Refused(message) if message.contains(" for function ") || message.contains(" for schema "));
                if refused == allowed.contains(trial.role) {
                    writeln!(differences, "  {kind:?} {} {function}: {outcome:?}", trial.role).unwrap();
                }
            }
        }
    }
    assert!(differences.is_empty(), "not as the table says:\n{differences}");
}

#[tokio::test]
async fn every_schema_is_open_to_those_alone_who_are_in_the_table_of_rights() {
    let mut differences = String::new();
    for kind in KINDS {
        let (world, rights) = (World::shared(kind).await, Rights::of(kind));
        for (schema, allowed) in &rights.schemas {
            for role in ROLES {
                let query = format!(
                    "select array[has_schema_privilege('{role}', '{schema}', 'usage'), has_schema_privilege('{role}', '{schema}', 'create')]"
                );
                let seen: Vec<bool> = value(world.pool(), &query).await;
                if seen != [allowed.contains(role), false] {
                    writeln!(differences, "  {kind:?} {role} {schema}: [use, make] = {seen:?}").unwrap();
                }
            }
        }
    }
    assert!(differences.is_empty(), "not as the table says:\n{differences}");
}
