-- One generation of a user, or a page of them, newest first, each with its run and its outputs side by side.
-- Users could write rows of before this backend as they liked, so whatever stands there is bounded here: long texts are
-- cut, null tags and further dimensions dropped, and times are brought into the years 1 to 9999.
select g.id as "id: GenerationId", left(g.generation_type, 100) as "generation_type!",
       coalesce(left(g.status, 100), '') as "status!", left(g.error_message, 2000) as error_message,
       array(select path
             from unnest(coalesce(nullif(g.output_urls, '{}'), array[coalesce(g.output_url, g.image_url)]))
                  with ordinality as old (path, n)
             where octet_length(path) <= 4096 and (path like 'http%' or starts_with(path, g.user_id || '/'))
             order by n limit 16) as "output_paths!: Vec<String>",
       least(greatest(coalesce(g.created_at, 'epoch'), '0001-01-01'), '9999-12-31') as "created_at!",
       case when g.completed_at between '0001-01-01' and '9999-12-31' then g.completed_at end as completed_at,
       g.project_id, left(g.brand_name, 200) as brand_name, left(g.campaign_name, 200) as campaign_name,
       array(select left(tag, 50) from unnest(g.tags) with ordinality as held (tag, n)
             where tag is not null order by n limit 20) as "tags!: Vec<String>", gateway.now() as "now!",
       run.stage as "stage?: Stage", run.progress as "shown?", run.submitted_at as "submitted_at?",
       run.target_seconds as "target_seconds?", run.price as "price?: Credits",
       run.outputs_asked as "outputs_asked?", run.error_code as "error_code?",
       run.outputs_expired_at as "outputs_expired_at?",
       run.cancel_requested_at is not null as "is_cancel_requested!", run.cancel_fee as "cancel_fee?: Credits",
       coalesce((select cancels from gateway.user_limit
                 where user_id = $1 and cancels_on = (gateway.now() at time zone 'utc')::date), 0) as "cancels_today!",
       coalesce((select least(coalesce(sum(amount), 0), 2147483647)::integer from public.credit_transactions as entry
                 where entry.generation_id = g.id and entry.transaction_type = 'refund'), 0)
           as "refunded!: Credits",
       coalesce(array_agg(output.n order by output.n) filter (where output.n is not null), '{}')
           as "numbers!: Vec<i16>",
       coalesce(array_agg(output.path order by output.n) filter (where output.n is not null), '{}')
           as "paths!: Vec<String>",
       coalesce(array_agg(output.link order by output.n) filter (where output.n is not null), '{}')
           as "urls!: Vec<Option<String>>",
       coalesce(array_agg(output.link_until order by output.n) filter (where output.n is not null), '{}')
           as "untils!: Vec<Option<DateTime<Utc>>>"
from (
    select * from public.generations
    where user_id = $1 and deleted_at is null
      and ($2::uuid is null or id = $2)
      and ($3::timestamptz is null or (coalesce(created_at, 'epoch'), id) < ($3, $4::uuid))
    order by coalesce(created_at, 'epoch') desc, id desc
    limit $5) as g
left join gateway.run on run.generation_id = g.id
left join gateway.output on output.generation_id = g.id
group by g.id, g.generation_type, g.status, g.error_message, g.output_urls, g.output_url, g.image_url, g.user_id,
         g.created_at, g.completed_at, g.project_id, g.brand_name, g.campaign_name, g.tags, run.generation_id
order by coalesce(g.created_at, 'epoch') desc, g.id desc
