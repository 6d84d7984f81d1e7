//! Supabase as a browser uses it: signing up and in, and uploading to one's own folder.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::http;
use crate::bucket::BUCKET;

/// Where users sign up, and the key that every call there carries.
#[derive(Clone, Debug)]
pub struct Auth {
    pub supabase_url: Url,
    pub api_key: String,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user_id: Uuid,
    pub email: String,
    pub password: String,
    pub token: String,
}

impl Auth {
    /// Signs a new user up, with an address that nobody has used before.
    ///
    /// # Errors
    /// When Supabase Auth refuses, or wants the address confirmed before it hands out a token.
    pub async fn sign_up(&self) -> anyhow::Result<SignedIn> {
        let email = format!("demo-{}@example.com", Uuid::now_v7().simple());
        let password = format!("pw-{}", Uuid::new_v4().simple());
        let answer = self.post("auth/v1/signup", &email, &password).await?;
        signed_in(&answer, email, password)
            .context("signing up gave no token; if the project asks for confirmed addresses, turn that off for this")
    }

    /// Signs `user` in again, for a token that lives from now.
    ///
    /// # Errors
    /// When Supabase Auth refuses.
    pub async fn sign_in(&self, user: &SignedIn) -> anyhow::Result<SignedIn> {
        let answer = self.post("auth/v1/token?grant_type=password", &user.email, &user.password).await?;
        signed_in(&answer, user.email.clone(), user.password.clone()).context("signing in gave no token")
    }

    /// Uploads a file to the folder that is `user`'s own to fill, and answers the storage path that a request may name.
    ///
    /// # Errors
    /// When Supabase Storage refuses it, for instance because there is such a file.
    pub async fn upload(
        &self,
        user: &SignedIn,
        name: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> anyhow::Result<String> {
        let (address, path) = self.upload_address(user, name);
        let request = http()?
            .post(address)
            .header("apikey", &self.api_key)
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .bearer_auth(&user.token)
            .body(bytes);
        let answer = request.send().await.context("Supabase Storage cannot be reached")?;
        let status = answer.status();
        ensure!(status.is_success(), "Supabase Storage answered {status}: {}", answer.text().await.unwrap_or_default());
        Ok(path)
    }

    /// Where `user` uploads a file of that name to, and the storage path that it then has.
    ///
    /// # Panics
    /// When `name` cannot stand in an address.
    pub fn upload_address(&self, user: &SignedIn, name: &str) -> (Url, String) {
        let path = format!("{}/uploads/{name}", user.user_id);
        let address = self.supabase_url.join(&format!("storage/v1/object/{BUCKET}/{path}"));
        (address.expect("names of files are plain"), path)
    }

    async fn post(&self, path: &str, email: &str, password: &str) -> anyhow::Result<Value> {
        let request = http()?
            .post(self.supabase_url.join(path)?)
            .header("apikey", &self.api_key)
            .json(&json!({"email": email, "password": password}));
        let answer = request.send().await.context("Supabase Auth cannot be reached")?;
        let status = answer.status();
        ensure!(status.is_success(), "Supabase Auth answered {status}: {}", answer.text().await.unwrap_or_default());
        Ok(answer.json().await?)
    }
}

fn signed_in(answer: &Value, email: String, password: String) -> Option<SignedIn> {
    let token = answer["access_token"].as_str()?.to_owned();
    let user_id = answer["user"]["id"].as_str()?.parse().ok()?;
    Some(SignedIn { user_id, email, password, token })
}
