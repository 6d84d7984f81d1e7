//! `list`, one level with relative names, and `list-v2`, with full names and cursors.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::StorageError;
use super::store::{Object, Store};
use super::{Answer, Asked, parse};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

#[derive(Deserialize)]
struct List {
    prefix: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
    #[serde(rename = "sortBy")]
    sort_by: Option<SortBy>,
    #[serde(default)]
    search: String,
}

#[derive(Deserialize)]
struct SortBy {
    order: Option<String>,
}

/// One level below the prefix. A bucket that does not exist is empty.
pub(super) fn list(store: &Store, asked: &Asked<'_>, bucket: &str) -> Result<Answer, StorageError> {
    let list: List = parse(asked.body)?;
    let prefix =
        list.prefix.ok_or_else(|| StorageError::invalid_request("body must have required property 'prefix'"))?;
    let level = if prefix.is_empty() || prefix.ends_with('/') { prefix } else { format!("{prefix}/") };
    let mut folders = BTreeSet::new();
    let mut rows: Vec<(String, Value)> = Vec::new();
    for object in store.list(bucket, &level).filter(|object| asked.caller.may_see(&object.key)) {
        let name = &object.key[level.len()..];
        match name.split_once('/') {
            Some((folder, _)) if !folders.insert(folder.to_owned()) => {}
            Some((folder, _)) => rows.push((folder.to_owned(), folder_row(folder))),
            None => rows.push((name.to_owned(), object.listed_as(name))),
        }
    }
    rows.retain(|(name, _)| name.contains(&list.search));
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    if list.sort_by.and_then(|sort| sort.order).as_deref() == Some("desc") {
        rows.reverse();
    }
    let limit = list.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    Ok(Answer::json(&rows.into_iter().skip(list.offset).take(limit).map(|(_, row)| row).collect()))
}

fn folder_row(name: &str) -> Value {
    json!({"name": name, "id": null, "updated_at": null, "created_at": null, "last_accessed_at": null, "metadata": null})
}

#[derive(Deserialize)]
struct ListV2 {
    #[serde(default)]
    prefix: String,
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    with_delimiter: bool,
}

/// Everything below the prefix, or with a delimiter one level of it. The cursor is the last key in plain text.
pub(super) fn list_v2(store: &Store, asked: &Asked<'_>, bucket: &str) -> Result<Answer, StorageError> {
    let list: ListV2 = parse(asked.body)?;
    let limit = list.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let after = list.cursor.unwrap_or_default();
    let (mut objects, mut folders, mut last) = (Vec::new(), Vec::<String>::new(), String::new());
    let mut has_next = false;
    let mut seen = store.list(bucket, &list.prefix).filter(|object| asked.caller.may_see(&object.key));
    for object in &mut seen {
        let name = &object.key[list.prefix.len()..];
        let folder =
            name.split_once('/').filter(|_| list.with_delimiter).map(|(folder, _)| format!("{}{folder}/", list.prefix));
        let cursor = folder.as_ref().unwrap_or(&object.key);
        if *cursor <= after || folders.last().is_some_and(|known| Some(known) == folder.as_ref()) {
            continue;
        }
        if objects.len() + folders.len() >= limit {
            has_next = true;
            break;
        }
        last.clone_from(cursor);
        match folder {
            Some(folder) => folders.push(folder),
            None => objects.push(v2_row(object, name)),
        }
    }
    let next = has_next.then_some(last);
    let folders: Vec<Value> = folders.iter().map(|folder| json!({"key": folder, "name": folder})).collect();
    Ok(Answer::json(&json!({
        "hasNext": has_next, "nextCursor": next, "nextCursorKey": next, "folders": folders, "objects": objects,
    })))
}

fn v2_row(object: &Object, key: &str) -> Value {
    let mut row = object.listed_as(&object.key);
    row["key"] = json!(key);
    row
}
