//! The corpora, and mutations of them.

use devstack::corpus;

use super::{token, webhook_body};

#[test]
fn no_token_is_let_in_that_nobody_signed() {
    corpus::replay("token", 2_000, token);
}

#[test]
fn no_body_of_a_webhook_breaks_its_reader() {
    corpus::replay("webhook_body", 4_000, webhook_body);
}
