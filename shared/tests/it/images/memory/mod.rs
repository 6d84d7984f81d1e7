//! What pictures take in memory, measured: each case runs in a process of its own, which tells its peak.

mod kinds;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use bytes::Bytes;
use shared::images::{self, Picture};
use shared::workflow::OutputFormat::{self, Avif, Jpg, Png, Webp};
use tempfile::TempDir;

use self::kinds::{KINDS, Size};

/// Tells a process which files it shall work on, and in how much memory.
const CASE: &str = "SHOOTX_TEST_PICTURE_CASE";
/// The name of the test that does so in the process.
const CHILD: &str = "images::memory::worked_on_in_a_process_of_its_own";
/// As the programs are deployed: what a picture took is given back once it is done with. By itself the C library would
/// keep it, for each thread that has ever worked on one.
const ALLOCATOR: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "1048576");
/// What the allocator and the runtime take beside what is counted.
const SLACK: u64 = 10_000_000;
/// What inputs are made smaller than, so that each is worked on.
const FITTING: usize = 10_000;

/// What becomes of the files: every road that a picture can take through the two programs.
#[derive(Clone, Copy)]
enum Road {
    /// Base64 in the API; an upload or a URL in the worker, which also makes it fit.
    Input,
    /// A provider's, in the worker.
    Output(OutputFormat),
}

const ROADS: [Road; 4] = [Road::Input, Road::Output(Png), Road::Output(Jpg), Road::Output(Webp)];

/// What a process told: its peak above what it had at first, in bytes, and what became of each file.
#[derive(Debug)]
struct Told {
    peak: u64,
    results: Vec<String>,
}

/// Works on all `files` at once on each of the roads in turn, with so many megabytes for pictures.
fn measure(files: &[Vec<u8>], roads: &[Road], megabytes: u32) -> Told {
    let folder = TempDir::new().unwrap();
    let mut case = format!("{megabytes}");
    for road in roads {
        match road {
            Road::Input => case.push_str(" input"),
            Road::Output(format) => write!(case, " {format}").unwrap(),
        }
    }
    for (n, file) in files.iter().enumerate() {
        let path = folder.path().join(n.to_string());
        fs::write(&path, file).unwrap();
        write!(case, " {}", path.display()).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ended =
        child.args([CHILD, "--exact", "--nocapture"]).env(CASE, case).env(ALLOCATOR.0, ALLOCATOR.1).output().unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    let lines = || text.lines().filter_map(|line| line.split_once("CASE ").map(|(_, told)| told));
    let peak =
        lines().find_map(|line| line.strip_prefix("peak ")).unwrap_or_else(|| panic!("{:?} {text}", ended.status));
    let results = lines().filter_map(|line| line.strip_prefix("result ").map(str::to_owned)).collect();
    Told { peak: peak.parse().unwrap(), results }
}

/// Does what the tests below ask of a process; by itself it is asked for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn worked_on_in_a_process_of_its_own() {
    let Ok(case) = std::env::var(CASE) else { return };
    let idle = peak();
    let mut words = case.split(' ');
    images::set_picture_memory(words.next().unwrap().parse().unwrap());
    let (files, roads): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('/'));
    for road in roads {
        let working = files.iter().map(|path| {
            let file = Bytes::from(fs::read(path).unwrap());
            tokio::spawn(go(file, road.to_owned()))
        });
        for worked in working.collect::<Vec<_>>() {
            println!("CASE result {}", worked.await.unwrap());
        }
    }
    println!("CASE peak {}", peak() - idle);
}

