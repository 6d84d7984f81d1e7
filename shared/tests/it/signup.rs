//! The front end's sign-up: the sign-in server makes the user, then the browser inserts a profile and credits and throws on errors.

use devstack::postgres::TestDatabase;

use crate::people::{as_role, as_user, reconcile, refusal, run, seen, sign_up, value};
use crate::projects::KINDS;

#[tokio::test]
async fn signing_up_makes_a_profile_and_the_welcome_credits() {
    let database = TestDatabase::new().await;
    let user = sign_up(database.pool(), "ada@example.com").await;
    let profile: String =
        value(database.pool(), &format!("select email || ' ' || full_name from profiles where id = '{user}'")).await;
    assert_eq!(profile, "ada@example.com Ada");
    let entry: String =
        value(database.pool(), "select amount || ' ' || transaction_type || ' ' || entry_key from credit_transactions")
            .await;
    assert_eq!(entry, format!("100 grant grant:welcome:{user}"));
    reconcile(database.pool()).await;
}

#[tokio::test]
async fn the_front_end_s_own_inserts_succeed_and_give_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    for returning in ["", " returning *"] {
        let profile = format!(
            "insert into public.profiles (id, email, full_name) values ('{user}', 'else@example.com', 'Ada L'){returning}"
        );
        as_user(pool, user, &profile).await.unwrap();
        let credits = format!("insert into public.credits (user_id, balance) values ('{user}', 1000000){returning}");
        as_user(pool, user, &credits).await.unwrap();
    }
    let profile: String = value(pool, "select email || ' ' || full_name from profiles").await;
    assert_eq!(profile, "ada@example.com Ada L", "the name is hers to say, the address is not");
    assert_eq!(value::<i32>(pool, "select balance from credits").await, 100);
    reconcile(pool).await;
}

#[tokio::test]
async fn the_front_end_signs_up_in_projects_of_every_kind() {
    for kind in KINDS {
        let database = TestDatabase::of(kind).await;
        let pool = database.pool();
        let user = sign_up(pool, "ada@example.com").await;
        for insert in [
            format!("insert into public.profiles (id, email, full_name) values ('{user}', 'ada@example.com', 'Ada L')"),
            format!("insert into public.credits (user_id, balance) values ('{user}', 100)"),
        ] {
            as_user(pool, user, &insert).await.unwrap();
        }
        assert_eq!(seen(pool, user, "select from public.profiles where full_name = 'Ada L'").await, 1, "{kind:?}");
        assert_eq!(seen(pool, user, "select from public.credits where balance = 100").await, 1, "{kind:?}");
        assert_eq!(seen(pool, user, "select from public.credit_transactions").await, 1, "{kind:?}");
        reconcile(pool).await;
    }
}

#[tokio::test]
async fn a_user_without_a_profile_makes_one_with_the_address_she_signed_in_with() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    for (claimed, kept) in [(r#", "email": "ada@example.com""#, "ada@example.com"), ("", "")] {
        run(pool, &format!("delete from public.profiles where id = '{user}'")).await;
        let claims = format!(r#"{{"sub": "{user}", "role": "authenticated"{claimed}}}"#);
        let insert = format!("insert into public.profiles (id, email, bio) values ('{user}', 'boss@example.com', 'b')");
        as_role(pool, "authenticated", &claims, &insert).await.unwrap();
        assert_eq!(value::<String>(pool, "select email || ' ' || bio from public.profiles").await, format!("{kept} b"));
        assert_eq!(value::<i64>(pool, "select count(*) from public.credits").await, 0, "no second welcome");
    }
}

#[tokio::test]
async fn a_repeated_profile_without_a_name_keeps_the_name() {
    let database = TestDatabase::new().await;
    let user = sign_up(database.pool(), "ada@example.com").await;
    let insert = format!("insert into public.profiles (id, email) values ('{user}', 'ada@example.com')");
    as_user(database.pool(), user, &insert).await.unwrap();
    assert_eq!(value::<String>(database.pool(), "select full_name from profiles").await, "Ada");
}

#[tokio::test]
async fn nobody_makes_a_profile_for_another() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let (ada, eve) = (sign_up(pool, "ada@example.com").await, sign_up(pool, "eve@example.com").await);
    let insert = format!("insert into public.profiles (id, email, full_name) values ('{ada}', 'x', 'Eve was here')");
    assert_eq!(refusal(as_user(pool, eve, &insert).await), "42501");
    let credits = format!("insert into public.credits (user_id, balance) values ('{ada}', 5)");
    as_user(pool, eve, &credits).await.unwrap();
    assert_eq!(value::<i64>(pool, "select sum(balance) from credits").await, 200);
    assert_eq!(value::<i64>(pool, "select count(*) from profiles where full_name = 'Ada'").await, 2);
}

#[tokio::test]
async fn a_user_without_address_or_name_signs_up() {
    let database = TestDatabase::new().await;
    run(database.pool(), "insert into auth.users (id) values (gen_random_uuid())").await;
    assert_eq!(value::<String>(database.pool(), "select email from profiles").await, "");
    assert_eq!(value::<i32>(database.pool(), "select balance from credits").await, 0);
}

#[tokio::test]
async fn the_welcome_is_a_setting_and_may_be_nothing() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    run(pool, "update gateway.setting set value = '7' where name = 'welcome_credits'").await;
    let user = sign_up(pool, "seven@example.com").await;
    assert_eq!(value::<i32>(pool, &format!("select balance from credits where user_id = '{user}'")).await, 7);
    run(pool, "update gateway.setting set value = '0' where name = 'welcome_credits'").await;
    let user = sign_up(pool, "none@example.com").await;
    assert_eq!(value::<i32>(pool, &format!("select balance from credits where user_id = '{user}'")).await, 0);
    run(pool, "delete from gateway.setting").await;
    let user = sign_up(pool, "default@example.com").await;
    assert_eq!(value::<i32>(pool, &format!("select balance from credits where user_id = '{user}'")).await, 100);
    reconcile(pool).await;
}

#[tokio::test]
async fn no_mistake_of_ours_fails_a_sign_up() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    run(pool, "update gateway.setting set value = '\"plenty\"' where name = 'welcome_credits'").await;
    let user = sign_up(pool, "ada@example.com").await;
    assert_eq!(
        seen(pool, user, "select from public.profiles").await,
        1,
        "one half failing does not take the other along"
    );
    run(pool, "alter table public.profiles rename to elsewhere").await;
    sign_up(pool, "eve@example.com").await;
    assert_eq!(value::<i64>(pool, "select count(*) from auth.users").await, 2);
}

#[tokio::test]
async fn the_trigger_acts_for_the_sign_in_server_s_own_role() {
    let database = TestDatabase::new().await;
    run(
        database.pool(),
        "begin; set local role supabase_auth_admin; insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), 'a@b.c', now()); commit",
    )
    .await;
    assert_eq!(value::<i32>(database.pool(), "select balance from credits").await, 100);
}
