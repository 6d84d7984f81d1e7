//! Attacks by way of functions: calling ours, and making them find something else by the name they look for.

use super::world::{World, is_refused};
use crate::people::{reconcile, refusal, run, value};
use crate::projects::KINDS;

#[tokio::test]
async fn nobody_calls_our_functions() {
    is_refused(&[
        "select gateway.now()",
        "select gateway.list_shared_emails()",
        "select gateway.list_shown_pictures(array[auth.uid()])",
        "select gateway.note_removed_user()",
        "select gateway.note_billing_stop()",
        "select gateway.find_mail_address(gen_random_uuid())",
        "select gateway.normal_email('ada@example.com')",
        "select gateway.open_profile()",
        "select gateway.is_confirmed('{}')",
        "select gateway.welcome_confirmed()",
        "select gateway.open_account('{}')",
        "select gateway.open_accounts_since('epoch')",
        "select gateway.guard_ledger()",
        "select gateway.repeat_profile()",
        "select * from apalis.get_jobs('w', 'submit', 1)",
        "select apalis.push_job('submit', '{}', 'Pending', now(), 1, 0)",
        "select apalis.generate_ulid()",
        // A trigger of one's own would call it with the rights of its owner.
        "create temporary table mine (id int); create trigger mine before insert on mine for each row execute function gateway.open_profile()",
        "create temporary table mine (id int); create trigger mine before insert on mine for each row execute function gateway.guard_ledger()",
    ])
    .await;
}

#[tokio::test]
async fn a_user_can_make_nothing_that_others_would_find() {
    is_refused(&[
        "create table public.mine (id int)",
        "create view public.mine as select 1",
        "create function public.now() returns timestamptz language sql as 'select null::timestamptz'",
        "create operator public.= (leftarg = uuid, rightarg = uuid, function = uuid_ne)",
        "create type public.uuid as (id int)",
        "create schema mine",
        "create extension citext",
        "create function gateway.mine() returns int language sql as 'select 1'",
        "create function extensions.mine() returns int language sql as 'select 1'",
        "create function storage.foldername(name text) returns text[] language sql as 'select null'",
        "create or replace function auth.uid() returns uuid language sql as 'select null::uuid'",
        "create publication mine for table public.credits",
        "create event trigger mine on ddl_command_start execute function suppress_redundant_updates_trigger()",
        "do language plpgsql $$ begin execute 'alter function auth.uid() owner to authenticated'; end $$",
    ])
    .await;
}

#[tokio::test]
async fn functions_with_their_owner_s_rights_are_private_and_fix_where_they_look() {
    // Every function of ours fixes it; with the owner's rights there are none but six for triggers, two that keep a
    // user from being deleted, and four that tell
    // which users share a mailbox, where one mail goes, which pictures profiles and projects show, and who signed up
    // after a backup.
    const LOOSE: &str = "select coalesce(array_agg(oid::regprocedure::text), '{}') from pg_proc
        where pronamespace = 'gateway'::regnamespace and 'search_path=\"\"' <> all (coalesce(proconfig, '{}'))";
    const DEFINERS: &str =
        "select array_agg(p.oid::regprocedure::text order by p.oid::regprocedure::text) from pg_proc p
        where prosecdef and pronamespace in ('public'::regnamespace, 'gateway'::regnamespace, 'apalis'::regnamespace)";
    const RETURNS: &str = "select bool_and(prorettype = 'trigger'::regtype) from pg_proc
        where prosecdef and proname not in ('list_shared_emails', 'find_mail_address', 'list_shown_pictures', 'open_accounts_since', 'keep_user', 'try_keep_user') and pronamespace = 'gateway'::regnamespace";
    for kind in KINDS {
        let world = World::shared(kind).await;
        assert_eq!(value::<Vec<String>>(world.pool(), LOOSE).await, Vec::<String>::new());
        assert_eq!(
            value::<Vec<String>>(world.pool(), DEFINERS).await,
            [
                "gateway.count_open_runs()",
                "gateway.find_mail_address(uuid)",
                "gateway.guard_ledger()",
                "gateway.keep_user(uuid)",
                "gateway.list_shared_emails()",
                "gateway.list_shown_pictures(uuid[])",
                "gateway.note_billing_stop()",
                "gateway.note_removed_user()",
                "gateway.open_accounts_since(timestamp with time zone)",
                "gateway.open_profile()",
                "gateway.try_keep_user(uuid)",
                "gateway.welcome_confirmed()"
            ]
        );
        assert!(value::<bool>(world.pool(), RETURNS).await);
    }
}