async fn go(file: Bytes, road: String) -> String {
    if let Ok(wanted) = road.parse() {
        return match images::prepare(file, wanted).await {
            Ok(Picture { format, width, height, .. }) => format!("{wanted}: {format} {width} x {height}"),
            Err(error) => format!("{wanted}: {error}"),
        };
    }
    let fitted = match images::check_input(file).await {
        Ok(picture) => images::fit_inputs(vec![picture], FITTING).await.map(|mut fitted| fitted.remove(0)),
        Err(error) => return format!("input: refused: {error}"),
    };
    match fitted {
        Ok(picture) => format!("input: {} {} x {}", picture.format, picture.width, picture.height),
        // What it had to be made smaller than is far too little for some.
        Err(error) => format!("input: taken, but {error}"),
    }
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Fails with all that were above it.
fn within(megabytes: u32, cases: &[(String, Told)]) {
    let bound = u64::from(megabytes) * 1_000_000 + SLACK;
    for (name, told) in cases {
        println!("{megabytes} MB: {name}: {} MB {:?}", told.peak / 1_000_000, told.results);
    }
    let above: Vec<_> = cases.iter().filter(|(_, told)| told.peak > bound).map(|(name, _)| name).collect();
    assert!(above.is_empty(), "above {megabytes} MB: {above:?}");
}

/// The pictures are smaller than what is sold, and so is the memory: a decoder that takes one byte a pixel more than is
/// counted for it shows.
#[test]
fn every_kind_on_every_road_stays_within_the_memory_for_pictures() {
    const SIZE: Size = (2_000, 1_500);
    for megabytes in [18, 36] {
        let cases: Vec<_> = KINDS
            .iter()
            .map(|kind| {
                let files = [1, 6].map(|turn| (kind.file)(SIZE, turn));
                (kind.name.to_owned(), measure(&files, &ROADS, megabytes))
            })
            .collect();
        within(megabytes, &cases);
    }
}

/// What `upscale` sells, and the few bytes that claim as much.
#[test]
fn the_largest_pictures_stay_within_what_each_program_has() {
    const SIZE: Size = (8_192, 8_192);
    const API: u32 = 300;
    const WORKER: u32 = 700;
    let attack = |turn| kinds::lossless_with_alpha(SIZE, turn);
    assert!(attack(6).len() < 100);
    let input = |turns: &[u8], megabytes| {
        let files: Vec<_> = turns.iter().map(|turn| attack(*turn)).collect();
        (format!("flat webp, turned {turns:?}"), measure(&files, &[Road::Input], megabytes))
    };
    within(API, &[input(&[1], API), input(&[6], API), input(&[6, 1, 6], API)]);
    within(WORKER, &[input(&[6], WORKER), input(&[1, 6], WORKER)]);

    let output = |colour: u8, files: usize| {
        let roads = [Png, Webp, Avif].map(Road::Output);
        (
            format!("png of colour {colour}"),
            measure(&vec![kinds::png(SIZE, (8, colour), false, 1); files], &roads, WORKER),
        )
    };
    let cases = [output(2, 2), output(6, 2)];
    within(WORKER, &cases);
    for (_, told) in &cases {
        for result in &told.results {
            assert!(result.ends_with("8192 x 8192"), "delivered: {result}");
        }
    }
}

#[test]
fn noise_and_avif_stay_within_the_memory_for_pictures() {
    const SIZE: Size = (1_400, 1_000);
    for megabytes in [60, 150] {
        let roads = [&ROADS[..], &[Road::Output(Avif)]].concat();
        let cases = [false, true].map(|alpha| {
            let name = format!("noise, alpha: {alpha}");
            (name, measure(&[kinds::noise(SIZE, alpha)], &roads, megabytes))
        });
        within(megabytes, &cases);
    }
}

/// A group of codes is ten bytes in the file, and 70 kB to the decoder.
#[test]
fn codes_of_a_lossless_webp_are_counted() {
    const SIZE: Size = (64, 64);
    const MEGABYTES: u32 = 36;
    let of = |groups| [kinds::lossless_with_codes(SIZE, groups), kinds::alpha_with_codes(SIZE, groups)];
    let few = measure(&of(100), &[Road::Input], MEGABYTES);
    assert_eq!(few.results, ["input: webp 64 x 64"; 2]);
    let many = measure(&of(4_000), &[Road::Input], MEGABYTES);
    assert!(
        many.results.iter().all(|result| result.starts_with("input: refused: the picture is too large")),
        "{many:?}"
    );
    within(MEGABYTES, &[("few".to_owned(), few), ("many".to_owned(), many)]);
}
