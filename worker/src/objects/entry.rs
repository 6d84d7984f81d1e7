//! The list of a backup: one JSON object a line, read in pages.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shared::images::is_valid_path;

use super::CopyError;

/// Pictures of one page.
const PAGE: usize = 1_000;

/// What a picture is to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Output,
    Input,
}

/// A stored picture.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Its size, where a row tells it.
    pub(super) bytes: Option<u64>,
}

/// The entries of a list, a page at a time.
pub(super) struct Pages {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    line: usize,
}

impl Pages {
    pub(super) fn open(path: &Path) -> Result<Self, CopyError> {
        let file = File::open(path).map_err(CopyError::file(path))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file).lines(), line: 0 })
    }

    fn page(&mut self) -> Result<Vec<Entry>, CopyError> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some(line) = self.lines.next() else { break };
            let text = line.map_err(CopyError::file(&self.path))?;
            self.line += 1;
            let wrong = |reason| CopyError::List { line: self.line, reason };
            let entry: Entry = serde_json::from_str(&text).map_err(|_| wrong("not an entry"))?;
            // Prompts are among the texts that may name a picture: one that only looks like a path names none.
            if is_valid_path(&entry.path) {
                page.push(entry);
            }
        }
        Ok(page)
    }
}

impl Iterator for Pages {
    type Item = Result<Vec<Entry>, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.page() {
            Ok(page) if page.is_empty() => None,
            page => Some(page),
        }
    }
}
