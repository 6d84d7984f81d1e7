//! SQL: what a user sees of her generations. Every query is scoped by owner.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::run::progress;
use super::{Stage, Status};
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::telemetry::timed;

/// Generations on one page at most.
const PAGE_MAX: i64 = 100;
/// Completed runs whose times an estimate is made of, per workflow.
const ESTIMATE_SAMPLE: i64 = 50;
/// Older runs say nothing about the present.
const ESTIMATE_WINDOW: TimeDelta = TimeDelta::hours(1);

/// One generation as its owner may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its id.
    pub id: GenerationId,
    /// The workflow's name.
    pub workflow: String,
    /// The seed's three words.
    pub status: Status,
    /// Where the run is; `None` for generations older than this backend.
    pub stage: Option<Stage>,
    /// 0 to 100, never backwards.
    pub progress: i16,
    /// What was reserved.
    pub price: Option<Credits>,
    /// What was given back.
    pub refunded: Credits,
    /// Outputs asked for.
    pub outputs_asked: Option<i16>,
    /// Why it failed, for programs.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// Storage paths in order. Rows from before this backend were writable by their owners and may hold links;
    /// a path of theirs that leads into somebody else's folder is left out.
    pub output_paths: Vec<String>,
    /// The same outputs with their signed links.
    pub links: Vec<Link>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it became final.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its outputs were removed because they were older than they are kept.
    pub outputs_expired_at: Option<DateTime<Utc>>,
    /// `gateway.now()` of this read.
    pub now: DateTime<Utc>,
    /// The caller's project.
    pub project_id: Option<Uuid>,
    /// The caller's word for the brand.
    pub brand_name: Option<String>,
    /// The caller's word for the campaign.
    pub campaign_name: Option<String>,
    /// The caller's tags.
    pub tags: Vec<String>,
}

/// An output and its signed link, if one was ever made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1.
    pub n: i16,
    /// Its key in the image store.
    pub path: String,
    /// The link.
    pub url: Option<String>,
    /// When the link stops working.
    pub until: Option<DateTime<Utc>>,
}

/// A user's generation; `None` if there is none, or it is not hers.
///
/// # Errors
/// Whatever the database says.
pub async fn find(pool: &PgPool, user_id: UserId, id: GenerationId) -> Result<Option<Generation>, sqlx::Error> {
    Ok(fetch(pool, user_id, Some(id), None, 1).await?.pop())
}

/// A page of a user's generations, newest first, after the given (`created_at`, `id`); at most [`PAGE_MAX`].
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    pool: &PgPool,
    user_id: UserId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Generation>, sqlx::Error> {
    fetch(pool, user_id, None, after, limit.clamp(1, PAGE_MAX)).await
}

