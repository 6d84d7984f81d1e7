//! The stores under test, each with a way in from outside: who holds a link has nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use secrecy::SecretString;
use shared::clock::Clock;
use shared::config::{Storage, StorageBackend, Supabase};
use shared::images::{ImageStore, LocalStore, SupabaseStore};
use simulators::{SupabaseHandle, SupabaseOptions, SupabaseSim, Time};
use tempfile::TempDir;
use url::Url;

pub(crate) const BUCKET: &str = "generations";

pub(crate) struct Subject {
    pub(crate) store: Arc<dyn ImageStore>,
    door: Door,
}

enum Door {
    Local { store: Arc<LocalStore>, clock: Clock, _dir: TempDir },
    Supabase { key: &'static str, project: SupabaseHandle },
}

/// Every store, new and empty; Supabase with either form of its service key.
pub(crate) fn all() -> Vec<Subject> {
    let by_legacy_key = simulator();
    let by_secret_key = simulator();
    let legacy = Arc::new(supabase(&by_legacy_key, by_legacy_key.service_key()));
    let secret = Arc::new(supabase(&by_secret_key, by_secret_key.secret_key()));
    vec![
        local(),
        Subject { store: legacy, door: Door::Supabase { key: "legacy", project: by_legacy_key } },
        Subject { store: secret, door: Door::Supabase { key: "secret", project: by_secret_key } },
    ]
}

/// A project whose clock stands still.
pub(crate) fn simulator() -> SupabaseHandle {
    SupabaseSim::start(SupabaseOptions { time: Time::Manual, ..SupabaseOptions::default() }).expect("starts")
}

pub(crate) fn supabase(project: &SupabaseHandle, service_key: &str) -> SupabaseStore {
    let settings = Supabase {
        url: project.url().parse().expect("a URL"),
        service_key: SecretString::from(service_key),
        jwt_secret: None,
        jwt_issuer: project.issuer(),
    };
    SupabaseStore::new(&settings, BUCKET).expect("a client")
}

pub(crate) fn local() -> Subject {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Storage {
        backend: StorageBackend::Local,
        bucket: BUCKET.to_owned(),
        dir: Some(dir.path().join("made/on/demand")),
        link_secret: SecretString::from("a secret for links"),
    };
    let clock = Clock::fixed(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let public_url = Url::parse("http://127.0.0.1:8080").expect("a URL");
    let store = Arc::new(LocalStore::new(&settings, &public_url, &clock).expect("opens"));
    Subject { store: Arc::clone(&store) as Arc<dyn ImageStore>, door: Door::Local { store, clock, _dir: dir } }
}

impl Subject {
    /// What someone without a key sees behind a link.
    pub(crate) async fn open(&self, link: &Url) -> Option<Bytes> {
        match &self.door {
            Door::Local { store, .. } => {
                // As the API's route does: the path decoded, the query as two fields.
                let path = percent_decoded(link.path().strip_prefix("/files/")?);
                let field = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
                let expires = field("e")?.parse().ok()?;
                store.open_link(&path, expires, &field("s")?).await.ok().map(|download| download.bytes)
            }
            Door::Supabase { .. } => {
                let answer = reqwest::get(link.clone()).await.expect("answers");
                if !answer.status().is_success() {
                    return None;
                }
                Some(answer.bytes().await.expect("a body"))
            }
        }
    }

    /// Lets time pass for the links.
    pub(crate) fn pass(&self, time: Duration) {
        match &self.door {
            Door::Local { clock, .. } => clock.advance(TimeDelta::from_std(time).expect("in range")),
            Door::Supabase { project, .. } => project.advance(time),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.door {
            Door::Local { .. } => f.write_str("local"),
            Door::Supabase { key, .. } => write!(f, "supabase, {key} key"),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    // A form's decoding takes `+` for a space; a path does not.
    url::form_urlencoded::parse(text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .map(|(key, _)| key.into_owned())
        .collect()
}
