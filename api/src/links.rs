//! Links to outputs: the kept ones while they last, made anew in one batch when they are about to end.
//!
//! The image store is not needed to say how a generation stands: while it does not answer, outputs whose kept
//! link has ended are left out of `image_urls`, and everything else is told as always.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::generation::{self, Generation, Link};
use shared::ids::UserId;
use shared::images::{LINK_LIFETIME, StoreError, is_valid_path};

use crate::state::ApiState;

/// A link with less time left than this is made anew.
const RENEW_BEFORE: TimeDelta = TimeDelta::hours(1);
/// How long one answer waits for new links.
const SIGN_TIMEOUT: Duration = Duration::from_secs(3);

/// The links of one generation's outputs, in order.
pub(crate) type ImageUrls = Vec<String>;

/// The links of each generation's outputs, in the order of `generations`. Signs what is about to end, and keeps it.
pub(crate) async fn image_urls(state: &ApiState, user_id: UserId, generations: &[Generation]) -> Vec<ImageUrls> {
    let ending: Vec<String> = generations.iter().flat_map(ending_paths).collect();
    let fresh = if ending.is_empty() { HashMap::new() } else { sign(state, ending).await };
    for generation in generations {
        keep(state, user_id, generation, &fresh).await;
    }
    generations.iter().map(|generation| chosen(generation, &fresh)).collect()
}

/// Paths whose links have to be made anew.
fn ending_paths(generation: &Generation) -> Vec<String> {
    if generation.links.is_empty() {
        return generation.output_paths.iter().filter(|path| is_valid_path(path)).cloned().collect();
    }
    let renew_at = generation.now + RENEW_BEFORE;
    generation.links.iter().filter(|link| !works_at(link, renew_at)).map(|link| link.path.clone()).collect()
}

/// Outputs from before this service may have been stored as whole links.
fn is_link(path: &str) -> bool {
    path.starts_with("https://") || path.starts_with("http://")
}

fn works_at(link: &Link, at: DateTime<Utc>) -> bool {
    link.url.is_some() && link.until.is_some_and(|until| until >= at)
}

/// New links by path; none of what the store does not have, and none at all while it does not answer.
async fn sign(state: &ApiState, paths: Vec<String>) -> HashMap<String, String> {
    let signing = state.images.sign(&paths, LINK_LIFETIME);
    let signed = match tokio::time::timeout(SIGN_TIMEOUT, signing).await {
        Ok(Ok(signed)) => signed,
        Ok(Err(error)) => return unsigned(paths.len(), &error),
        Err(_) => return unsigned(paths.len(), &StoreError::Unavailable { reason: "no answer in time".to_owned() }),
    };
    paths.into_iter().zip(signed).filter_map(|(path, url)| Some((path, url?.into()))).collect()
}

fn unsigned(paths: usize, error: &StoreError) -> HashMap<String, String> {
    tracing::warn!(paths, %error, "links could not be made; they are left out of the answer");
    HashMap::new()
}

/// Keeps the new links of one generation, so that the next reader need not make them.
async fn keep(state: &ApiState, user_id: UserId, generation: &Generation, fresh: &HashMap<String, String>) {
    let new = |link: &Link| fresh.get(&link.path).map(|url| (link.n, url.clone()));
    let links: Vec<(i16, String)> = generation.links.iter().filter_map(new).collect();
    if links.is_empty() {
        return;
    }
    let until = generation.now + LINK_LIFETIME;
    // Does not wait when the user has used up their share of database connections.
    let Ok(pool) = state.database(user_id).await else { return };
    if let Err(error) = generation::save_links(&pool, generation.id, &links, until).await {
        tracing::warn!(generation_id = %generation.id, %error, "new links could not be kept");
    }
}

/// The best link of every output that has one.
fn chosen(generation: &Generation, fresh: &HashMap<String, String>) -> ImageUrls {
    if generation.links.is_empty() {
        let link = |path: &String| if is_link(path) { Some(path.clone()) } else { fresh.get(path).cloned() };
        return generation.output_paths.iter().filter_map(link).collect();
    }
    let kept = |link: &Link| if works_at(link, generation.now) { link.url.clone() } else { None };
    generation.links.iter().filter_map(|link| fresh.get(&link.path).cloned().or_else(|| kept(link))).collect()
}