async fn fetch(
    pool: &PgPool,
    user_id: UserId,
    id: Option<GenerationId>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Generation>, sqlx::Error> {
    let rows = timed(
    "read_generations",
    sqlx::query_as!(
        Row,
        r#"
        select g.id as "id: GenerationId", g.generation_type, coalesce(g.status, '') as "status!", g.error_message,
               array(select path
                     from unnest(coalesce(nullif(g.output_urls, '{}'), array[coalesce(g.output_url, g.image_url)]))
                          with ordinality as old (path, n)
                     where path like 'http%' or starts_with(path, g.user_id || '/')
                     order by n) as "output_paths!: Vec<String>", coalesce(g.created_at, 'epoch') as "created_at!",
               g.completed_at, g.project_id, g.brand_name, g.campaign_name,
               coalesce(g.tags, '{}') as "tags!: Vec<String>", gateway.now() as "now!",
               run.stage as "stage?: Stage", run.progress as "shown?", run.submitted_at as "submitted_at?",
               run.target_seconds as "target_seconds?", run.price as "price?: Credits",
               run.outputs_asked as "outputs_asked?", run.error_code as "error_code?",
               run.outputs_expired_at as "outputs_expired_at?",
               coalesce((select sum(amount)::integer from public.credit_transactions as entry
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
        "#,
        user_id as UserId,
        id as Option<GenerationId>,
        after.map(|(created_at, _)| created_at),
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(pool),
)
.await?;
    Ok(rows.into_iter().map(Generation::from).collect())
}

/// One row of [`fetch`]: a generation, its run if it has one, and its outputs side by side.
struct Row {
    id: GenerationId,
    generation_type: String,
    status: String,
    error_message: Option<String>,
    output_paths: Vec<String>,
    created_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    project_id: Option<Uuid>,
    brand_name: Option<String>,
    campaign_name: Option<String>,
    tags: Vec<String>,
    now: DateTime<Utc>,
    stage: Option<Stage>,
    shown: Option<i16>,
    submitted_at: Option<DateTime<Utc>>,
    target_seconds: Option<i32>,
    price: Option<Credits>,
    outputs_asked: Option<i16>,
    error_code: Option<String>,
    outputs_expired_at: Option<DateTime<Utc>>,
    refunded: Credits,
    numbers: Vec<i16>,
    paths: Vec<String>,
    urls: Vec<Option<String>>,
    untils: Vec<Option<DateTime<Utc>>>,
}

impl From<Row> for Generation {
    fn from(row: Row) -> Self {
        let running = |stage| progress(stage, row.submitted_at, row.target_seconds.unwrap_or(1), row.now);
        Self {
            id: row.id,
            workflow: row.generation_type,
            status: row.stage.map_or_else(|| status_of_old(&row.status), Stage::status),
            progress: row.stage.map_or_else(
                || if status_of_old(&row.status) == Status::Processing { 0 } else { 100 },
                |stage| row.shown.unwrap_or(0).max(running(stage)),
            ),
            stage: row.stage,
            price: row.price,
            refunded: row.refunded,
            outputs_asked: row.outputs_asked,
            error_code: row.error_code,
            error_message: row.error_message,
            links: links(row.numbers, row.paths, row.urls, row.untils),
            output_paths: row.output_paths,
            created_at: row.created_at,
            completed_at: row.completed_at,
            outputs_expired_at: row.outputs_expired_at,
            now: row.now,
            project_id: row.project_id,
            brand_name: row.brand_name,
            campaign_name: row.campaign_name,
            tags: row.tags,
        }
    }
}

fn links(
    numbers: Vec<i16>,
    paths: Vec<String>,
    urls: Vec<Option<String>>,
    untils: Vec<Option<DateTime<Utc>>>,
) -> Vec<Link> {
    numbers
        .into_iter()
        .zip(paths)
        .zip(urls.into_iter().zip(untils))
        .map(|((n, path), (url, until))| Link { n, path, url, until })
        .collect()
}

/// Generations from before this backend may also be `pending`, which reads as processing.
fn status_of_old(word: &str) -> Status {
    match word {
        "completed" => Status::Completed,
        "failed" => Status::Failed,
        _ => Status::Processing,
    }
}

/// Keeps freshly signed links of a generation's outputs.
///
/// # Errors
/// Whatever the database says.
pub async fn save_links(
    pool: &PgPool,
    id: GenerationId,
    links: &[(i16, String)],
    until: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (numbers, urls): (Vec<i16>, Vec<String>) = links.iter().cloned().unzip();
    sqlx::query!(
        r#"
        update gateway.output
        set link = fresh.link, link_until = $4
        from unnest($2::smallint[], $3::text[]) as fresh (n, link)
        where output.generation_id = $1 and output.n = fresh.n
        "#,
        id as GenerationId,
        &numbers,
        &urls,
        until,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Seconds from accept to delivery to expect now, per workflow: the median of the last hour's latest runs.
///
/// Workflows without recent runs are absent; their target time is the best guess.
///
/// # Errors
/// Whatever the database says.
pub async fn estimates(pool: &PgPool) -> Result<BTreeMap<String, i32>, sqlx::Error> {
    let rows = timed(
        "estimates",
        sqlx::query!(
            r#"
        select workflow as "workflow!",
               ceil(percentile_cont(0.5) within group (order by seconds))::integer as "seconds!"
        from (
            select workflow, extract(epoch from settled_at - accepted_at) as seconds,
                   row_number() over (partition by workflow order by settled_at desc) as place
            from gateway.run
            where stage = 'completed' and settled_at > gateway.now() - make_interval(secs => $1)
        ) as recent
        where place <= $2
        group by workflow
        "#,
            ESTIMATE_WINDOW.as_seconds_f64(),
            ESTIMATE_SAMPLE,
        )
        .fetch_all(pool),
    )
    .await?;
    Ok(rows.into_iter().map(|row| (row.workflow, row.seconds)).collect())
}
