-- Pictures in the folder of user $1 that generation $2 names, and that no other generation of the user, no project and
-- not their profile shows. None at all if that takes more than reading the text of $3 other generations and decoding $4
-- of them: the search for unused pictures finds them later.
--
-- Only rows that may name one of the paths are decoded (gateway.may_name). `output_urls` of old rows may have any
-- dimensions.
with own as materialized (
    select distinct picture.path
    from public.generations as g
    cross join lateral gateway.named_pictures(
        g.input_data, array[g.input_url, g.output_url, g.image_url] || array(select unnest(g.output_urls)), g.user_id
    ) as picture (path)
    where g.id = $2
      and not exists (select from gateway.output where output.generation_id = $2 and output.path = picture.path)
    order by picture.path limit $4
), others as materialized (
    select g.id, concat_ws(' ', g.input_data::text, g.input_url, g.output_url, g.image_url,
                           array_to_string(g.output_urls, ' ')) as words
    from public.generations as g
    where g.user_id = $1 and g.deleted_at is null and g.id <> $2 and exists (select from own)
    limit $3::bigint + 1
), shown as materialized (
    select projects.id, projects.thumbnail_url as words
    from public.projects where projects.user_id = $1 and thumbnail_url is not null and exists (select from own)
    limit $3 + 1
), likely as materialized (
    select others.id from others
    where gateway.may_name(words, array(select path from own), $1)
    limit $4 + 1
), likely_shown as materialized (
    select shown.words from shown
    where gateway.may_name(words, array(select path from own), $1)
    limit $4 + 1
), named as materialized (
    select path
    from likely join public.generations as g using (id)
    cross join lateral gateway.named_pictures(
        g.input_data, array[g.input_url, g.output_url, g.image_url] || array(select unnest(g.output_urls)), g.user_id
    ) as path
    where (select count(*) from likely) <= $4
    union all
    select path from likely_shown cross join lateral gateway.picture_paths(likely_shown.words, $1) as path
    where (select count(*) from likely_shown) <= $4
    union all
    select path
    from public.profiles cross join lateral gateway.picture_paths(profiles.avatar_url, $1) as path
    where profiles.id = $1
)
select path as "path!" from own
where (select count(*) from others) <= $3 and (select count(*) from shown) <= $3
  and (select count(*) from likely) <= $4 and (select count(*) from likely_shown) <= $4
  and not exists (select from named where named.path = own.path)
order by path
