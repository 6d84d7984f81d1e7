//! Welcome credits: every way to sign up, with the setting that requires a confirmed email address and without it.

use devstack::postgres::TestDatabase;
use sqlx::PgPool;
use uuid::{Uuid, uuid};

use crate::people::{as_user, reconcile, run, seen, value};
use crate::projects::KINDS;

const ADA: Uuid = uuid!("00000000-0000-4000-8000-0000000000a1");
const WELCOME: i32 = 100;

/// Statements of Supabase Auth, in its own transactions, and the user's credits after each: if the email address must
/// be confirmed, and if it need not be.
type Step = (&'static str, i32, i32);
struct Road {
    name: &'static str,
    steps: &'static [Step],
}

const UNCONFIRMED: &str = "insert into auth.users (id, email) values ('{ada}', 'ada@example.com')";
const CONFIRM: &str = "update auth.users set email_confirmed_at = now() where id = '{ada}'";
const ANONYMOUS: &str = "insert into auth.users (id, is_anonymous) values ('{ada}', true)";

const ROADS: &[Road] = &[
    Road {
        name: "confirmed at once, by OAuth, or made by an operator",
        steps: &[(
            "insert into auth.users (id, email, email_confirmed_at) values ('{ada}', 'ada@example.com', now())",
            WELCOME,
            WELCOME,
        )],
    },
    Road {
        name: "confirmed later, and twice",
        steps: &[
            (UNCONFIRMED, 0, WELCOME),
            ("update auth.users set last_sign_in_at = now() where id = '{ada}'", 0, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
            ("update auth.users set email_confirmed_at = null where id = '{ada}'", WELCOME, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
        ],
    },
    Road { name: "never confirmed", steps: &[(UNCONFIRMED, 0, WELCOME)] },
    Road {
        name: "the address changes later",
        steps: &[
            (UNCONFIRMED, 0, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
            ("update auth.users set email = 'a@example.com', email_confirmed_at = now()", WELCOME, WELCOME),
        ],
    },
    Road {
        name: "the address changes before it is confirmed",
        steps: &[
            (UNCONFIRMED, 0, WELCOME),
            ("update auth.users set email = 'a@example.com'", 0, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
        ],
    },
    Road { name: "anonymous", steps: &[(ANONYMOUS, 0, WELCOME)] },
    Road {
        name: "anonymous, whatever else is said of them",
        steps: &[(
            "insert into auth.users (id, is_anonymous, email_confirmed_at, phone_confirmed_at) values ('{ada}', true, now(), now())",
            0,
            WELCOME,
        )],
    },
    Road {
        name: "anonymous, then linked and confirmed",
        steps: &[
            (ANONYMOUS, 0, WELCOME),
            ("update auth.users set email_change = 'ada@example.com'", 0, WELCOME),
            ("update auth.users set is_anonymous = false", 0, WELCOME),
            ("update auth.users set email = 'ada@example.com', email_confirmed_at = now()", WELCOME, WELCOME),
        ],
    },
    Road {
        name: "anonymous, then confirmed and linked",
        steps: &[
            (ANONYMOUS, 0, WELCOME),
            ("update auth.users set email = 'ada@example.com', email_confirmed_at = now()", 0, WELCOME),
            ("update auth.users set is_anonymous = false", WELCOME, WELCOME),
        ],
    },
    Road {
        name: "a phone number alone",
        steps: &[
            ("insert into auth.users (id, phone) values ('{ada}', '491')", 0, WELCOME),
            ("update auth.users set phone_confirmed_at = now()", 0, WELCOME),
        ],
    },
    Road {
        name: "a phone number, then a confirmed address",
        steps: &[
            ("insert into auth.users (id, phone, phone_confirmed_at) values ('{ada}', '491', now())", 0, WELCOME),
            ("update auth.users set email = 'ada@example.com'", 0, WELCOME),
            (CONFIRM, WELCOME, WELCOME),
        ],
    },
    Road {
        name: "made by an operator without confirmation, then confirmed by one",
        steps: &[
            ("insert into auth.users (id, email, invited_at) values ('{ada}', 'ada@example.com', now())", 0, WELCOME),
            ("update auth.users set email_confirmed_at = now(), updated_at = now()", WELCOME, WELCOME),
        ],
    },
];

/// Runs the statement as Supabase Auth's own role.
async fn auth_runs(pool: &PgPool, statement: &str) {
    let statement = statement.replace("{ada}", &ADA.to_string());
    run(pool, &format!("begin; set local role supabase_auth_admin; {statement}; commit")).await;
}

async fn balance(pool: &PgPool) -> i32 {
    value(pool, &format!("select balance from public.credits where user_id = '{ADA}'")).await
}

/// What the front end inserts, signed in.
async fn front_end_inserts(pool: &PgPool) {
    for insert in [
        format!("insert into public.profiles (id, email, full_name) values ('{ADA}', 'ada@example.com', 'Ada')"),
        format!("insert into public.credits (user_id, balance) values ('{ADA}', 100)"),
    ] {
        as_user(pool, ADA, &insert).await.unwrap();
    }
}

#[tokio::test]
async fn welcome_credits_come_once_and_only_with_a_confirmed_address() {
    for Road { name, steps } in ROADS {
        for needs_confirmation in [true, false] {
            let database = TestDatabase::new().await;
            let pool = database.pool();
            if !needs_confirmation {
                run(pool, "update gateway.setting set value = 'false' where name = 'welcome_needs_confirmed_email'")
                    .await;
            }
            for (statement, confirmed, at_once) in *steps {
                auth_runs(pool, statement).await;
                front_end_inserts(pool).await;
                let expected = if needs_confirmation { *confirmed } else { *at_once };
                assert_eq!(balance(pool).await, expected, "{name}, {needs_confirmation}: {statement}");
            }
            assert!(value::<i64>(pool, "select count(*) from public.credit_transactions").await <= 1, "{name}");
            reconcile(pool).await;
        }
    }
}

#[tokio::test]
async fn in_projects_of_every_kind_they_come_with_the_confirmation() {
    for kind in KINDS {
        let database = TestDatabase::of(kind).await;
        let pool = database.pool();
        auth_runs(pool, UNCONFIRMED).await;
        front_end_inserts(pool).await;
        assert_eq!(seen(pool, ADA, "select from public.credits where balance = 0").await, 1, "{kind:?}");
        auth_runs(pool, CONFIRM).await;
        assert_eq!(seen(pool, ADA, "select from public.credits where balance = 100").await, 1, "{kind:?}");
        reconcile(pool).await;
    }
}

#[tokio::test]
async fn a_setting_that_is_absent_or_no_word_asks_for_confirmation() {
    for change in
        ["delete from gateway.setting", "update gateway.setting set value = '\"no\"' where name <> 'welcome_credits'"]
    {
        let database = TestDatabase::new().await;
        run(database.pool(), change).await;
        auth_runs(database.pool(), UNCONFIRMED).await;
        assert_eq!(balance(database.pool()).await, 0, "{change}");
        auth_runs(database.pool(), CONFIRM).await;
        assert_eq!(balance(database.pool()).await, 100, "{change}");
    }
}

#[tokio::test]
async fn two_confirmations_at_once_bring_one_welcome() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    auth_runs(pool, UNCONFIRMED).await;
    tokio::join!(auth_runs(pool, CONFIRM), auth_runs(pool, CONFIRM), auth_runs(pool, CONFIRM));
    assert_eq!(balance(pool).await, WELCOME);
    reconcile(pool).await;
}

#[tokio::test]
async fn users_of_before_this_backend_keep_what_they_have_and_get_no_second_welcome() {
    // Adoption (of users from before this backend) leaves an entry without a key, or an adjustment that states the
    // balance.
    for (entry, key) in [(100, "null"), (70, "'adjustment:adoption:' || '{ada}'")] {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        auth_runs(pool, UNCONFIRMED).await;
        let key = key.replace("{ada}", &ADA.to_string());
        run(
            pool,
            &format!(
                "insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
                 values ('{ADA}', {entry}, 'adjustment', {key});
                 update public.credits set balance = {entry} where user_id = '{ADA}'"
            ),
        )
        .await;
        auth_runs(pool, CONFIRM).await;
        assert_eq!(balance(pool).await, entry);
        reconcile(pool).await;
    }
}

#[tokio::test]
async fn a_user_without_profile_and_balance_gets_both_with_the_confirmation() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    run(pool, "alter table auth.users disable trigger shootx_open_profile").await;
    auth_runs(pool, UNCONFIRMED).await;
    auth_runs(pool, CONFIRM).await;
    assert_eq!(value::<String>(pool, "select email from public.profiles").await, "ada@example.com");
    assert_eq!(balance(pool).await, WELCOME);
}

#[tokio::test]
async fn an_older_supabase_auth_confirms_without_the_column_is_anonymous() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    run(pool, "alter table auth.users drop column is_anonymous").await;
    auth_runs(pool, UNCONFIRMED).await;
    assert_eq!(balance(pool).await, 0);
    auth_runs(pool, CONFIRM).await;
    assert_eq!(balance(pool).await, WELCOME);
    // Our triggers do not prevent Supabase Auth's migrations from changing the columns that they read.
    run(pool, "alter table auth.users drop column confirmed_at, alter column email_confirmed_at type text").await;
}

#[tokio::test]
async fn no_mistake_of_ours_fails_a_confirmation() {
    for mistake in [
        "update gateway.setting set value = '\"plenty\"' where name = 'welcome_credits'",
        "alter table public.credits rename to elsewhere",
        "alter table public.profiles rename to elsewhere",
        "alter table gateway.setting rename to elsewhere",
    ] {
        let database = TestDatabase::new().await;
        auth_runs(database.pool(), UNCONFIRMED).await;
        run(database.pool(), mistake).await;
        auth_runs(database.pool(), CONFIRM).await;
        let confirmed = "select count(*) from auth.users where email_confirmed_at is not null";
        assert_eq!(value::<i64>(database.pool(), confirmed).await, 1, "{mistake}");
    }
}