/// What is found first where the path is not fixed: functions and operators in `public`, tables and types in the
/// session's own schema.
const TRAPS: &str = "
    create table public.trapped (by text);
    grant all on public.trapped to public;
    create function public.trap(text, uuid) returns text language plpgsql as
      $$ begin insert into public.trapped values ('||'); return 'grant:trap'; end $$;
    create operator public.|| (leftarg = text, rightarg = uuid, function = public.trap);
    create function public.trap(uuid, uuid) returns boolean language plpgsql as
      $$ begin insert into public.trapped values ('='); return true; end $$;
    create operator public.= (leftarg = uuid, rightarg = uuid, function = public.trap);
    create function public.now() returns timestamptz language plpgsql as
      $$ begin insert into public.trapped values ('now'); return 'epoch'; end $$;
    create function public.lower(text) returns text language plpgsql as
      $$ begin insert into public.trapped values ('lower'); return 'update'; end $$;";
const SHADOWS: &str = "
    create temporary table profiles (id uuid, email text, full_name text);
    create temporary table credits (user_id uuid, balance integer);
    create temporary table credit_transactions (user_id uuid, amount integer);
    create temporary table setting (name text, value jsonb);
    insert into setting values ('welcome_credits', '1000000');
    create temporary table clock (ahead interval);
    create domain pg_temp.integer as pg_catalog.int4 check (false);
    grant all on all tables in schema pg_temp to public;
    set local search_path = pg_temp, public, pg_catalog;";

#[tokio::test]
async fn what_shadows_the_names_our_functions_use_is_not_found_by_them() {
    for world in World::own_extremes().await {
        run(world.pool(), TRAPS).await;
        let session = format!(
            "begin; {SHADOWS}
             set local role supabase_auth_admin;
             insert into auth.users (id, email) values ('00000000-0000-4000-8000-0000000000c0', 'carol@example.com');
             update auth.users set email_confirmed_at = pg_catalog.now();
             set local role authenticated;
             set local request.jwt.claims = '{{\"sub\": \"00000000-0000-4000-8000-0000000000c0\"}}';
             insert into public.profiles (id, email, full_name)
               values ('00000000-0000-4000-8000-0000000000c0', 'x', 'Carol');
             insert into public.credits (user_id, balance) values ('00000000-0000-4000-8000-0000000000c0', 7);
             commit"
        );
        run(world.pool(), &session).await;
        let made = "select concat_ws(' ', email, full_name, balance, (select string_agg(entry_key, ' ') from credit_transactions where user_id = profiles.id))
            from profiles join credits on user_id = profiles.id where profiles.id = '00000000-0000-4000-8000-0000000000c0'";
        assert_eq!(
            value::<String>(world.pool(), made).await,
            "carol@example.com Carol 100 grant:welcome:00000000-0000-4000-8000-0000000000c0"
        );
        let trapped = "select coalesce(array_agg(by), '{}') from public.trapped";
        assert_eq!(value::<Vec<String>>(world.pool(), trapped).await, Vec::<String>::new());
        reconcile(world.pool()).await;
    }
}

#[tokio::test]
async fn the_guard_of_the_ledger_is_not_talked_round_by_what_shadows_its_names() {
    for world in World::own_extremes().await {
        run(world.pool(), TRAPS).await;
        for attack in ["delete from public.credit_transactions", "update public.credit_transactions set amount = 1"] {
            // Without its own path it would look for the entry's user in an empty table, and let the entry go.
            let mut tx = world.pool().begin().await.unwrap();
            sqlx::raw_sql(SHADOWS).execute(&mut *tx).await.unwrap();
            let result = sqlx::query(attack).execute(&mut *tx).await;
            tx.rollback().await.unwrap();
            assert_eq!(refusal(result), "23001", "{attack}");
        }
        reconcile(world.pool()).await;
    }
}
