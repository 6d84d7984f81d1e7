//! What a system that is well, on one machine and for a minute, does not show.

/// A metric, and why its queries may find nothing.
const EXCUSES: [(&str, &str); 11] = [
    ("shootx_tls_certificate_not_after_seconds", "the API speaks plain HTTP here"),
    ("shootx_http_connections_ended_total", "there is room, and nobody is slow"),
    ("shootx_http_drains_total", "no request is refused while its body is sent"),
    ("shootx_leases_lost_total", "no worker loses a run"),
    ("shootx_statement_errors_total", "no statement fails"),
    ("shootx_mails_total", "no mail server is set"),
    ("shootx_mail_seconds", "no mail server is set"),
    ("shootx_cleanup_removed_total", "nothing is old"),
    ("shootx_cleanup_removed_bytes_total", "nothing is old"),
    ("shootx_trace_spans_total", "no collector of traces is set"),
    ("shootx_input_fetch_seconds", "there may be no way out to a customer's address"),
];

/// Why `query` may find nothing, if it may.
pub(super) fn excuse(query: &str) -> Option<&'static str> {
    EXCUSES.iter().find(|(metric, _)| query.contains(metric)).map(|(_, excuse)| *excuse)
}
