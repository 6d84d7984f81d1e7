//! How a generation comes along: a bar for each where somebody watches, else a line for each beginning and end.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

const TEMPLATE: &str = "  {prefix:<24} {bar:32} {pos:>3} %  {msg}";

/// The bars of all generations that run together.
pub(super) struct Progress {
    bars: Option<MultiProgress>,
}

/// One generation's part of it.
pub(super) struct Line {
    label: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    pub(super) fn line(&self, label: String) -> Line {
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.as_ref().map(|bars| bars.add(ProgressBar::new(100).with_style(style)));
        if let Some(bar) = &bar {
            bar.set_prefix(label.clone());
        }
        Line { label, bar }
    }
}

impl Line {
    pub(super) fn accepted(&self, took: Duration, price: &Value) {
        let credits = if *price == 1 { "credit" } else { "credits" };
        self.say(&format!("accepted in {} ms, {price} {credits} reserved", took.as_millis()));
    }

    pub(super) fn seen(&self, status: &Value) {
        if let Some(bar) = &self.bar {
            bar.set_position(status["progress"].as_u64().unwrap_or_default());
            bar.set_message(status["stage"].as_str().unwrap_or_default().to_owned());
        }
    }

    pub(super) fn ended(&self, status: &Value, took: Duration) {
        self.say(&format!("{} after {:.1} s", status["status"].as_str().unwrap_or_default(), took.as_secs_f64()));
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }

    fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_owned()),
            None => println!("  {:<24} {message}", self.label),
        }
    }
}
