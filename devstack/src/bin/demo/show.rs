//! What the demo shows, in its order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use devstack::books;
use devstack::builders::model;
use devstack::client::{Client, SignedIn};
use devstack::contact_sheet::{Section, Tile, contact_sheet};
use devstack::stack::{Stack, local};
use simulators::RunPodFault;
use simulators::runpod::JobFault;

use super::delivery::{Delivery, deliver, generate};
use super::progress::Progress;
use super::requests::{self, Inputs};
use super::{billing, check, table};

/// Marks the request that is made to fail.
const DOOMED: &str = "a hand with seven fingers";

/// Shows it all. `all` runs every workflow even where they cost GPU time.
///
/// # Errors
/// Anything that is not as it should be.
pub(super) async fn show(stack: &Stack, all: bool) -> anyhow::Result<()> {
    let user = stack.auth.sign_up().await?;
    let client = stack.client(&user.token)?;
    println!("\nSigned up {}, who has {} credits.", user.email, client.balance().await?);

    let (deliveries, sent) = if stack.runpod().is_some() || all {
        let inputs = Inputs::prepare(&stack.auth, &user).await?;
        (run_all(&client, &user, &inputs).await?, inputs.files)
    } else {
        println!("\nRunPod is the real one: only `model` is run there. `--all` runs the other nine, too.");
        (vec![deliver(&client, &Progress::new(), requests::model()).await?], Vec::new())
    };
    let mut dialects = Vec::with_capacity(deliveries.len());
    for delivery in &deliveries {
        dialects.push(books::dialect(&stack.pool, delivery.generation_id).await?);
    }
    println!("\n{}", table::table(&deliveries, &dialects));
    let sheet = save(&deliveries, sent).await?;
    println!("The outputs are in {}, and all of them on", sheet.parent().unwrap_or(&sheet).display());
    println!("  {}", sheet.display());
    let faults = check::faults(&deliveries);
    ensure!(faults.is_empty(), "not what was asked for:\n  {}", faults.join("\n  "));

    fail_one(stack, &client).await?;

    let user = billing::buy_and_subscribe(stack, user).await?;
    println!("\nThe statement:\n{}", billing::statement(&stack.client(&user.token)?).await?);
    let differences = shared::ledger::reconcile(&stack.pool).await?;
    ensure!(differences.is_empty(), "the books do not balance: {differences:?}");
    println!("Every balance is the sum of its entries, and nothing was charged that was not delivered.");
    Ok(())
}

/// All workflows at once, but for the garment, which waits for its model.
async fn run_all(client: &Client, user: &SignedIn, inputs: &Inputs) -> anyhow::Result<Vec<Delivery>> {
    let others = inputs.requests();
    println!("\nAll ten workflows at once; the garment is put on the first of the models as soon as she is made.");
    let (begun, progress) = (Instant::now(), Progress::new());
    let dressed = async {
        let model = deliver(client, &progress, requests::model()).await?;
        let request = inputs.tryon(user, model.generation_id);
        Ok::<_, anyhow::Error>([model, deliver(client, &progress, request).await?])
    };
    let others = futures::future::join_all(others.into_iter().map(|request| deliver(client, &progress, request)));
    let (dressed, others) = tokio::join!(dressed, others);
    let mut deliveries = Vec::with_capacity(others.len() + 2);
    let mut failures = Vec::new();
    match dressed {
        Ok(dressed) => deliveries.extend(dressed),
        Err(error) => failures.push(format!("{error:#}")),
    }
    for delivery in others {
        match delivery {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n  "));
    let place = |delivery: &Delivery| {
        let position = |kind: &shared::workflow::Workflow| kind.kind.as_str() == delivery.request.workflow;
        shared::workflow::CATALOGUE.iter().position(position)
    };
    deliveries.sort_by_key(place);
    println!("  {} generations in {:.1} s", deliveries.len(), begun.elapsed().as_secs_f64());
    Ok(deliveries)
}

/// A generation that RunPod fails, and its refund.
async fn fail_one(stack: &Stack, client: &Client) -> anyhow::Result<()> {
    let Some(runpod) = stack.runpod() else {
        println!("\nRunPod is the real one: no failure is forced there.");
        return Ok(());
    };
    println!("\nA generation that RunPod fails, as scripted for this one.");
    let fault = JobFault::ProductError { code: "INVALID_INPUT".to_owned(), form: Default::default() };
    runpod.script(RunPodFault::new(fault).prompt_contains(DOOMED));
    let before = client.balance().await?;
    let label = "model".to_owned();
    let failed = generate(client, &Progress::new(), label, &model().prompt(DOOMED).build()).await?;
    ensure!(failed.status["status"] == "failed", "the generation was to fail: {}", failed.status);
    println!("  the user is told: {}", failed.status["error"].as_str().unwrap_or_default());
    let after = client.balance().await?;
    ensure!(before == after, "a failed generation was not refunded: {before} credits before, {after} after");
    Ok(())
}

/// Writes all outputs to `.local/demo/` and answers where the picture of all of them is.
async fn save(deliveries: &[Delivery], sent: Vec<(&'static str, Vec<u8>)>) -> anyhow::Result<PathBuf> {
    let dir = local().join("demo");
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    remove_earlier(&dir)?;
    let write = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        anyhow::Ok(path)
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut made = Vec::new();
    for delivery in deliveries {
        let workflow = delivery.request.workflow;
        for output in &delivery.outputs {
            let number = counts.entry(workflow).or_default();
            *number += 1;
            write(format!("{workflow}-{number}.{}", delivery.request.format.ext()), output)?;
            made.push(Tile { name: format!("{workflow} {number}"), bytes: output.clone() });
        }
    }
    let title = format!("ShootX demo: {} outputs of {} workflows", made.len(), counts.len());
    let sent = sent.into_iter().map(|(name, bytes)| Tile { name: name.to_owned(), bytes }).collect();
    let sections = [("What came out", made), ("What went in", sent)]
        .map(|(heading, tiles)| Section { heading: heading.to_owned(), tiles });
    let draw = move || {
        let filled: Vec<_> = sections.into_iter().filter(|section| !section.tiles.is_empty()).collect();
        contact_sheet(&title, &filled)
    };
    let sheet = tokio::task::spawn_blocking(draw).await.context("the contact sheet cannot be drawn")?;
    write("contact-sheet.png".to_owned(), &sheet)
}

/// Removes the files of the last demo; another number of outputs would leave some of them among the new ones.
fn remove_earlier(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))? {
        let path = entry?.path();
        if path.is_file() {
            std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
    }
    Ok(())
}
