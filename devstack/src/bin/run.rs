//! `make run`: boots the system and stays up until Ctrl-C or `make stop`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use devstack::builders::{model, request};
use devstack::client::SignedIn;
use devstack::samples::Sample;
use devstack::shop;
use devstack::stack::{Interrupt, Stack, StackOptions, local};
use image::ImageFormat;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long the simulated RunPod takes for a generation.
const GENERATION_TIME: Duration = Duration::from_secs(8);
/// The token in `.local/token` is made anew this often: it lives for an hour.
const TOKEN_EVERY: Duration = Duration::from_mins(30);
/// The side of the picture that may be uploaded.
const PICTURE_SIDE: u32 = 640;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let mut interrupt = Interrupt::listen()?;
    let pid_file = PidFile::write()?;
    println!("Booting the system on this machine ...");
    let options = StackOptions { keep: true, generation_time: GENERATION_TIME };
    let report = |part: &str, took: Duration| println!("  {part:<18} ready in {:.1} s", took.as_secs_f64());
    let mut stack = tokio::select! {
        stack = Stack::start(options, report) => stack?,
        () = interrupt.asked() => bail!("interrupted"),
    };
    let lived = async {
        let user = welcome(&stack).await?;
        let auth = stack.auth.clone();
        tokio::select! {
            obituary = stack.ended() => bail!("{obituary}"),
            failed = renew_token(auth, user) => failed,
            () = interrupt.asked() => Ok(()),
        }
    }
    .await;
    println!("\nStopping ...");
    stack.stop().await;
    drop(pid_file);
    lived
}

/// Makes a user and a first generation, and prints everything needed to go on by hand.
async fn welcome(stack: &Stack) -> anyhow::Result<SignedIn> {
    let user = stack.auth.sign_up().await?;
    let token_file = keep_token(&user)?;
    let picture = keep_picture()?;
    let accepted = stack.client(&user.token)?.generate(&model().build()).await?;
    ensure!(accepted.status.as_u16() == 202, "the first generation was refused: {}", accepted.body);
    println!();
    for (name, address) in &stack.addresses {
        println!("{name:<18} {address}");
    }
    println!("{:<18} {} / {}", "user", user.email, user.password);
    println!("{:<18} {}", "token", user.token);
    println!("{:<18} {}, renewed while this runs\n", "token, kept in", token_file.display());
    for (what, line) in curl_lines(stack, &user, [&token_file, &picture], accepted.generation_id()) {
        println!("# {what}\n{line}\n");
    }
    println!("Ctrl-C or `make stop` ends it.");
    Ok(user)
}

/// What can be pasted, in this order.
fn curl_lines(
    stack: &Stack,
    user: &SignedIn,
    [token_file, picture]: [&Path; 2],
    generation_id: Uuid,
) -> [(&'static str, String); 6] {
    let api = stack.api_url.as_str().trim_end_matches('/');
    let curl = format!("curl -s -H \"Authorization: Bearer $(cat '{}')\"", token_file.display());
    let generate =
        |body: Value| format!("{curl} -H 'Content-Type: application/json' -d '{body}' {api}/api/v1/generate");
    let pack = json!({ "pack_id": shop::STARTER.0 });
    let buy = format!("{curl} -H 'Content-Type: application/json' -d '{pack}' {api}/api/v1/credits/purchase");
    let (upload, path) = stack.auth.upload_address(user, "bottle.jpg");
    // The simulator's key is no secret; a real one is not printed.
    let is_real = std::env::var_os("SUPABASE_URL").is_some_and(|url| !url.is_empty());
    let api_key = if is_real { "$SUPABASE_SERVICE_KEY" } else { &stack.auth.api_key };
    let upload = format!(
        "{curl} -H \"apikey: {api_key}\" -H 'Content-Type: image/jpeg' --data-binary '@{}' {upload}",
        picture.display(),
    );
    [
        ("A generation: a model.", generate(model().build())),
        (
            "How the first one stands, which has been made already.",
            format!("{curl} {api}/api/v1/status/{generation_id}"),
        ),
        ("A picture of one's own, uploaded once as browsers do it.", upload),
        ("A generation that uses it.", generate(request("resize").picture("input_image", path).build())),
        ("What can be spent.", format!("{curl} {api}/api/v1/credits")),
        ("More of it: the address in the answer is a page with a button that pays.", buy),
    ]
}

/// A picture to upload.
fn keep_picture() -> anyhow::Result<PathBuf> {
    let path = local().join("bottle.jpg");
    std::fs::write(&path, Sample::Bottle.file(PICTURE_SIDE, ImageFormat::Jpeg))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

fn keep_token(user: &SignedIn) -> anyhow::Result<PathBuf> {
    let path = local().join("token");
    std::fs::write(&path, &user.token).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

/// Keeps `.local/token` usable. Ends only when that cannot be done any more.
async fn renew_token(auth: devstack::client::Auth, mut user: SignedIn) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(TOKEN_EVERY).await;
        user = auth.sign_in(&user).await?;
        keep_token(&user)?;
    }
}

/// `.local/run.pid`: who `make stop` stops. Removed when this is dropped.
struct PidFile(PathBuf);

impl PidFile {
    fn write() -> anyhow::Result<Self> {
        let dir = local();
        std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let path = dir.join("run.pid");
        if let Ok(pid) = std::fs::read_to_string(&path) {
            ensure!(
                !Path::new("/proc").join(pid.trim()).exists(),
                "it runs already (process {}): `make stop` stops it",
                pid.trim()
            );
        }
        std::fs::write(&path, std::process::id().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
