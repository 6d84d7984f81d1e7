//! What others make of `openapi.yaml`: its linter, three generators of clients, and our TypeScript client, which runs one
//! generation of each workflow. Tools that cannot be installed here are named, and their tests skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use devstack::shop;
use devstack::test_stack::TestStack;
use tokio::process::{Child, Command};

use crate::foreign_tool::{checkout, command, folder, output, script};

/// Rounds of the worker while a client's program runs, and how long each listens for its end.
const ROUNDS_MAX: u32 = 2_000;
const ROUND: Duration = Duration::from_millis(50);
/// What a round moves the clock by.
const ROUND_STEP: Duration = Duration::from_secs(1);
/// Modules of the client in Python, at least: a file for each schema and operation.
const PYTHON_MODULES_MIN: usize = 60;

/// A copy of our client with its modules beside it.
async fn typescript(name: &str) -> Option<PathBuf> {
    let work = folder(name);
    let client = checkout().join("clients/typescript");
    script("node-env", &[client.as_os_str(), work.as_os_str()]).await.map(|_| work)
}

fn tool(work: &Path, name: &str) -> Command {
    command(work.join("node_modules/.bin").join(name), work)
}

/// A copy of our client, compiled: its types fit together.
async fn compiled(name: &str) -> Option<PathBuf> {
    let work = typescript(name).await?;
    let mut compile = tool(&work, "tsc");
    compile.args(["--outDir", "compiled"]);
    output(compile).await;
    Some(work)
}

#[tokio::test]
async fn the_linter_has_nothing_to_say_about_the_document() {
    script("lint-document", &[]).await;
}

#[tokio::test]
async fn the_committed_types_are_those_of_the_document() {
    let Some(now) = script("client-schema", &[]).await else { return };
    let committed = std::fs::read_to_string(checkout().join("clients/typescript/src/schema.d.ts")).unwrap();
    assert!(committed == now, "clients/typescript/src/schema.d.ts is stale: run `make client`");
}

#[tokio::test]
async fn our_client_runs_each_of_the_ten_workflows() {
    let Some(work) = compiled("ten-workflows").await else { return };

    // Four of them over worker-comfyui, so that both dialects answer the same client.
    let stack = TestStack::builder().graphs().start().await;
    let user = stack.user().await;
    let mut program = command("node", &work);
    program.arg("compiled/test/ten-workflows.js").stdout(Stdio::piped()).stderr(Stdio::piped());
    program.env("SHOOTX_URL", stack.api_url.as_str().trim_end_matches('/'));
    program.env("SHOOTX_TOKEN", &user.signed_in.token).env("SHOOTX_USER_ID", user.id().to_string());
    let said = working(&stack, program.spawn().unwrap()).await;

    let delivered: BTreeMap<String, String> = serde_json::from_str(&said).unwrap();
    let expected = [
        ("background", "avif"),
        ("color_change", "jpg"),
        ("graphic_transfer", "webp"),
        ("lifestyle", "webp"),
        ("model", "png"),
        ("poster", "png"),
        ("resize", "png"),
        ("tryon", "webp"),
        ("upscale", "jpg"),
        ("video", "mp4"),
    ];
    assert!(delivered.iter().map(|(workflow, format)| (workflow.as_str(), format.as_str())).eq(expected), "{said}");
    stack.reconcile().await;
}

#[tokio::test]
async fn our_client_charges_once_however_many_answers_are_lost() {
    let Some(work) = compiled("lost-answers").await else { return };
    let stack = TestStack::builder().set("GENERATE_RATE_PER_MINUTE", "6000").start().await;
    let plans = shop::stock(stack.database.pool()).await.unwrap();
    let user = stack.user().await;
    let mut program = command("node", &work);
    program.arg("compiled/test/lost-answers.js");
    program.env("SHOOTX_URL", stack.api_url.as_str().trim_end_matches('/'));
    program.env("SHOOTX_TOKEN", &user.signed_in.token);
    program.env("SHOOTX_PACK", shop::STARTER.0).env("SHOOTX_PLAN", plans.monthly.to_string());
    let intents: i64 = output(program).await.trim().parse().unwrap();

    // Every other request was a repeat.
    let charged = "select count(*) from public.credit_transactions where generation_id is not null and amount < 0";
    let charged: i64 = sqlx::query_scalar(charged).fetch_one(stack.database.pool()).await.unwrap();
    assert_eq!(charged, intents + 1, "the last one is made after the others are counted");
    stack.reconcile().await;
}

/// Works and lets time pass for as long as the program runs; what it has printed.
async fn working(stack: &TestStack, mut program: Child) -> String {
    for _ in 0..ROUNDS_MAX {
        stack.drain().await;
        if tokio::time::timeout(ROUND, program.wait()).await.is_ok() {
            let output = program.wait_with_output().await.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return String::from_utf8(output.stdout).unwrap();
        }
        stack.advance(ROUND_STEP).await;
    }
    panic!("the program does not end");
}

#[tokio::test]
async fn our_client_waits_repeats_and_refuses_as_it_says() {
    let Some(work) = compiled("client").await else { return };
    let mut tests = command("node", &work);
    tests.args(["--test", "compiled/test/client.test.js"]);
    output(tests).await;
}

#[tokio::test]
async fn hey_api_makes_a_client_that_compiles() {
    let Some(work) = typescript("hey-api").await else { return };
    let mut generate = tool(&work, "openapi-ts");
    generate.arg("--input").arg(checkout().join("openapi.yaml")).args(["--output", "generated"]);
    generate.args(["--plugins", "@hey-api/client-fetch", "@hey-api/sdk", "@hey-api/typescript"]);
    output(generate).await;
    let made = std::fs::read_to_string(work.join("generated/sdk.gen.ts")).unwrap();
    assert!(made.contains("export const createGeneration"), "{made}");
    let mut compile = tool(&work, "tsc");
    compile.args(["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", "node"]);
    compile.args(["--module", "esnext", "--moduleResolution", "bundler", "generated/index.ts"]);
    output(compile).await;
}

#[tokio::test]
async fn openapi_python_client_makes_a_client_that_imports() {
    let check = checkout().join("clients/python-check");
    let Some(environment) = script("python-env", &[check.as_os_str()]).await else { return };
    let programs = PathBuf::from(environment.trim_end()).join("bin");
    let work = folder("python");
    // It formats what it writes with a program of its own, which it looks for in PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs.clone()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut generate = command(programs.join("openapi-python-client"), &work);
    generate.env("PATH", path).args(["generate", "--meta", "none", "--output-path", "shootx_client"]);
    generate.args(["--fail-on-warning", "--path"]).arg(checkout().join("openapi.yaml"));
    output(generate).await;
    let mut compile = command(programs.join("python"), &work);
    compile.args(["-m", "compileall", "-q", "shootx_client"]);
    output(compile).await;
    let mut import = command(programs.join("python"), &work);
    import.arg(check.join("check.py")).arg(&work).arg("shootx_client").env("PYTHONDONTWRITEBYTECODE", "1");
    let modules: usize = output(import).await.trim().parse().unwrap();
    assert!(modules >= PYTHON_MODULES_MIN, "{modules}");
}
