//! A worker's disk: what jobs uploaded, what graphs saved. Nothing clears it between two jobs, which is the leak that
//! worker-comfyui has; here the oldest files go when it is full.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::python::Exception;
use crate::net::lock;

/// Bytes one worker keeps; the oldest files are lost beyond it.
pub(super) const DISK_BYTES_MAX: usize = 128 * 1024 * 1024;

pub(super) const INPUT: &str = "/comfyui/input";
pub(super) const OUTPUT: &str = "/comfyui/output";
pub(super) const TEMP: &str = "/comfyui/temp";

/// What stands behind a name, and the folder it means.
const ANNOTATIONS: [(&str, &str); 3] = [("[output]", OUTPUT), ("[input]", INPUT), ("[temp]", TEMP)];

#[derive(Clone, Debug)]
struct Entry {
    bytes: Arc<[u8]>,
    /// Counts files, so that one of the same name made later is known as another.
    number: u64,
}

#[derive(Debug, Default)]
struct Files {
    by_path: BTreeMap<String, Entry>,
    bytes: usize,
    number: u64,
}

/// The files of a worker by their paths.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Mutex<Files>,
    /// Where to look for what is not here.
    behind: Option<Arc<Disk>>,
}

/// A file that a graph saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) filename: String,
    pub(super) path: String,
    pub(super) number: u64,
    pub(super) size: (u32, u32),
}

impl Disk {
    /// An empty disk before another.
    pub(super) fn before(behind: &Arc<Self>) -> Self {
        Self { files: Mutex::default(), behind: Some(Arc::clone(behind)) }
    }

    pub(super) fn write(&self, path: String, bytes: Arc<[u8]>) -> u64 {
        lock(&self.files).put(path, bytes)
    }

    pub(super) fn read(&self, path: &str) -> Option<Arc<[u8]>> {
        let here = lock(&self.files).by_path.get(path).map(|entry| Arc::clone(&entry.bytes));
        here.or_else(|| self.behind.as_ref()?.read(path))
    }

    /// The bytes of what was saved, unless it was lost or another took its place.
    pub(super) fn read_saved(&self, saved: &Saved) -> Option<Arc<[u8]>> {
        let files = lock(&self.files);
        let entry = files.by_path.get(&saved.path).filter(|entry| entry.number == saved.number)?;
        Some(Arc::clone(&entry.bytes))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        lock(&self.files).by_path.contains_key(path) || self.behind.as_ref().is_some_and(|behind| behind.has(path))
    }

    /// Saves pictures under the next free numbers of that prefix: `{prefix}_00001_.png`.
    pub(super) fn save(&self, target: &Target, pictures: Vec<Arc<[u8]>>, size: (u32, u32)) -> Vec<Saved> {
        let mut files = lock(&self.files);
        let first = files.last_number(target) + 1;
        let save = |(index, bytes): (u64, Arc<[u8]>)| {
            let name = target.name.replace("%batch_num%", &index.to_string());
            let filename = format!("{name}_{:05}_.png", first + index);
            let path = format!("{}/{filename}", target.folder);
            let number = files.put(path.clone(), bytes);
            Saved { filename, path, number, size }
        };
        (0..).zip(pictures).map(save).collect()
    }
}

impl Files {
    fn put(&mut self, path: String, bytes: Arc<[u8]>) -> u64 {
        self.number += 1;
        self.bytes += bytes.len();
        let number = self.number;
        if let Some(old) = self.by_path.insert(path, Entry { bytes, number }) {
            self.bytes -= old.bytes.len();
        }
        while self.bytes > DISK_BYTES_MAX {
            let Some(oldest) = self.by_path.iter().min_by_key(|(_, entry)| entry.number) else { break };
            let path = oldest.0.clone();
            self.bytes -= self.by_path.remove(&path).map_or(0, |entry| entry.bytes.len());
        }
        number
    }

    /// The highest number that a file of that prefix has.
    fn last_number(&self, target: &Target) -> u64 {
        let start = format!("{}/{}_", target.folder, target.name);
        let names = self.by_path.range(start.clone()..).map_while(|(path, _)| path.strip_prefix(&start));
        let number = |name: &str| name.split('_').next().and_then(|digits| digits.parse().ok());
        names.filter(|name| !name.contains('/')).filter_map(number).max().unwrap_or(0)
    }
}

/// Where a prefix leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    folder: String,
    name: String,
}

