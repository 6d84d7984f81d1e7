//! The signature of the provider's webhooks, `Stripe-Signature: t=<unix s>,v1=<hex>[,v1=<hex>]`: an HMAC-SHA256 of
//! `"{t}.{body}"` under the endpoint's secret. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far the time of a signature may lie from now, in either direction.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Parts of the header that are looked at.
const PARTS_MAX: usize = 16;

/// Whether one of `secrets` signed this body at about `now`.
#[must_use]
pub fn is_signed(header: &str, body: &[u8], secrets: &[SecretString], now: DateTime<Utc>) -> bool {
    let parts = || header.split(',').take(PARTS_MAX).filter_map(|part| part.trim().split_once('='));
    let mut times = parts().filter(|(name, _)| *name == "t").map(|(_, value)| value);
    let (Some(time), None) = (times.next(), times.next()) else { return false };
    let signed_at = time.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if signed_at.is_none_or(|signed_at| (now - signed_at).abs() > TOLERANCE) {
        return false;
    }
    let signatures: Vec<Vec<u8>> =
        parts().filter(|(name, _)| *name == "v1").filter_map(|(_, value)| bytes_of_hex(value)).collect();
    secrets.iter().any(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("keys of any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    })
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `hmac.new(b"whsec_test_secret", b"1492774577.{}", "sha256").hexdigest()`.
    const SIGNED: &str = "t=1492774577,v1=53140ab8fa70c511cc40d5c9198af7dde7bbaee877038c056d8250c3bd3b2e11";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    fn secrets(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|secret| SecretString::from(*secret)).collect()
    }

    #[test]
    fn any_of_the_secrets_may_have_signed() {
        let now = at(1_492_774_577);
        assert!(is_signed(SIGNED, b"{}", &secrets(&["whsec_test_secret"]), now));
        assert!(is_signed(SIGNED, b"{}", &secrets(&["whsec_new", "whsec_test_secret"]), now));
        assert!(is_signed(&SIGNED.replace(",v1=", ",v1=00,v0=ab,v1="), b"{}", &secrets(&["whsec_test_secret"]), now));
        assert!(!is_signed(SIGNED, b"{}", &secrets(&["whsec_new"]), now));
        assert!(!is_signed(SIGNED, b"{}", &[], now));
    }

    #[test]
    fn another_body_or_time_is_not_signed() {
        let secrets = secrets(&["whsec_test_secret"]);
        assert!(!is_signed(SIGNED, b"{ }", &secrets, at(1_492_774_577)));
        assert!(!is_signed(&SIGNED.replace("t=1492774577", "t=1492774578"), b"{}", &secrets, at(1_492_774_577)));
        assert!(is_signed(SIGNED, b"{}", &secrets, at(1_492_774_577 + 300)));
        assert!(is_signed(SIGNED, b"{}", &secrets, at(1_492_774_577 - 300)));
        assert!(!is_signed(SIGNED, b"{}", &secrets, at(1_492_774_577 + 301)));
        assert!(!is_signed(SIGNED, b"{}", &secrets, at(1_492_774_577 - 301)));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let secrets = secrets(&["whsec_test_secret"]);
        let twice = format!("t=1492774577,{SIGNED}");
        let cut = &SIGNED[..SIGNED.len() - 2];
        let v0 = SIGNED.replace("v1", "v0");
        for header in
            ["", "t=1492774577", "v1=ab", "t=,v1=", "t=9999999999999999999,v1=ab", &twice, cut, &v0, "t=1,v1=é1"]
        {
            assert!(!is_signed(header, b"{}", &secrets, at(1_492_774_577)), "{header}");
        }
    }
}
