//! Stripe's own Python client against the payment simulator. Skipped where the package cannot be had.

use std::path::Path;

use simulators::{PaymentsOptions, PaymentsSim};
use tokio::process::Command;

use crate::installed::{installed, say_skipped};

#[tokio::test(flavor = "multi_thread")]
async fn stripes_own_client_is_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("genuine/stripe");
    let python = match installed("python-env", &[folder.as_os_str()]) {
        Ok(made) => Path::new(&made).join("bin/python"),
        Err(reason) => return say_skipped("stripes_own_client_is_served", &reason),
    };
    let sim = PaymentsSim::start(PaymentsOptions::default()).unwrap();
    let ran = Command::new(python)
        .arg(folder.join("client.py"))
        .args([sim.url(), sim.secret_key().to_owned(), sim.webhook_secrets().remove(0)])
        // Nothing of the user's own configuration, and nothing written beside the sources.
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("all as it should be"), "{said}");
}
