//! Attacks by becoming somebody else, and what the roles of the services are.

use devstack::postgres::TestDatabase;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::people::{refusal, value};

/// Who logs in, what that session has become, and which roles it may become by right.
const SESSIONS: [(&str, Option<&str>, &[&str]); 4] = [
    ("shootx_api_login", None, &["shootx_api"]),
    ("shootx_worker_login", None, &["shootx_worker"]),
    // The data API logs in so, and becomes one of the three for each request.
    ("authenticator", Some("anon"), &["anon", "authenticated", "service_role"]),
    ("authenticator", Some("authenticated"), &["anon", "authenticated", "service_role"]),
];
const ROLES: [&str; 10] = [
    "anon",
    "authenticated",
    "service_role",
    "shootx_api",
    "shootx_worker",
    "shootx_api_login",
    "hosted_postgres",
    "supabase_admin",
    "supabase_auth_admin",
    "postgres",
];

async fn login(database: &TestDatabase, role: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect(&database.url().replace("//postgres@", &format!("//{role}@"))).await
}

#[tokio::test]
async fn a_session_cannot_become_another_role() {
    let database = TestDatabase::new().await;
    for (user, become_first, by_right) in SESSIONS {
        let mut session = login(&database, user).await.unwrap();
        if let Some(role) = become_first {
            session.execute(AssertSqlSafe(format!("set role {role}"))).await.unwrap();
        }
        for role in ROLES.into_iter().filter(|role| !by_right.contains(role) && *role != user) {
            for switch in [format!("set role {role}"), format!("set session authorization {role}")] {
                let result = session.execute(AssertSqlSafe(switch.clone())).await;
                assert_eq!(refusal(result), "42501", "{user} as {become_first:?}: {switch}");
            }
            for grant in [format!("grant {role} to {user}"), format!("alter role {role} login")] {
                let result = session.execute(AssertSqlSafe(grant.clone())).await;
                assert!(
                    result
                        .is_err_and(|error| error.to_string().contains("permission denied")
                            || error.to_string().contains("must ")),
                    "{user}: {grant}"
                );
            }
        }
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_services_roles_do_not_log_in_themselves() {
    let database = TestDatabase::new().await;
    for role in ["shootx_api", "shootx_worker", "anon", "authenticated", "service_role"] {
        assert_eq!(refusal(login(&database, role).await), "28000", "{role}");
    }
}

#[tokio::test]
async fn the_services_roles_have_no_powers_own_nothing_and_belong_to_nobody() {
    const POWERS: &str = "select array_agg(distinct format('%s', (rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls)))
        from pg_roles where rolname in ('shootx_api', 'shootx_worker')";
    const OWNED: &str = "select count(*) from pg_shdepend where deptype = 'o'
        and refobjid in ('shootx_api'::regrole, 'shootx_worker'::regrole)";
    const MEMBERS: &str = "select array_agg(format('%s in %s', member::regrole, roleid::regrole) order by roleid::regrole::text) from pg_auth_members
        where member in ('shootx_api'::regrole, 'shootx_worker'::regrole)
           or roleid in ('shootx_api'::regrole, 'shootx_worker'::regrole)";
    let database = TestDatabase::new().await;
    assert_eq!(value::<Vec<String>>(database.pool(), POWERS).await, ["(f,f,f,f,f,f)"]);
    assert_eq!(value::<i64>(database.pool(), OWNED).await, 0);
    assert_eq!(
        value::<Vec<String>>(database.pool(), MEMBERS).await,
        ["shootx_api_login in shootx_api", "shootx_worker_login in shootx_worker"],
        "the login roles that tests use, and nothing the other way round"
    );
}

#[tokio::test]
async fn a_service_cannot_loosen_its_own_bounds() {
    let database = TestDatabase::new().await;
    for user in ["shootx_api_login", "shootx_worker_login"] {
        let mut session = login(&database, user).await.unwrap();
        for attack in [
            "alter table public.credit_transactions disable trigger all",
            "alter table gateway.run add column mine int",
            "create table public.mine (id int)",
            "create table gateway.mine (id int)",
            "create table apalis.mine (id int)",
            "create or replace function gateway.now() returns timestamptz language sql as 'select now()'",
            "update gateway.clock set ahead = '1 day'",
            "update gateway.setting set value = '1000000'",
            "update public.credits set user_id = gen_random_uuid()",
            "update public.generations set user_id = gen_random_uuid()",
            "update public.credit_transactions set amount = 1",
            "delete from public.credit_transactions",
            "delete from public.generations",
            "delete from public.profiles",
            "insert into public.credits (user_id, balance) values (gen_random_uuid(), 1)",
            "update public.subscriptions set user_id = gen_random_uuid()",
            "update public.billing_plans set price = 0",
            "update gateway.pack set amount_cents = 50",
            "update gateway.purchase set credits = 1000000",
            "select * from auth.users",
            "select * from storage.objects",
            "set session_replication_role = replica",
            "select pg_read_file('/etc/passwd')",
            "copy public.credits to program 'true'",
        ] {
            let result = session.execute(attack).await;
            assert!(result.is_err(), "{user}: {attack}");
            assert_eq!(refusal(result), "42501", "{user}: {attack}");
        }
        session.close().await.unwrap();
    }
}
