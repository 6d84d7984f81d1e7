//! `Stripe-Signature`: `t=<unix>,v1=<hex>[,v1=<hex>]`, each an HMAC-SHA256 of `"{t}.{body}"` under one of the endpoint's secrets.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// The header for a body that is sent at `time`. The whole secret is the key, its `whsec_` too.
pub(super) fn header(secrets: &[String], time: i64, body: &str) -> String {
    let mut header = format!("t={time}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        header.push_str(",v1=");
        for byte in tag.as_ref() {
            // Writing to a text cannot fail.
            let _ = write!(header, "{byte:02x}");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_signs_once() {
        // RFC 4231 has no case with a dot in it; this one was computed with another implementation.
        let one = header(&["whsec_test_secret".to_owned()], 1_492_774_577, "{}");
        let two = header(&["whsec_test_secret".to_owned(), "whsec_b".to_owned()], 1_492_774_577, "{}");
        assert_eq!(one, "t=1492774577,v1=53140ab8fa70c511cc40d5c9198af7dde7bbaee877038c056d8250c3bd3b2e11");
        assert!(two.starts_with(&one) && two.matches(",v1=").count() == 2);
    }
}
