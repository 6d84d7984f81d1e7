//! When the certificate ends that the API shows: an alert wants to know before it does.

use metrics::gauge;
use shared::telemetry::names;
use x509_parser::pem::Pem;

/// Shows the end of the first of the certificates in `pem`, which is the server's own.
pub(crate) fn show_end(pem: &[u8]) {
    if let Some(end) = not_after(pem) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are less than 2^53")]
        gauge!(names::TLS_CERTIFICATE_NOT_AFTER_SECONDS).set(end as f64);
    }
}

/// Seconds since 1970; none for what is no certificate, which the TLS library then refuses in its own words.
fn not_after(pem: &[u8]) -> Option<i64> {
    let first = Pem::iter_from_buffer(pem).next()?.ok()?;
    Some(first.parse_x509().ok()?.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::not_after;

    #[test]
    fn the_end_of_a_certificate_is_read_and_what_is_none_has_none() {
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
        parameters.not_after = rcgen::date_time_ymd(2031, 5, 4);
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        assert_eq!(not_after(pem.as_bytes()), Some(1_935_619_200));
        assert_eq!(not_after(b"no certificate"), None);
    }
}
