//! The API under a fuzzer that knows nothing of us but `openapi.yaml`: schemathesis sends it what the document allows
//! and what it forbids, as nobody and as a signed-in user. Every answer must be one that the document describes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use devstack::attack::{self, Target};
use devstack::test_stack::TestStack;
use tokio::process::Command;

use crate::foreign_tool::{checkout, command, end, folder, script};

/// What must hold of every answer. Not asked: whether a refusal was deserved. Our rules are finer than a schema.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// What the fuzzer draws from; the same cases at every run of the same document.
const SEED: u32 = 20_260_101;
/// Cases that are made up for each operation beside the systematic ones, and with `LONG`.
const EXAMPLES: u32 = 10;
const EXAMPLES_LONG: u32 = 100;
/// The variable that asks for the long form.
const LONG: &str = "SHOOTX_LONG";
/// How long a run may take. The short one takes seconds, the long one minutes.
const RUN_MAX: Duration = Duration::from_secs(1_200);
/// How long the API may take to answer, in seconds.
const ANSWER_MAX_S: &str = "10";

/// Cases of a run, at least: one that tried nothing would find nothing either.
const CASES_MIN: u32 = 1_000;

const NOTHING: &str = "no finding";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_stranger_is_one_that_the_document_describes() {
    let Some(fuzzer) = Fuzzer::new("stranger").await else { return };
    let stack = stack().await;
    let seen = fuzzer.findings(&stack, None).await;
    attack::is_met(Target::Tools, "the API fuzzed by its document, without a token", NOTHING, seen);
    stack.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_user_is_one_that_the_document_describes() {
    let Some(fuzzer) = Fuzzer::new("user").await else { return };
    let stack = stack().await;
    let user = stack.user().await;
    let seen = fuzzer.findings(&stack, Some(&user.signed_in.token)).await;
    attack::is_met(Target::Tools, "the API fuzzed by its document, as a signed-in user", NOTHING, seen);
    stack.reconcile().await;
}

/// The other tests say something only if this holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fuzzer_finds_an_answer_that_is_not_described() {
    let Some(fuzzer) = Fuzzer::new("incomplete").await else { return };
    let stack = stack().await;
    let mut document = stack.anonymous().get("/openapi.json").await.unwrap().expecting(200).body;
    let responses = &mut document["paths"]["/api/v1/credits"]["get"]["responses"];
    responses.as_object_mut().unwrap().remove("401").expect("strangers are refused");
    let incomplete = fuzzer.work.join("incomplete.json");
    std::fs::write(&incomplete, document.to_string()).unwrap();
    let mut run = fuzzer.run(&stack, &incomplete);
    run.args(["--include-path", "/api/v1/credits"]);
    let seen = end(run, RUN_MAX).await;
    let said = String::from_utf8_lossy(&seen.stdout);
    assert!(!seen.status.success() && said.contains("Undocumented status code"), "{said}");
}

/// The system as it is deployed, but for the rate: a fuzzer that is told to wait finds nothing.
async fn stack() -> TestStack {
    TestStack::builder().set("GENERATE_RATE_PER_MINUTE", "6000").set("GENERATIONS_OPEN_MAX", "10000").start().await
}

struct Fuzzer {
    program: PathBuf,
    /// A folder of its own: it keeps there what it finds, and reads settings from it.
    work: PathBuf,
}

impl Fuzzer {
    /// The program, if it can be had here.
    async fn new(name: &str) -> Option<Self> {
        let requirements = checkout().join("devstack/schemathesis");
        let environment = script("python-env", &[requirements.as_os_str()]).await?;
        let program = PathBuf::from(environment.trim_end()).join("bin/schemathesis");
        Some(Self { program, work: folder(&format!("schemathesis-{name}")) })
    }

    fn run(&self, stack: &TestStack, document: &Path) -> Command {
        let examples = if std::env::var_os(LONG).is_some_and(|long| long == "1") { EXAMPLES_LONG } else { EXAMPLES };
        let mut run = command(&self.program, &self.work);
        run.arg("run").arg(document).args(["--url", stack.api_url.as_str().trim_end_matches('/'), "--checks", CHECKS]);
        run.args(["--seed", &SEED.to_string(), "--max-examples", &examples.to_string(), "--continue-on-failure"]);
        run.args(["--generation-database", "none", "--request-timeout", ANSWER_MAX_S]);
        run.args(["--suppress-health-check", "all", "--no-color"]);
        run
    }

    /// What it has to say of the API as the committed document describes it: [`NOTHING`], or all of it.
    async fn findings(&self, stack: &TestStack, token: Option<&str>) -> String {
        let mut run = self.run(stack, &checkout().join("openapi.yaml"));
        if let Some(token) = token {
            run.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let output = end(run, RUN_MAX).await;
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && cases(&said) >= CASES_MIN {
            return NOTHING.to_owned();
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        // Rows are kept, and a token is nothing to keep.
        format!("{said}{complaint}").replace(token.unwrap_or("no token"), "…")
    }
}

/// How many cases were tried, by the line of its summary: `2115 generated, 2115 passed`.
fn cases(said: &str) -> u32 {
    let line = said.lines().find_map(|line| line.trim().split_once(" generated, "));
    line.and_then(|(cases, _)| cases.parse().ok()).unwrap_or_default()
}
