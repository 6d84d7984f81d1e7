//! Attacks on balances, the ledger and plans, by a signed-in user and by whoever holds the service key.

use devstack::attack::{self, Target};

use super::world::{EVE, World, claims, filled, is_refused, is_refused_to, is_useless};
use crate::people::{as_user, refusal, run, value};

#[tokio::test]
async fn a_user_cannot_set_her_own_balance() {
    is_refused(&[
        "update public.credits set balance = 1000000",
        "update public.credits set updated_at = now() where user_id = '{eve}'",
        "insert into public.credits (user_id, balance) values ('{eve}', 9) on conflict (user_id) do update set balance = 9",
        "merge into public.credits as mine using (select '{eve}'::uuid as id) as me on mine.user_id = me.id
           when matched then update set balance = 9",
        "with raised as (update public.credits set balance = 9 returning user_id) select * from raised",
        "delete from public.credits",
        "truncate public.credits",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_hold_her_balance_against_the_services() {
    is_refused(&[
        "select * from public.credits for update",
        "select * from public.credits for key share",
        "lock table public.credits in exclusive mode",
        "lock table public.generations in share mode",
    ])
    .await;
}

#[tokio::test]
async fn a_second_row_of_credits_is_dropped() {
    is_useless(&[
        "insert into public.credits (user_id, balance) values ('{eve}', 1000000)",
        "insert into public.credits (user_id, balance) values ('{eve}', 1000000) on conflict do nothing",
        "insert into public.credits (user_id, balance) select '{eve}', 5 from generate_series(1, 3)",
        "insert into public.credits (user_id, balance) values ('{ada}', -98)",
        "insert into public.credits (user_id, balance) values (gen_random_uuid(), 100)",
    ])
    .await;
    is_refused(&["insert into public.credits (id, user_id, balance) values (gen_random_uuid(), '{eve}', 9)"]).await;
}

#[tokio::test]
async fn a_user_without_a_row_of_credits_cannot_make_one() {
    for world in World::own_extremes().await {
        run(world.pool(), &filled("delete from public.credits where user_id = '{eve}'")).await;
        for insert in ["", " on conflict do nothing", " returning *"] {
            let insert = format!("insert into public.credits (user_id, balance) values ('{EVE}', 1000000){insert}");
            as_user(world.pool(), EVE, &insert).await.unwrap();
        }
        assert_eq!(value::<i64>(world.pool(), "select count(*) from public.credits").await, 1);
    }
}

#[tokio::test]
async fn a_user_cannot_forge_an_entry_or_a_refund() {
    is_refused(&[
        "insert into public.credit_transactions (user_id, amount, transaction_type) values ('{eve}', 500, 'purchase')",
        "insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
           values ('{eve}', 100, 'grant', 'grant:welcome:again')",
        "insert into public.credit_transactions (user_id, amount, transaction_type, generation_id, entry_key)
           values ('{eve}', 2, 'refund', '{eve_generation}', 'refund:{eve_generation}')",
        "insert into public.credit_transactions (user_id, amount, transaction_type) values ('{ada}', -98, 'adjustment')",
        "update public.credit_transactions set amount = 500",
        "update public.credit_transactions set entry_key = null",
        "update public.credit_transactions set user_id = '{eve}' where user_id = '{ada}'",
        "delete from public.credit_transactions where amount < 0",
        "truncate public.credit_transactions",
        "alter table public.credit_transactions disable trigger all",
        "set session_replication_role = replica",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_give_herself_a_plan() {
    is_refused(&[
        "insert into public.subscriptions (user_id, plan_id) select '{eve}', id from public.billing_plans",
        "insert into public.subscriptions (user_id, plan_id, status, current_period_end)
           values ('{eve}', '{eve_plan}', 'active', 'infinity')",
        "update public.subscriptions set status = 'active', current_period_end = 'infinity'",
        "update public.subscriptions set plan_id = '{eve_plan}'",
        "update public.subscriptions set cancel_at_period_end = false",
        "delete from public.subscriptions",
        "update public.billing_plans set price = 0",
        "update public.billing_plans set credits_per_month = 1000000",
        "insert into public.billing_plans (name, price, interval) values ('Free', 0, 'monthly')",
        "delete from public.billing_plans",
        "insert into public.invoices (user_id, invoice_number, status, plan_name) values ('{eve}', '2', 'paid', 'Pro')",
        "update public.invoices set status = 'paid'",
        "delete from public.invoices",
    ])
    .await;
}

#[tokio::test]
async fn a_user_cannot_loosen_what_guards_the_tables() {
    is_refused(&[
        "alter table public.credits disable row level security",
        "create policy mine on public.credits for all to authenticated using (true)",
        "drop policy credits_read on public.credits",
        "drop trigger credits_not_by_users on public.credits",
        "create trigger mine after insert on public.credits for each row execute function suppress_redundant_updates_trigger()",
        "create rule mine as on insert to public.credits do also update public.credits set balance = 9",
        "alter table public.credits drop constraint credits_never_negative",
        "alter role authenticated bypassrls",
    ])
    .await;
    // Passes with a warning that nothing was granted.
    is_useless(&["grant update on public.credits to authenticated"]).await;
}

#[tokio::test]
async fn the_service_key_cannot_touch_money_either() {
    let attacks = [
        "update public.credits set balance = 5",
        "insert into public.credits (user_id, balance) select id, 5 from public.profiles",
        "delete from public.credits",
        "insert into public.credit_transactions (user_id, amount, transaction_type) select id, 5, 'grant' from public.profiles",
        "delete from public.credit_transactions",
        "update public.subscriptions set status = 'active'",
        "insert into public.invoices (user_id, invoice_number, plan_name) select id, '9', 'Pro' from public.profiles",
        "update public.generations set status = 'failed'",
        "delete from public.generations",
        "delete from public.profiles",
        "select * from gateway.run",
        "update gateway.setting set value = '1000000'",
    ];
    is_refused_to(&["service_role"], &attacks).await;
}

#[tokio::test]
async fn nobody_but_the_sign_in_server_deletes_a_ledger_with_its_user() {
    let roles = ["authenticated", "service_role", "shootx_api", "shootx_worker"];
    let attacks = ["delete from public.profiles where id = '{eve}'", "delete from auth.users where id = '{eve}'"];
    is_refused_to(&roles, &attacks).await;
}

/// Supabase's sign-in server and its owner hold other roles; whoever else a deployment made is nobody to us.
#[tokio::test]
async fn a_role_that_inherits_a_users_rights_cannot_make_credits() {
    for world in World::own_extremes().await {
        // The trigger that drops a user's row of credits knows her role by its name.
        run(world.pool(), &filled("delete from public.credits where user_id = '{eve}'")).await;
        let member = format!("eves_{}", uuid::Uuid::new_v4().simple());
        run(world.pool(), &format!("create role {member} in role authenticated")).await;
        let insert = "insert into public.credits (user_id, balance) values ('{eve}', 1000000)";
        let seen = refusal(world.acts(&member, &claims("authenticated"), insert).await);
        run(world.pool(), &format!("drop role {member}")).await;
        let attack = format!("{} ({:?})", attack::this_test(), world.kind);
        attack::is_met(Target::Rows, attack, "42501", seen);
    }
}
