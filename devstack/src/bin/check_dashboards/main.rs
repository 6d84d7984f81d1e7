//! `scripts/check-dashboards`: asks a real Prometheus, which reads the metrics of a running system, every query of every
//! dashboard and of every alert. A query that finds nothing is a name or a label that nobody shows: it fails.
//!
//! Also: what processes show passes `promtool check metrics`, and nothing pages while all is well.

mod dashboards;
mod expected;
mod prometheus;
mod selector;
mod traffic;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use devstack::stack::{Interrupt, Stack, StackOptions};

use dashboards::Panel;
use prometheus::{Prometheus, Rule};

/// How long the simulated RunPod takes.
const GENERATION_TIME: Duration = Duration::from_secs(1);
/// How long what was done may take to be seen by every query: the slowest gauge is set every 15 s.
const PATIENCE: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Parser)]
#[command(name = "check-dashboards")]
struct Arguments {
    /// The folder that holds prometheus and promtool
    #[arg(long, value_name = "DIR")]
    prometheus: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("FAULT: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is as it should be.
async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut interrupt = Interrupt::listen()?;
    let options = StackOptions { keep: false, generation_time: GENERATION_TIME };
    let stack = tokio::select! {
        stack = Stack::start(options, |_, _| {}) => stack?,
        () = interrupt.asked() => anyhow::bail!("interrupted"),
    };
    let checked = tokio::select! {
        checked = Box::pin(check(&stack, &arguments.prometheus)) => checked,
        () = interrupt.asked() => Err(anyhow::anyhow!("interrupted")),
    };
    stack.stop().await;
    checked
}

async fn check(stack: &Stack, bin: &Path) -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the checkout's root")?;
    let panels = dashboards::read(&root.join("deploy/grafana/dashboards"))?;
    let prometheus = Prometheus::start(bin, &root.join("deploy/prometheus/rules"), &stack.metrics).await?;
    traffic::make(stack, &prometheus).await?;
    prometheus.check_metrics(bin, &stack.metrics).await?;

    let begun = Instant::now();
    let (findings, rules) = loop {
        let rules = prometheus.rules().await?;
        let findings = ask_all(&prometheus, &panels, &rules).await?;
        if findings.iter().all(Finding::is_well) || begun.elapsed() > PATIENCE {
            break (findings, rules);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    print_table(&findings);
    let faults = findings.iter().filter(|finding| !finding.is_well()).count();
    let pages: Vec<_> = rules.iter().filter(|rule| rule.pages).map(|rule| rule.name.as_str()).collect();
    println!("{} queries, {faults} of them find nothing", findings.len());
    print_faults(&findings, &pages);
    Ok(faults == 0 && pages.is_empty())
}

/// What came of one query.
struct Finding {
    place: String,
    query: String,
    series: usize,
    /// Why it may find nothing.
    excuse: Option<&'static str>,
}

impl Finding {
    fn is_well(&self) -> bool {
        self.series > 0 || self.excuse.is_some()
    }
}

/// Panels as they stand. Alerts are silent while all is well, so what they look at is asked for: each metric under
/// labels of these names.
async fn ask_all(prometheus: &Prometheus, panels: &[Panel], rules: &[Rule]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for Panel { place, query } in panels {
        findings.push(ask(prometheus, place.clone(), query.clone()).await?);
    }
    for rule in rules {
        ensure!(rule.is_healthy, "Prometheus cannot evaluate {}: {}", rule.name, rule.error);
        prometheus.count(&rule.query).await.with_context(|| rule.name.clone())?;
        for selector in selector::all(&rule.query) {
            findings.push(ask(prometheus, rule.name.clone(), selector.presence()).await?);
        }
    }
    Ok(findings)
}

async fn ask(prometheus: &Prometheus, place: String, query: String) -> anyhow::Result<Finding> {
    let series = prometheus.count(&query).await.with_context(|| format!("{place}: {query}"))?;
    Ok(Finding { excuse: expected::excuse(&query), place, query, series })
}

/// One line for each fault, which `scripts/test-ops` repeats in its summary.
fn print_faults(findings: &[Finding], pages: &[&str]) {
    let empty: BTreeSet<_> = findings.iter().filter(|one| !one.is_well()).map(|one| (&one.place, &one.query)).collect();
    for (place, query) in empty {
        println!("FAULT: {place}: {} finds nothing", query.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    for rule in pages {
        println!("FAULT: {rule} pages though all is well");
    }
}

fn print_table(findings: &[Finding]) {
    println!("{:<58} {:>6}  query", "panel or rule", "series");
    let mut seen = BTreeSet::new();
    for Finding { place, query, series, excuse } in findings {
        if !seen.insert((place, query)) {
            continue;
        }
        let note = match (series, excuse) {
            (0, Some(excuse)) => format!("   (may be empty: {excuse})"),
            (0, None) => "   FINDS NOTHING".to_owned(),
            _ => String::new(),
        };
        println!("{place:<58} {series:>6}  {query}{note}");
    }
}
