//! Ada and Eve, each with a row in every table, and what becomes of what Eve and others try.

use std::fmt::Write;

use devstack::attack::{self, Target};
use devstack::postgres::{Deployed, ProjectKind, TestDatabase};
use serde_json::Value;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, Postgres, Transaction};
use uuid::{Uuid, uuid};

use crate::people::run;
use crate::projects::KINDS;

/// What Postgres calls it when there is no right to something.
const REFUSED: &str = "42501";

pub(super) const EVE: Uuid = uuid!("00000000-0000-4000-8000-0000000000e0");
/// The last letters of whatever is a user's: `{ada}`, `{ada_project}` and so on in statements.
const THINGS: [(&str, char); 6] =
    [("", '0'), ("_project", '1'), ("_generation", '2'), ("_spare", '3'), ("_plan", '4'), ("_ticket", '5')];

/// The two that differ most: attacks are tried on both.
const EXTREMES: [ProjectKind; 2] = [KINDS[0], KINDS[3]];

pub(super) struct World {
    pub(super) kind: ProjectKind,
    pool: PgPool,
    /// Dropped with this value.
    own: Option<TestDatabase>,
}

const CONNECTIONS_MAX: u32 = 2;

impl World {
    /// For a test that changes something.
    pub(super) async fn own(kind: ProjectKind) -> Self {
        let database = TestDatabase::of(kind).await;
        run(database.pool(), &furniture(kind)).await;
        Self { kind, pool: database.pool().clone(), own: Some(database) }
    }

    /// For a test that changes nothing, or undoes what it does.
    pub(super) async fn shared(kind: ProjectKind) -> Self {
        let url = TestDatabase::shared_url(kind, &furniture(kind)).await;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect_lazy(&url).unwrap();
        Self { kind, pool, own: None }
    }

    /// Pools of the two services.
    pub(super) fn services(&self) -> [PgPool; 2] {
        let database = self.own.as_ref().expect("services write");
        [database.api_pool(), database.worker_pool()]
    }

    pub(super) async fn own_extremes() -> [Self; 2] {
        [Self::own(EXTREMES[0]).await, Self::own(EXTREMES[1]).await]
    }

    pub(super) async fn shared_extremes() -> [Self; 2] {
        [Self::shared(EXTREMES[0]).await, Self::shared(EXTREMES[1]).await]
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs a statement as Eve. Ids are filled in; what it does is kept in a world of one's own, and undone in a shared one.
    pub(super) async fn eve(&self, statement: &str) -> Result<u64, sqlx::Error> {
        self.acts("authenticated", &claims("authenticated"), statement).await
    }

    /// The same as any role, which sees `claims`.
    pub(super) async fn acts(&self, role: &str, claims: &str, statement: &str) -> Result<u64, sqlx::Error> {
        let mut tx = become_role(self.pool(), role, claims).await;
        let result = tx.execute(AssertSqlSafe(filled(statement))).await?;
        if self.own.is_some() {
            tx.commit().await?;
        }
        Ok(result.rows_affected())
    }
}

/// What Eve's token says, used in `role`.
pub(super) fn claims(role: &str) -> String {
    serde_json::json!({ "sub": EVE, "role": role, "aud": "authenticated" }).to_string()
}

/// A transaction as the data API opens it.
async fn become_role(pool: &PgPool, role: &str, claims: &str) -> Transaction<'static, Postgres> {
    let mut tx = pool.begin().await.unwrap();
    let query = sqlx::query("select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)");
    query.bind(claims).bind(role).execute(&mut *tx).await.unwrap();
    tx
}

fn furniture(kind: ProjectKind) -> String {
    let mut all = include_str!("once.sql").to_owned();
    for user in ["ada", "eve"] {
        all.push_str(&about(user, include_str!("each.sql")));
        if kind.deployed == Deployed::Both {
            all.push_str(&about(user, SUPPORT));
        }
    }
    all
}

