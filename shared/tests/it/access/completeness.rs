//! Looks for what is in the database and not in the table of rights, so that a new table cannot be forgotten.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::rights::Rights;
use super::statements::RELATIONS;
use super::world::World;
use crate::people::{run, value};
use crate::projects::KINDS;

#[tokio::test]
async fn nothing_exists_that_is_not_in_the_table_of_rights() {
    let mut differences = String::new();
    for kind in KINDS {
        let (world, rights) = (World::shared(kind).await, Rights::of(kind));
        let whole = |name: &&'static str| !name.contains('/');
        for (query, written) in [
            (RELATIONS_THERE, known(rights.relations.keys().copied().filter(whole))),
            (FUNCTIONS_THERE, known(rights.functions.keys().copied())),
            (SCHEMAS_THERE, known(rights.schemas.keys().copied())),
            (COLUMN_GRANTS, columns(&rights)),
            (GRANTS_ELSEWHERE, BTreeSet::new()),
        ] {
            let there = world.names(query).await;
            for name in there.symmetric_difference(&written) {
                let what = if there.contains(name) { "is there, and not written" } else { "is written, and not there" };
                writeln!(differences, "  {kind:?} {name} {what}").unwrap();
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn each_relation_of_the_table_of_rights_has_its_statements() {
    let tried: BTreeSet<&str> = RELATIONS.iter().map(|relation| relation.name).collect();
    let written = KINDS.iter().flat_map(|kind| Rights::of(*kind).relations.into_keys());
    assert_eq!(tried, written.collect());
}

#[tokio::test]
async fn a_new_table_is_noticed() {
    let world = World::own(KINDS[1]).await;
    run(world.pool(), "create view public.forgotten as select * from public.credits").await;
    assert!(world.names(RELATIONS_THERE).await.contains("public.forgotten"));
    run(
        world.pool(),
        "set role hosted_postgres; create function public.forgotten() returns int language sql as 'select 1'",
    )
    .await;
    assert!(world.names(FUNCTIONS_THERE).await.contains("public.forgotten()"));
}

impl World {
    async fn names(&self, query: &str) -> BTreeSet<String> {
        value::<Vec<String>>(self.pool(), query).await.into_iter().collect()
    }
}

fn known<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn columns(rights: &Rights) -> BTreeSet<String> {
    let grants = rights.columns.iter();
    grants
        .flat_map(|((table, role, verb), columns)| {
            columns.iter().map(move |column| format!("{table} {role} {verb} {column}"))
        })
        .collect()
}

/// Tables, views, sequences and whatever else can be read, of ours and, of the storage schema, the two with our policies.
const RELATIONS_THERE: &str = "select array_agg(format('%s.%s', nspname, relname))
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'v', 'm', 'f', 'p', 'S')
      and (nspname in ('public', 'gateway', 'apalis') or (nspname = 'storage' and relname in ('buckets', 'objects')))";

/// Extensions bring their own: the queue's library puts hstore, whose functions know no tables, into public.
const FUNCTIONS_THERE: &str = "select array_agg(format('%s.%s(%s)', nspname, proname,
      (select string_agg(format_type(t, null), ',' order by n) from unnest(proargtypes) with ordinality as a(t, n))))
    from pg_proc p join pg_namespace n on n.oid = pronamespace
    where nspname in ('public', 'gateway', 'apalis')
      and not exists (select from pg_depend d join pg_extension e on e.oid = d.refobjid
                      where d.objid = p.oid and d.deptype = 'e' and e.extname = 'hstore')";

const SCHEMAS_THERE: &str = "select array_agg(nspname::text) from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'auth', 'storage', 'extensions')";

const COLUMN_GRANTS: &str = "select array_agg(format('%s.%s %s %s %s', nspname, relname, grantee::regrole,
      case privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' else privilege_type end, attname))
    from pg_attribute a join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace, aclexplode(attacl)
    where nspname in ('public', 'gateway', 'apalis', 'storage')";

/// To roles that are not in the table, everybody above all; of rights that are not in it; and rights to grant on. The
/// support tables are the front end's, and their grants are not ours.
const GRANTS_ELSEWHERE: &str = "select coalesce(array_agg(format('%s: %s to %s', name, privilege_type,
      case when grantee = 0 then 'everybody' else grantee::regrole::text end)), '{}')
    from (
      select oid::regclass::text as name, relowner as owner, relacl as acl, relkind in ('r', 'v', 'm', 'f', 'p') as is_table
      from pg_class
      where relnamespace in ('public'::regnamespace, 'gateway'::regnamespace, 'apalis'::regnamespace)
        and oid is distinct from to_regclass('public.support_tickets')
        and oid is distinct from to_regclass('public.ticket_messages')
      union all
      select p.oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner)), false
      from pg_proc p
      where pronamespace in ('public'::regnamespace, 'gateway'::regnamespace, 'apalis'::regnamespace)
        and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
      union all
      select nspname, nspowner, nspacl, false from pg_namespace where nspname in ('gateway', 'apalis')
    ) as ours, aclexplode(acl)
    where grantee <> owner
      and (grantee = 0
        or grantee::regrole::text not in ('anon', 'authenticated', 'service_role', 'shootx_api', 'shootx_worker')
        or is_grantable
        or (is_table and privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')))";
