//! SQL: what users see of their generations (`read.sql`). Every query is scoped by owner.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::run::progress;
use super::{Stage, Status};
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::telemetry::timed;

/// Generations on one page at most.
const PAGE_MAX: i64 = 100;
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
    /// What the requested cancel costs, if one was requested.
    pub cancel_fee: Option<Credits>,
    /// The user's cancels of submitted generations today.
    pub cancels_today: i32,
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

impl Generation {
    /// What cancelling it would cost now or, once a cancel was requested, what that costs. `None` once it is too late.
    #[must_use]
    pub fn cancel_cost(&self, free_per_day: u32) -> Option<Credits> {
        match self.stage? {
            Stage::Queued => Some(Credits::ZERO),
            Stage::Submitting | Stage::Running => self.cancel_fee.or_else(|| {
                let is_free = i64::from(self.cancels_today) < i64::from(free_per_day);
                if is_free { Some(Credits::ZERO) } else { self.price }
            }),
            Stage::Collecting | Stage::Completed | Stage::Failed | Stage::Cancelled => None,
        }
    }
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

/// A user's generation; `None` if it does not exist, or is not theirs.
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
    let query = sqlx::query_file_as!(
        Row,
        "src/generation/read.sql",
        user_id as UserId,
        id as Option<GenerationId>,
        after.map(|(created_at, _)| created_at),
        after.map(|(_, id)| id),
        limit,
    );
    let rows = timed("read_generations", query.fetch_all(pool)).await?;
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
    is_cancel_requested: bool,
    cancel_fee: Option<Credits>,
    cancels_today: i32,
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
            cancel_fee: row.cancel_fee.filter(|_| row.is_cancel_requested),
            cancels_today: row.cancels_today,
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
