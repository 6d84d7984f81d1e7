//! An issuer of access tokens in the form of Supabase Auth, good and forged, with its published keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::endpoint::make;
use poem::http::StatusCode;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{Json, Redirect};
use poem::{IntoResponse, Route, Server, get};
use serde_json::{Value, json};
use shared::clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

/// The shared secret of older projects.
pub(crate) const LEGACY_SECRET: &str = "legacy jwt secret of at least 32 characters";

/// A private key and how its public half is published. Made anew for each run of the tests.
#[derive(Clone)]
pub(crate) struct Key {
    id: &'static str,
    algorithm: Algorithm,
    pem: String,
}

/// The one that signs.
pub(crate) static CURRENT_KEY: LazyLock<Key> = LazyLock::new(|| Key::curve("current"));
/// Published beside it.
pub(crate) static RSA_KEY: LazyLock<Key> = LazyLock::new(|| Key::rsa("rsa"));
/// Somebody else's.
pub(crate) static FOREIGN_KEY: LazyLock<Key> = LazyLock::new(|| Key::curve("foreign"));

impl Key {
    fn curve(id: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, algorithm: Algorithm::ES256, pem: pem(key.to_pkcs8v1().unwrap().as_ref()) }
    }

    fn rsa(id: &'static str) -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        Self { id, algorithm: Algorithm::RS256, pem: pem(der.as_ref()) }
    }

    /// The same key under another id.
    pub(crate) fn named(&self, id: &'static str) -> Self {
        Self { id, ..self.clone() }
    }

    fn encoding(&self) -> EncodingKey {
        let key = match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(self.pem.as_bytes()),
            _ => EncodingKey::from_ec_pem(self.pem.as_bytes()),
        };
        key.unwrap()
    }

    /// The public half as its PEM text, which anyone can make of what is published.
    pub(crate) fn public_pem(&self) -> String {
        let jwk = self.published();
        let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        // SubjectPublicKeyInfo of a point on P-256, uncompressed.
        let head: &[u8] = &[
            0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
            7, 3, 0x42, 0, 4,
        ];
        let der = [head, &part("x"), &part("y")].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der))
    }

    /// The public half.
    pub(crate) fn published(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.encoding(), self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        let mut value = serde_json::to_value(jwk).unwrap();
        value["use"] = json!("sig");
        value["key_ops"] = json!(["verify"]);
        value
    }
}

fn pem(pkcs8: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(pkcs8))
}

/// What the issuer answers, and how often it was asked.
struct Published {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    answering: watch::Sender<Answering>,
}

/// How the issuer answers when it is asked for its keys.
#[derive(Clone, PartialEq)]
pub(crate) enum Answering {
    Keys,
    Down,
    /// Not before it answers otherwise again.
    Hanging,
    Text(String),
    Redirect(Url),
}

/// A running issuer. Dropping it ends it.
pub(crate) struct Issuer {
    pub(crate) url: Url,
    published: Arc<Published>,
    serving: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let keys = Mutex::new(vec![CURRENT_KEY.published(), RSA_KEY.published()]);
        let answering = watch::Sender::new(Answering::Keys);
        let published = Arc::new(Published { keys, asked: AtomicUsize::new(0), answering });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        let url = Url::parse(&format!("http://{}", acceptor.local_addr()[0].as_socket_addr().unwrap())).unwrap();
        let answers = Arc::clone(&published);
        let key_set = make(move |_| {
            let answers = Arc::clone(&answers);
            async move { answers.answer().await }
        });
        let routes = Route::new().at("/auth/v1/.well-known/jwks.json", get(key_set));
        let serving = tokio::spawn(async move { Server::new_with_acceptor(acceptor).run(routes).await.unwrap() });
        Self { url, published, serving }
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: Vec<Value>) {
        *self.published.keys.lock().unwrap() = keys;
    }

    /// Answers so from now on, and to those who are still waiting.
    pub(crate) fn set_answering(&self, answering: Answering) {
        self.published.answering.send_replace(answering);
    }

    /// How often the keys were fetched.
    pub(crate) fn asked(&self) -> usize {
        self.published.asked.load(Ordering::SeqCst)
    }

    /// The claims of a user who has signed in an instant ago.
    pub(crate) fn claims(&self, user_id: Uuid) -> Value {
        let now = Clock::system().now().timestamp();
        json!({
            "iss": format!("{}auth/v1", self.url), "sub": user_id, "aud": "authenticated", "role": "authenticated",
            "iat": now, "exp": now + 3600, "session_id": Uuid::new_v4(), "is_anonymous": false, "aal": "aal1",
            "email": "user@example.com", "phone": "", "app_metadata": {}, "user_metadata": {},
        })
    }

    /// A good token.
    pub(crate) fn token(&self, user_id: Uuid) -> String {
        sign(&CURRENT_KEY, &self.claims(user_id))
    }
}

impl Published {
    async fn answer(&self) -> poem::Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answering = self.answering.subscribe();
        let answering = answering.wait_for(|now| *now != Answering::Hanging).await.unwrap().clone();
        match answering {
            Answering::Keys => Json(json!({"keys": *self.keys.lock().unwrap()})).into_response(),
            Answering::Text(text) => text.into_response(),
            Answering::Redirect(url) => Redirect::temporary(url).into_response(),
            Answering::Down | Answering::Hanging => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A token with these claims, signed with `key` under its own id.
pub(crate) fn sign(key: &Key, claims: &Value) -> String {
    sign_under(key, &json!({}), claims)
}

/// The same with these changes to its header; `null` leaves a part out.
pub(crate) fn sign_under(key: &Key, changes: &Value, claims: &Value) -> String {
    let mut header = serde_json::to_value(Header::new(key.algorithm)).unwrap();
    header["kid"] = json!(key.id);
    let header = header.as_object_mut().unwrap();
    header.extend(changes.as_object().unwrap().clone());
    header.retain(|_, value| !value.is_null());
    let part = |value: &str| BASE64_URL_SAFE_NO_PAD.encode(value);
    let message = format!("{}.{}", part(&json!(header).to_string()), part(&claims.to_string()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding(), key.algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A token with these claims, signed with a shared secret.
pub(crate) fn sign_with_secret(algorithm: Algorithm, secret: &[u8], kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// A token that says it needs no signature.
pub(crate) fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}
