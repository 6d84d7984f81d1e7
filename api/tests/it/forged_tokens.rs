//! Tokens whose header says how to believe them: the algorithm, the key, or where to find one.

use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::harness::{
    Answering, CURRENT_KEY, FOREIGN_KEY, Issuer, LEGACY_SECRET, RSA_KEY, Stack, sign, sign_under, sign_with_secret,
};
use crate::tokens::{accepts, refuses};

/// Whether or not a secret is set, what is published is none.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let pem = CURRENT_KEY.public_pem();
    for secret in ["", LEGACY_SECRET] {
        let stack = Stack::with(&[("SUPABASE_JWT_SECRET", secret)]).await;
        let user = stack.sign_up().await;
        accepts(&stack, stack.issuer.token(user.id)).await;
        let texts = [
            ("PEM", pem.clone()),
            ("PEM without its last line break", pem.trim_end().to_owned()),
            ("JWK", CURRENT_KEY.published().to_string()),
            ("key set", json!({"keys": [CURRENT_KEY.published(), RSA_KEY.published()]}).to_string()),
        ];
        for (form, text) in texts {
            for kid in [None, Some("current")] {
                let forged = sign_with_secret(Algorithm::HS256, text.as_bytes(), kid, &stack.issuer.claims(user.id));
                let what =
                    format!("HS256 by the public key as {form}, kid {kid:?}, secret set: {}", !secret.is_empty());
                refuses(&stack, forged, &what).await;
            }
        }
        stack.finish().await;
    }
}

#[tokio::test]
async fn the_algorithm_of_a_token_must_be_its_keys() {
    let stack = Stack::with(&[("SUPABASE_JWT_SECRET", LEGACY_SECRET)]).await;
    let user = stack.sign_up().await;
    let good = stack.issuer.claims(user.id);
    accepts(&stack, sign(&RSA_KEY, &good)).await;
    let says = |key, algorithm: &str, kid: &str| sign_under(key, &json!({"alg": algorithm, "kid": kid}), &good);
    for (what, token) in [
        ("RS256 with the id of a curve's key", says(&RSA_KEY, "RS256", "current")),
        ("ES256 with the id of an RSA key", says(&CURRENT_KEY, "ES256", "rsa")),
        ("RS256 over a signature by ES256", says(&CURRENT_KEY, "RS256", "current")),
        ("ES256 over a signature by RS256", says(&RSA_KEY, "ES256", "current")),
        ("HS256 over a signature by ES256", says(&CURRENT_KEY, "HS256", "current")),
        ("PS256 with an RSA key", says(&RSA_KEY, "PS256", "rsa")),
        ("RS512 with an RSA key", says(&RSA_KEY, "RS512", "rsa")),
        ("ES384 with a curve's key", says(&CURRENT_KEY, "ES384", "current")),
        ("EdDSA with a curve's key", says(&CURRENT_KEY, "EdDSA", "current")),
        ("alg nOnE over a good signature", says(&CURRENT_KEY, "nOnE", "current")),
        ("alg es256 in small letters", says(&CURRENT_KEY, "es256", "current")),
        ("an empty alg", says(&CURRENT_KEY, "", "current")),
        ("a key id that is a path", says(&CURRENT_KEY, "ES256", "../../etc/passwd")),
        ("no key id", sign_under(&CURRENT_KEY, &json!({"kid": null}), &good)),
    ] {
        refuses(&stack, token, what).await;
    }
    stack.finish().await;
}

/// A token cannot bring its key along, nor say where to fetch it.
#[tokio::test]
async fn keys_and_addresses_in_a_tokens_header_are_ignored() {
    let (stack, foreign) = (Stack::start().await, Issuer::start().await);
    let user = stack.sign_up().await;
    foreign.publish(vec![FOREIGN_KEY.published(), FOREIGN_KEY.named("current").published()]);
    let key_set = format!("{}auth/v1/.well-known/jwks.json", foreign.url);
    let good = stack.issuer.claims(user.id);
    let headers = [
        ("jku", json!(key_set)),
        ("x5u", json!(key_set)),
        ("jwk", FOREIGN_KEY.named("current").published()),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
    ];
    for (name, value) in &headers {
        for key in [&*FOREIGN_KEY, &FOREIGN_KEY.named("current")] {
            let token = sign_under(key, &json!({*name: value}), &good);
            refuses(&stack, token, &format!("{name} in its header, by somebody else's key")).await;
        }
    }
    assert_eq!(foreign.asked(), 0, "nobody went where the token said");
    let unheeded = json!({"jku": key_set, "x5u": key_set, "jwk": FOREIGN_KEY.published()});
    accepts(&stack, sign_under(&CURRENT_KEY, &unheeded, &good)).await;
    for critical in [json!(["b64"]), json!(["exp"]), json!([])] {
        let what = format!("crit {critical} in its header, good otherwise");
        refuses(&stack, sign_under(&CURRENT_KEY, &json!({"crit": critical, "b64": true}), &good), &what).await;
    }
    stack.finish().await;
}

/// An answer of ours never depends on an address that the issuer sends us to.
#[tokio::test]
async fn a_key_set_elsewhere_is_not_followed() {
    let (stack, foreign) = (Stack::start().await, Issuer::start().await);
    let user = stack.sign_up().await;
    foreign.publish(vec![FOREIGN_KEY.published()]);
    stack.issuer.set_answering(Answering::Redirect(foreign.url.join("auth/v1/.well-known/jwks.json").unwrap()));
    refuses(&stack, sign(&FOREIGN_KEY, &stack.issuer.claims(user.id)), "a key set that leads to another one").await;
    assert_eq!((stack.issuer.asked(), foreign.asked()), (1, 0));
    stack.finish().await;
}
