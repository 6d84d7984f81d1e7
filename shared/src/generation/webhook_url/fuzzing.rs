//! Queries of webhook links, as any bytes. Pure.

use chrono::DateTime;
use secrecy::SecretString;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::{BadSignature, WebhookRef, build, verify};
use crate::ids::GenerationId;

/// What signs the links of the corpus.
const SECRET: &str = "a webhook secret of fuzzing that is long enough";

/// Whether it was taken.
///
/// # Panics
/// When a link is taken that is not, letter by letter, the one we make; or one of ours is not.
pub fn target(bytes: &[u8]) -> bool {
    let secrets = [SecretString::from(SECRET.to_owned())];
    let base = Url::parse("https://api.example.com").expect("valid");
    let given = parts(bytes);
    let [g, a, e, s] = &given;
    let taken = verify(&secrets, g, a, e, s);
    if let Ok(link) = &taken {
        assert_eq!(parts_of(&build(&base, &secrets, link)), given, "taken, but not as it was made");
    }
    if let Some(link) = any_link(bytes) {
        let own = parts_of(&build(&base, &secrets, &link));
        let [g, a, e, s] = &own;
        assert_eq!(verify(&secrets, g, a, e, s), Ok(link));
        // Whatever is put in the place of one part, the signature does not cover it.
        for place in (0..own.len()).filter(|place| own[*place] != given[*place]) {
            let mut changed = own.clone();
            changed[place].clone_from(&given[place]);
            let [g, a, e, s] = &changed;
            assert_eq!(verify(&secrets, g, a, e, s), Err(BadSignature), "{changed:?}");
        }
    }
    taken.is_ok()
}

fn parts_of(url: &Url) -> [String; 4] {
    parts(url.query().unwrap_or_default().as_bytes())
}

fn parts(query: &[u8]) -> [String; 4] {
    ["g", "a", "e", "s"].map(|name| {
        let found = form_urlencoded::parse(query).find(|(given, _)| given == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    })
}

/// A link that the first bytes make, whatever they are.
fn any_link(bytes: &[u8]) -> Option<WebhookRef> {
    let (generation, rest) = bytes.split_first_chunk()?;
    let (attempt, rest) = rest.split_first_chunk()?;
    let (seconds, _) = rest.split_first_chunk()?;
    Some(WebhookRef {
        generation_id: GenerationId(Uuid::from_bytes(*generation)),
        attempt: i16::from_be_bytes(*attempt),
        expires_at: DateTime::from_timestamp(i32::from_be_bytes(*seconds).into(), 0)?,
    })
}
