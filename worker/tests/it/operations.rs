//! Runs the worker's commands as operators do.

use std::process::{Command, Output};

use devstack::test_stack::TestStack;

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
