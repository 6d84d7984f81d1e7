//! Every reader of bytes from outside, with the corpus of `fuzz/` and with changes of it: the same ones at every run.
//! `fuzz/README.md` says what each target promises, and how to look further.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use devstack::attack::{self, Target};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::foreign_tool::checkout;

/// Changed inputs of a target, and with `LONG`.
const CHANGES: u64 = 2_000;
const CHANGES_LONG: u64 = 100_000;
/// The variable that asks for the long form.
const LONG: &str = "SHOOTX_LONG";
/// The first seed; every change has one of its own.
const SEED: u64 = 20_260_101;
/// Steps of one change, at most.
const STEPS_MAX: usize = 6;
/// The largest input, and the longest part that is repeated in it.
const INPUT_BYTES_MAX: usize = 64 * 1024;
const REPEATED_BYTES_MAX: usize = 64;
/// What the names of inputs begin with that must get through a target, and how many others a corpus has at least.
const GOOD: &str = "good";
const BAD_MIN: usize = 5;
/// What means something to one of the readers, and is seldom come upon.
const WORDS: [&[u8]; 20] = [
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\0\0\x01",
    b"\xff\xd9",
    b"\xff\xe1",
    b"IEND",
    b"acTL",
    b"moov",
    b"\"id\"",
    b"\"id\":\"job-2-e1\",",
    b"\\u0000",
    b"\\\"",
    b"null",
    b"1e999",
    b"18446744073709551616",
    b"{",
    b"]",
    b"%00",
    b".",
];

const NOTHING: &str = "no finding";

#[test]
fn no_access_token_is_taken_that_nobody_signed() {
    survives("access_token", "changed access tokens", api::fuzzing::access_token);
}

#[test]
fn only_a_webhook_link_of_ours_is_taken() {
    survives("webhook_link", "changed webhook links", shared::fuzzing::webhook_link);
}

#[test]
fn a_webhook_body_gives_the_id_that_a_whole_parser_reads() {
    survives("job_id", "changed webhook bodies", api::fuzzing::job_id);
}

#[test]
fn no_answer_of_the_provider_is_taken_for_another_job() {
    survives("provider_answer", "changed answers of the provider", shared::fuzzing::provider_answer);
}

#[test]
fn a_picture_that_was_taken_stays_as_it_is() {
    survives("picture", "changed picture files", shared::fuzzing::picture);
}

#[test]
fn no_word_of_a_body_changes_its_graph() {
    survives("graph", "changed requests on their way to a graph", shared::fuzzing::graph);
}

/// A harness that does not listen would let all of the above pass.
#[test]
fn a_finding_names_the_input_and_why() {
    assert_eq!(findings("graph", |_| (), CHANGES), NOTHING);
    let found = findings("graph", |bytes| assert!(bytes != b"[]", "a list"), 0);
    assert_eq!(found, r#"list: a list: b"[]""#);
    let found = findings("graph", |bytes| assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok()), CHANGES);
    assert!(found.contains("assertion failed"), "{found}");
}

fn survives(name: &str, attack: &str, target: fn(&[u8]) -> bool) {
    // What is turned away at the door says nothing of what is behind it.
    let (good, bad): (Vec<_>, Vec<_>) = corpus(name).into_iter().partition(|(file, _)| file.starts_with(GOOD));
    assert!(!good.is_empty() && bad.len() >= BAD_MIN, "{name} has no corpus");
    for (file, input) in &good {
        assert!(target(input), "{name}/{file} does not get through");
    }
    let changes = if std::env::var_os(LONG).is_some_and(|long| long == "1") { CHANGES_LONG } else { CHANGES };
    let listened = |input: &[u8]| {
        target(input);
    };
    attack::is_met(Target::Tools, attack, NOTHING, findings(name, listened, changes));
}

/// The first input on which the target fails, or [`NOTHING`].
fn findings(name: &str, target: impl Fn(&[u8]), changes: u64) -> String {
    let corpus = corpus(name);
    let failure = |origin: String, input: &[u8]| {
        let panic = catch_unwind(AssertUnwindSafe(|| target(input))).err()?;
        Some(format!("{origin}: {}: b\"{}\"", said(panic.as_ref()), input.escape_ascii()))
    };
    let replayed = corpus.iter().find_map(|(file, input)| failure(file.clone(), input));
    let changed = || (SEED..SEED + changes).find_map(|seed| failure(format!("seed {seed}"), &change(&corpus, seed)));
    replayed.or_else(changed).unwrap_or_else(|| NOTHING.to_owned())
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// The inputs by their names, in a fixed order.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let read = |path: &Path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap());
    let folder = std::fs::read_dir(checkout().join("fuzz/corpus").join(name)).unwrap();
    let mut inputs: Vec<_> = folder.map(|entry| read(&entry.unwrap().path())).collect();
    inputs.sort();
    inputs
}

/// An input of the corpus after a few steps; the same for the same seed.
fn change(corpus: &[(String, Vec<u8>)], seed: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut input = corpus[random.random_range(0..corpus.len())].1.clone();
    for _ in 0..random.random_range(1..=STEPS_MAX) {
        let at = random.random_range(0..=input.len());
        let until = random.random_range(at..=input.len());
        match random.random_range(0..8) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = random.random(),
            2 => input.truncate(at),
            3 => drop(input.drain(at..until)),
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())].1;
                let from = random.random_range(0..=other.len());
                input.splice(at..until, other[from..].iter().copied());
            }
            5 => {
                let part = input[at..until.min(at + REPEATED_BYTES_MAX)].to_vec();
                input.splice(at..at, part);
            }
            6 => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                let end = input.len().min(at + word.len());
                input.splice(at..end, word.iter().copied());
            }
            _ => input.splice(at..at, WORDS[random.random_range(0..WORDS.len())].iter().copied()).for_each(drop),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}
