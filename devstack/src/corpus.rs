//! The committed corpora of the fuzz targets (`fuzz/corpus/{target}/`), replayed on a stable compiler: every file as it is,
//! and files that chance makes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::attack::{self, Target};

/// What chance starts from; a failure names it, and the number of the try.
const SEED: u64 = 20_261_127;
/// Longest input that is made.
const INPUT_BYTES_MAX: usize = 256 * 1024;
/// How many times as many tries the long form makes.
const LONG_TIMES: usize = 50;
/// The variable that asks for it.
const LONG_VARIABLE: &str = "SHOOTX_LONG";

/// Runs the target on its whole corpus, and on `tries` mutations of it; none may panic.
///
/// # Panics
/// When the corpus cannot be read, or the target panics; the input is printed.
pub fn replay(target: &str, tries: usize, run: impl Fn(&[u8])) {
    let corpus = read(target);
    let long = std::env::var_os(LONG_VARIABLE).is_some_and(|long| long == "1");
    let tries = if long { tries * LONG_TIMES } else { tries };
    let mut random = StdRng::seed_from_u64(SEED);
    let mutations =
        (0..tries).map(|number| (format!("mutation {number} of seed {SEED}"), mutate(&corpus, &mut random)));
    let files = corpus.iter().cloned();
    let mut failures = Vec::new();
    for (name, input) in files.chain(mutations) {
        if catch_unwind(AssertUnwindSafe(|| run(&input))).is_err() {
            eprintln!("{target}, {name}: {}", input.escape_ascii());
            failures.push(name);
        }
    }
    let attack = format!("{target}: a corpus of {} inputs, and {tries} made of them by chance", corpus.len());
    attack::is_met(Target::Tools, attack, "no panic", failures.first().map_or("no panic", String::as_str));
}

fn read(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a folder that can be read").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a file that can be read"))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// A file of the corpus with up to four things done to it.
fn mutate(corpus: &[(String, Vec<u8>)], random: &mut StdRng) -> Vec<u8> {
    let one = |random: &mut StdRng| corpus.choose(random).expect("never empty").1.clone();
    let mut input = one(random);
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=input.len());
        let inside = at.min(input.len().saturating_sub(1));
        match random.random_range(0..6) {
            0 if !input.is_empty() => input[inside] ^= 1 << random.random_range(0..8),
            1 if !input.is_empty() => input[inside] = random.random(),
            2 => input.truncate(at),
            3 => {
                drop(input.splice(at..at, (0..random.random_range(1..9)).map(|_| random.random()).collect::<Vec<u8>>()))
            }
            4 => {
                let other = one(random);
                let from = random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = random.random_range(at..=input.len());
                let repeated = input[at..end].to_vec();
                drop(input.splice(at..at, repeated));
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}
