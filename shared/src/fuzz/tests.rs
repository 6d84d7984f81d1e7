//! The corpora, and mutations of them.

use devstack::corpus;

use super::{picture, request, runpod_answer, webhook_query};

#[test]
fn no_query_of_a_webhook_is_taken_but_those_we_sign() {
    corpus::replay("webhook_query", 4_000, webhook_query);
}

#[test]
fn no_answer_of_the_provider_breaks_its_reader() {
    corpus::replay("runpod_answer", 4_000, runpod_answer);
}

#[test]
fn no_file_breaks_the_check_of_pictures() {
    corpus::replay("picture", 4_000, picture);
}

#[test]
fn no_request_reaches_the_structure_of_a_graph() {
    corpus::replay("request", 4_000, request);
}
