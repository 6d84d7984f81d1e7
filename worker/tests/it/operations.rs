//! Runs the worker's commands as operators do.

use std::process::{Command, Output};

use devstack::builders::model;
use devstack::test_stack::TestStack;
use simulators::RunPodFault;
use simulators::runpod::JobFault;

use crate::processes::{PATIENCE, Worker, until};

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) said: String,
    pub(crate) complained: String,
}

/// Runs `shootx-worker` with these arguments on the stack's database.
pub(crate) fn operate(stack: &TestStack, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shootx-worker"));
    let Output { status, stdout, stderr } =
        command.env_clear().envs(&stack.worker_environment).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), said: text(stdout), complained: text(stderr) }
}

#[tokio::test]
async fn what_happened_to_a_generation_and_why_it_was_refunded_is_one_command_each() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    stack.runpod.script(RunPodFault::new(JobFault::NoOutput).always().prompt_contains("nothing"));
    let accepted = user.generate(&model().prompt("nothing").build()).await.unwrap().expecting(202);
    let (id, request_id) = (accepted.generation_id().to_string(), accepted.header("x-request-id").to_owned());
    stack.finish(&user, accepted.generation_id()).await;

    let told = operate(&stack, &["explain", &id]);
    assert_eq!(told.code, 0, "{told:?}");
    for part in [
        &*format!("generation {id}: model of user {}, failed", user.id()),
        &request_id,
        "failed with no_output",
        "generation of -2 credits",
        "provider job",
        "refund of 2 credits",
    ] {
        assert!(told.said.contains(part), "{part} is not in\n{}", told.said);
    }
    assert!(!told.said.contains("nothing"), "what she asked for is hers:\n{}", told.said);
    let listed = operate(&stack, &["refunds", &user.id().to_string()]);
    assert!(listed.said.contains(&format!("2 credits of 2 for generation {id}: no_output: ")), "{listed:?}");
    let as_json: serde_json::Value = serde_json::from_str(&operate(&stack, &["explain", &id, "--json"]).said).unwrap();
    assert_eq!(as_json["stage"], "failed");

    let nobody = uuid::Uuid::nil().to_string();
    assert_eq!(operate(&stack, &["explain", &nobody]).code, 1);
    assert!(operate(&stack, &["refunds", &nobody]).said.contains("was never refunded"));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_system_without_workers_is_not_well_and_with_one_it_is() {
    let stack = TestStack::new().await;
    let without = operate(&stack, &["health"]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(without.said.contains("NOT  workers") && without.said.contains("NOT  books"), "{without:?}");

    let _worker = Worker::spawn(&stack, "127.0.0.1:0", std::process::Stdio::null());
    until("all is well", PATIENCE, async || operate(&stack, &["health"]).code == 0).await;
    let well: serde_json::Value = serde_json::from_str(&operate(&stack, &["health", "--json"]).said).unwrap();
    assert!(well.as_array().unwrap().iter().all(|check| check["is_well"] == true), "{well}");
}
