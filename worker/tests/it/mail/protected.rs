//! The way to a mail server that is not on this machine: encrypted and to the right one, or not taken.

use std::process::{Command, Stdio};

use devstack::attack::{self, Target};
use devstack::test_stack::TestStack;
use shared::config::{MailSecurity, MailServer as Server};
use shared::mail::Mailer;
use tempfile::TempDir;

use super::server::MailServer;
use super::{builder, gathered, generation, states};
use crate::processes::{PATIENCE, Worker, until};

const LOGIN: &str = "shootx:a%20password%3A%20100%25";

/// A certificate for this machine that nobody vouches for, and its key.
fn certificate(folder: &TempDir) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    [("certificate.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// What comes of a mail that is sent to this server under these settings.
async fn outcome(server: &mut MailServer, security: MailSecurity) -> String {
    let mut stack = builder(server).start().await;
    let mut settings = stack.config.mail.clone().unwrap();
    settings.server = Server { security, login: Some(("u".to_owned(), "p".to_owned().into())), ..settings.server };
    stack.worker.mailer = Some(Mailer::new(&settings, &stack.config.public_url).unwrap());
    let user = stack.user().await;
    generation(&stack, &user).await;
    gathered(&stack).await;
    let states: Vec<String> = states(&stack, &user).await.into_iter().map(|(state, _)| state).collect();
    stack.reconcile().await;
    format!("{} in {} dialogues with {} logins", states.join(" "), server.dialogues(), server.logins().len())
}

#[tokio::test]
async fn neither_password_nor_address_is_said_to_a_server_that_is_not_known_by_its_certificate() {
    let folder = TempDir::new().unwrap();
    let [certificate, key] = certificate(&folder);
    for (attack, arguments, security) in [
        ("takes STARTTLS out of what it offers", vec![], MailSecurity::StartTls),
        (
            "has a certificate that nobody vouches for, after STARTTLS",
            vec![&*certificate, &*key, "starttls"],
            MailSecurity::StartTls,
        ),
        ("has a certificate that nobody vouches for", vec![&*certificate, &*key], MailSecurity::Tls),
        ("speaks no TLS at all", vec![], MailSecurity::Tls),
    ] {
        let Some(mut server) = MailServer::start_with(&arguments) else { return };
        attack::is_met(
            Target::Transport,
            format!("a mail server that {attack}"),
            "waiting in 0 dialogues with 0 logins",
            outcome(&mut server, security).await,
        );
    }
}

#[tokio::test]
async fn a_worker_process_logs_in_to_a_server_that_it_knows_and_sends() {
    let folder = TempDir::new().unwrap();
    let [certificate, key] = certificate(&folder);
    let Some(mut server) = MailServer::start_with(&[&certificate, &key]) else { return };
    let address = format!("smtps://{LOGIN}@127.0.0.1:{}", server.port);
    let stack = builder(&server).set("SMTP_URL", &address).start().await;
    let user = stack.user().await;
    generation(&stack, &user).await;
    stack.advance(std::time::Duration::from_secs(66)).await;
    due_now(&stack).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_shootx-worker"));
    command.env_clear().envs(&stack.worker_environment);
    command.env("METRICS_BIND", "127.0.0.1:0").env("SSL_CERT_FILE", &certificate);
    let _worker = Worker(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("the mail is sent", PATIENCE, async || !server.mails().is_empty()).await;
    until("it is written down", PATIENCE, async || states(&stack, &user).await == super::state("sent", 1)).await;
    assert_eq!(server.logins(), ["shootx"]);
    assert_eq!(server.mails().len(), 1);
    stack.reconcile().await;
}

/// The queue goes by its own clock, which no test moves.
async fn due_now(stack: &TestStack) {
    sqlx::query("update apalis.jobs set run_at = now() where job_type = 'notify'")
        .execute(stack.database.pool())
        .await
        .unwrap();
}
