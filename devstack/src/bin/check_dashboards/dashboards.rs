//! The queries of dashboards, as Grafana would send them.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

/// What Grafana puts in place of its variables. Wide enough for every series that has been seen twice.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "2m"), ("$__interval", "15s"), ("$__range", "1h")];

/// One query of a panel.
pub(super) struct Panel {
    /// Its dashboard and its title.
    pub(super) place: String,
    pub(super) query: String,
}

/// The queries of all dashboards of a folder.
pub(super) fn read(dir: &Path) -> anyhow::Result<Vec<Panel>> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .with_context(|| format!("{} cannot be read", dir.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut panels = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let board: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let uid = board["uid"].as_str().with_context(|| format!("{} has no uid", file.display()))?;
        ensure!(file.file_stem().is_some_and(|stem| stem == uid), "{} is not named after its uid", file.display());
        for panel in board["panels"].as_array().context("a dashboard has panels")? {
            panels.extend(queries(uid, panel)?);
        }
    }
    ensure!(!panels.is_empty(), "{} holds no panels", dir.display());
    Ok(panels)
}

fn queries(uid: &str, panel: &Value) -> anyhow::Result<Vec<Panel>> {
    if panel["type"] == "row" {
        // Panels of a row that is folded are inside of it.
        let inside = panel["panels"].as_array().map_or(&[][..], Vec::as_slice);
        let each: Vec<_> = inside.iter().map(|panel| queries(uid, panel)).collect::<Result<_, _>>()?;
        return Ok(each.into_iter().flatten().collect());
    }
    let title = panel["title"].as_str().context("a panel has a title")?;
    let place = format!("{}: {title}", uid.trim_start_matches("shootx-"));
    ensure!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{place} has no unit");
    ensure!(panel["datasource"]["uid"] == "${datasource}", "{place} names a data source of its own");
    let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
    let targets = targets.with_context(|| format!("{place} asks nothing"))?;
    targets.iter().map(|target| query(&place, target)).collect()
}

fn query(place: &str, target: &Value) -> anyhow::Result<Panel> {
    let written = target["expr"].as_str().with_context(|| format!("{place} has a target without expr"))?;
    let query = VARIABLES.iter().fold(written.to_owned(), |query, (name, value)| query.replace(name, value));
    ensure!(!query.contains('$'), "{place} has a variable that nobody fills in: {written}");
    Ok(Panel { place: place.to_owned(), query })
}