impl Target {
    /// Reads a `filename_prefix`. Of its tokens only width and height are known here.
    ///
    /// # Errors
    ///
    /// It leads out of the folder.
    pub(super) fn read(root: &str, prefix: &str, (width, height): (u32, u32)) -> Result<Self, Exception> {
        let prefix = prefix.replace("%width%", &width.to_string()).replace("%height%", &height.to_string());
        let prefix = normal_path(&prefix);
        let (subfolder, name) = prefix.rsplit_once('/').unwrap_or(("", &prefix));
        let folder = normal_path(&join(root, subfolder));
        let inside = folder == root || folder.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        if !inside {
            return Err(Exception::new(
                "Exception",
                format!(
                    "**** ERROR: Saving image outside the output folder is not allowed.\n full_output_folder: {folder}\n         \
                     output_dir: {root}\n         commonpath: /"
                ),
            ));
        }
        Ok(Self { folder, name: name.to_owned() })
    }
}

/// The path that an image name means: in the input folder, unless it ends in `[output]` or `[temp]`.
pub(super) fn annotated_path(name: &str) -> String {
    for (annotation, folder) in ANNOTATIONS {
        if let Some(name) = name.strip_suffix(annotation) {
            // ComfyUI cuts off the space before it, whatever it is.
            let end = name.char_indices().next_back().map_or(0, |(at, _)| at);
            return normal_path(&join(folder, &name[..end]));
        }
    }
    normal_path(&join(INPUT, name))
}

/// Where an upload of that name is written.
///
/// # Errors
///
/// What the upload is answered with: 400 for a name that leads out of the folder, 500 for a folder that does not exist.
pub(super) fn upload_path(name: &str) -> Result<String, u16> {
    let path = normal_path(&join(INPUT, name));
    match path.strip_prefix(INPUT).and_then(|rest| rest.strip_prefix('/')) {
        _ if name.is_empty() => Err(400),
        None if path == INPUT => Err(500),
        None => Err(400),
        Some(rest) if rest.contains('/') => Err(500),
        Some(_) => Ok(path),
    }
}

fn join(folder: &str, name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Without `.`, `..` and doubled slashes.
fn normal_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let absolute = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    match (absolute, path.is_empty()) {
        (true, _) => format!("/{path}"),
        (false, true) => ".".to_owned(),
        (false, false) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(disk: &Disk, prefix: &str) -> String {
        let target = Target::read(OUTPUT, prefix, (2, 3)).expect("inside");
        disk.save(&target, vec![Arc::from(*b"picture")], (2, 3)).remove(0).path
    }

    #[test]
    fn files_of_a_prefix_are_counted_in_their_folder() {
        let disk = Disk::default();
        assert_eq!(save(&disk, "a"), "/comfyui/output/a_00001_.png");
        assert_eq!(save(&disk, "a"), "/comfyui/output/a_00002_.png");
        assert_eq!(save(&disk, "a_b"), "/comfyui/output/a_b_00001_.png");
        assert_eq!(save(&disk, "a"), "/comfyui/output/a_00003_.png");
        assert_eq!(save(&disk, "x/y/a"), "/comfyui/output/x/y/a_00001_.png");
        assert_eq!(save(&disk, "%width%x%height%"), "/comfyui/output/2x3_00001_.png");
    }

    #[test]
    fn a_prefix_that_leads_out_is_refused() {
        for prefix in ["../../../tmp/evil", "/tmp/evil", "a/../../b", "../outputs/b"] {
            let error = Target::read(OUTPUT, prefix, (1, 1)).expect_err(prefix);
            assert!(error.message.starts_with("**** ERROR: Saving image outside the output folder"), "{prefix}");
        }
    }

    #[test]
    fn names_are_found_in_the_folder_that_they_mean() {
        assert_eq!(annotated_path("a.png"), "/comfyui/input/a.png");
        assert_eq!(annotated_path("a.png [output]"), "/comfyui/output/a.png");
        assert_eq!(annotated_path("../output/a.png"), "/comfyui/output/a.png");
        assert_eq!(annotated_path("/etc/passwd"), "/etc/passwd");
        assert_eq!(upload_path("a/../b.png"), Ok("/comfyui/input/b.png".to_owned()));
        assert_eq!(
            [upload_path("../b.png"), upload_path("sub/b.png"), upload_path("")],
            [Err(400), Err(500), Err(400)]
        );
    }

    #[test]
    fn the_oldest_files_are_lost_when_the_disk_is_full() {
        let disk = Disk::default();
        let third: Arc<[u8]> = vec![0; DISK_BYTES_MAX / 3].into();
        for name in ["a", "b", "c", "d"] {
            disk.write(format!("{INPUT}/{name}"), Arc::clone(&third));
        }
        let kept = ["a", "b", "c", "d"].map(|name| disk.has(&format!("{INPUT}/{name}")));
        assert_eq!(kept, [false, true, true, true]);
    }
}
