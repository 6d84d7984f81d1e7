-- What a signed-in user may do in public: read her own rows, and write only what is hers to say. Every earlier policy
-- of these tables goes, because one that stays wide open undoes the rest; the support tables keep theirs.

do $$
declare
  item record;
begin
  for item in
    select unnest(array['profiles', 'projects', 'generations', 'credits', 'credit_transactions',
      'billing_plans', 'subscriptions', 'invoices', 'user_settings']) as name
  loop
    execute format('alter table public.%I enable row level security', item.name);
    -- Both grant modes end the same: whatever was granted by default or by hand goes, column grants with it.
    execute format('revoke all on table public.%I from public, anon, authenticated, service_role', item.name);
    execute format('grant select on table public.%I to authenticated, service_role', item.name);
  end loop;

  for item in
    select tablename as name, policyname as policy
    from pg_catalog.pg_policies
    where schemaname = 'public'
      and tablename in ('profiles', 'projects', 'generations', 'credits', 'credit_transactions',
        'billing_plans', 'subscriptions', 'invoices', 'user_settings')
  loop
    execute format('drop policy %I on public.%I', item.policy, item.name);
  end loop;
end
$$;

create policy profiles_read on public.profiles for select to authenticated using ((select auth.uid()) = id);
create policy profiles_insert on public.profiles for insert to authenticated with check ((select auth.uid()) = id);
create policy profiles_update on public.profiles for update to authenticated
  using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
grant insert (id, email, full_name, avatar_url, company_name, bio) on public.profiles to authenticated;
grant update (full_name, avatar_url, company_name, bio) on public.profiles to authenticated;

create policy projects_read on public.projects for select to authenticated using ((select auth.uid()) = user_id);
create policy projects_insert on public.projects for insert to authenticated with check ((select auth.uid()) = user_id);
create policy projects_update on public.projects for update to authenticated
  using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy projects_delete on public.projects for delete to authenticated using ((select auth.uid()) = user_id);
grant insert, update, delete on public.projects to authenticated;

create policy generations_read on public.generations for select to authenticated
  using ((select auth.uid()) = user_id and deleted_at is null);
create policy generations_update on public.generations for update to authenticated
  using ((select auth.uid()) = user_id and deleted_at is null)
  with check (
    (select auth.uid()) = user_id
    and (project_id is null or exists (
      select from public.projects where projects.id = project_id and projects.user_id = (select auth.uid())
    ))
  );
grant update (project_id, brand_name, campaign_name, tags) on public.generations to authenticated;

create policy credits_read on public.credits for select to authenticated using ((select auth.uid()) = user_id);
-- The front end's sign-up inserts a row of credits. It may ask, but no policy lets a row through, and a trigger
-- (create_sign_up) drops it quietly.
grant insert (user_id, balance) on public.credits to authenticated;

create policy credit_transactions_read on public.credit_transactions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy billing_plans_read on public.billing_plans for select to authenticated using (active);
create policy subscriptions_read on public.subscriptions for select to authenticated
  using ((select auth.uid()) = user_id);
create policy invoices_read on public.invoices for select to authenticated using ((select auth.uid()) = user_id);

create policy user_settings_read on public.user_settings for select to authenticated
  using ((select auth.uid()) = user_id);
create policy user_settings_insert on public.user_settings for insert to authenticated
  with check ((select auth.uid()) = user_id);
create policy user_settings_update on public.user_settings for update to authenticated
  using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
grant insert, update on public.user_settings to authenticated;

-- The service key passes row level security, so its grants are its bounds: no money, and no generation, by hand.
grant insert, update, delete on public.profiles, public.projects, public.user_settings, public.billing_plans
  to service_role;
