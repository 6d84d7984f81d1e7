//! A directory of copied pictures, and their checksums in `objects.sha256`, which `sha256sum --check` reads, too. A file
//! that is not listed there was not finished, and is copied again.
//!
//! Files have their storage paths, but that users' own folders end in `#`, which no path has: the store knows `a` beside
//! `a/b`, a file system does not.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::CopyError;
use super::entry::Entry;

const INDEX: &str = "objects.sha256";
/// What a file is called until it is whole.
const UNFINISHED: &str = "part";

pub(super) struct Shelf {
    dir: PathBuf,
    checksums: HashMap<String, String>,
    index: File,
}

impl Shelf {
    /// Opens a directory, made if need be.
    pub(super) fn open(dir: &Path) -> Result<Self, CopyError> {
        fs::create_dir_all(dir).map_err(CopyError::file(dir))?;
        let path = dir.join(INDEX);
        let index = File::options().create(true).read(true).append(true).open(&path).map_err(CopyError::file(&path))?;
        let mut checksums = HashMap::new();
        for line in BufReader::new(&index).lines() {
            // A line that a crash cut off is of a file that counts as not there.
            let line = line.map_err(CopyError::file(&path))?;
            if let Some((checksum, name)) = line.split_once("  ").filter(|(checksum, _)| checksum.len() == 64) {
                checksums.insert(name.to_owned(), checksum.to_owned());
            }
        }
        Ok(Self { dir: dir.to_owned(), checksums, index })
    }

    /// Whether a copy is there, of the right size.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        let name = file_name(&entry.path);
        let size = fs::metadata(self.dir.join(&name)).ok().map(|file| file.len());
        self.checksums.contains_key(&name) && size.is_some_and(|size| entry.bytes.is_none_or(|is| is == size))
    }

    /// Writes a copy, and only then that it is there.
    pub(super) fn put(&mut self, path: &str, bytes: &Bytes) -> Result<(), CopyError> {
        let name = file_name(path);
        let path = self.dir.join(&name);
        let unfinished = self.dir.join(format!("{name}.{UNFINISHED}"));
        let write = || -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(CopyError::file(&path))?;
        let checksum = hex(bytes);
        writeln!(self.index, "{checksum}  {name}").map_err(CopyError::file(&self.dir.join(INDEX)))?;
        self.checksums.insert(name, checksum);
        Ok(())
    }

    /// A copy, if there is one; one that is not what was written is an error.
    pub(super) fn get(&self, path: &str) -> Result<Option<Bytes>, CopyError> {
        let name = file_name(path);
        let Some(checksum) = self.checksums.get(&name) else { return Ok(None) };
        let path = self.dir.join(&name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CopyError::File { path, source: error }),
        };
        if hex(&bytes) != *checksum {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not what was copied");
            return Err(CopyError::File { path, source });
        }
        Ok(Some(bytes.into()))
    }
}

/// `{user}/{folder}/a/b.png` becomes `{user}/{folder}/a#/b.png`.
fn file_name(path: &str) -> String {
    let end_of_ours = path.match_indices('/').nth(1).map_or(path.len(), |(at, _)| at + 1);
    let (ours, own) = path.split_at(end_of_ours);
    ours.to_owned() + &own.replace('/', "#/")
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