/// Every row of every table that anybody of ours could be after, by table.
const EVERYTHING: &str = "select jsonb_object_agg(name,
      query_to_xml(format('select t::text as row from %s t order by t::text', name), false, false, '')::text)
    from (select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r' and (n.nspname in ('public', 'gateway', 'apalis', 'storage') or c.oid = 'auth.users'::regclass)) t";

const SUPPORT: &str = "
    insert into public.support_tickets (id, user_id, subject, description) values ('{own_ticket}', '{own}', 's', 'd');
    insert into public.ticket_messages (ticket_id, user_id, message) values ('{own_ticket}', '{own}', 'm');";

/// Tries each statement as Eve, on a fresh and on an adopted database: the database refuses it.
pub(super) async fn is_refused(attacks: &[&str]) {
    for world in World::shared_extremes().await {
        let mut breaches = String::new();
        let mut refused = 0;
        for attack in attacks {
            let seen = world.eve(attack).await;
            let code = seen.as_ref().err().and_then(|error| error.as_database_error()?.code());
            // A statement that fails leaves nothing behind.
            if code.as_deref() == Some(REFUSED) {
                refused += 1;
            } else {
                writeln!(breaches, "  {attack}\n    {seen:?}").expect("a string takes all");
            }
        }
        is_met(&world, format!("{} refused", attacks.len()), format!("{refused} refused{breaches}"));
    }
}

/// Notes what the running test has tried in `world`.
fn is_met(world: &World, expected: String, seen: String) {
    attack::is_met(Target::Rows, format!("{} ({:?})", attack::this_test(), world.kind), expected, seen);
}

/// Tries each statement as each role, on a fresh and on an adopted database: the database refuses every one.
pub(super) async fn is_refused_to(roles: &[&str], attacks: &[&str]) {
    for world in World::shared_extremes().await {
        let mut breaches = String::new();
        let mut refused = 0;
        for (role, attack) in roles.iter().flat_map(|role| attacks.iter().map(move |attack| (role, attack))) {
            let seen = world.acts(role, &claims(role), attack).await;
            let code = seen.as_ref().err().and_then(|error| error.as_database_error()?.code());
            if code.as_deref() == Some(REFUSED) {
                refused += 1;
            } else {
                writeln!(breaches, "  {role}: {attack}\n    {seen:?}").expect("a string takes all");
            }
        }
        is_met(&world, format!("{} refused", roles.len() * attacks.len()), format!("{refused} refused{breaches}"));
    }
}

/// Tries each statement as Eve on both: it passes, and no row of any table has changed afterwards.
pub(super) async fn is_useless(attacks: &[&str]) {
    for world in World::shared_extremes().await {
        for attack in attacks {
            let mut tx = become_role(world.pool(), "authenticated", &claims("authenticated")).await;
            let seen = tx.execute(AssertSqlSafe(filled(attack))).await.map(|result| result.rows_affected());
            assert!(matches!(seen, Ok(0)), "{:?} {attack}\n  {seen:?}", world.kind);
            tx.execute("set constraints all immediate; reset role").await.unwrap();
            let after: Value = sqlx::query_scalar(EVERYTHING).fetch_one(&mut *tx).await.unwrap();
            tx.rollback().await.unwrap();
            let before: Value = sqlx::query_scalar(EVERYTHING).fetch_one(world.pool()).await.unwrap();
            assert_eq!(before, after, "{:?} {attack}", world.kind);
        }
        is_met(&world, format!("{} change nothing", attacks.len()), format!("{} change nothing", attacks.len()));
    }
}

/// A statement about what is `user`'s own: `{own}`, `{own_generation}` and so on.
pub(super) fn about(user: &str, statement: &str) -> String {
    filled(&statement.replace("{own", &format!("{{{user}")))
}

/// A statement with the ids of Ada and Eve in it.
pub(super) fn filled(statement: &str) -> String {
    let mut filled = statement.to_owned();
    for (user, letter) in [("ada", 'a'), ("eve", 'e')] {
        for (thing, number) in THINGS {
            let id = format!("00000000-0000-4000-8000-0000000000{letter}{number}");
            filled = filled.replace(&format!("{{{user}{thing}}}"), &id);
        }
    }
    filled
}
