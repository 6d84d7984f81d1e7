//! What a test holds of a running project.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::{BadToken, ObjectView, Project, SupabaseFault};
use crate::fault::Operation;
use crate::net::{Running, lock};

/// A running simulator; it stops when this is dropped.
pub struct SupabaseHandle {
    project: Arc<Project>,
    running: Running,
}

impl SupabaseHandle {
    pub(super) fn new(project: Arc<Project>, running: Running) -> Self {
        Self { project, running }
    }

    /// The project's URL, as `SUPABASE_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        self.running.base_url()
    }

    /// The `iss` of user tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.project.issuer()
    }

    /// The legacy public key, a JWT.
    #[must_use]
    pub fn anon_key(&self) -> &str {
        &self.project.anon_key
    }

    /// The legacy service key, a JWT: to be sent as `apikey` and as `Authorization`.
    #[must_use]
    pub fn service_key(&self) -> &str {
        &self.project.service_key
    }

    /// The new service key, `sb_secret_…`: to be sent as `apikey` only.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.project.options.secret_key
    }

    /// The new public key, `sb_publishable_…`.
    #[must_use]
    pub fn publishable_key(&self) -> &str {
        &self.project.options.publishable_key
    }

    /// The legacy secret.
    #[must_use]
    pub fn jwt_secret(&self) -> &str {
        &self.project.options.jwt_secret
    }

    /// The claims of a good token of this user, valid from now.
    #[must_use]
    pub fn claims(&self, user_id: Uuid) -> Value {
        self.project.good_claims(user_id)
    }

    /// A good token of this user, whether or not she has signed up.
    #[must_use]
    pub fn token(&self, user_id: Uuid) -> String {
        self.sign(&self.claims(user_id))
    }

    /// Signs any claims as the project signs user tokens.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.project.keys.sign(claims)
    }

    /// Signs any claims with the legacy secret.
    #[must_use]
    pub fn sign_with_secret(&self, claims: &Value) -> String {
        self.project.keys.sign_with_secret(claims)
    }

    /// A token with one thing wrong.
    #[must_use]
    pub fn bad_token(&self, kind: BadToken, user_id: Uuid) -> String {
        self.project.keys.bad(kind, self.claims(user_id), self.project.clock.unix())
    }

    /// Signs with a new key from now on; the old ones stay listed.
    pub fn rotate(&self) {
        self.project.keys.rotate();
    }

    /// Removes all but the current key from the JWKS.
    pub fn revoke_previous_keys(&self) {
        self.project.keys.revoke_previous();
    }

    /// Deletes a user of auth, as the dashboard does; false if there was none or the database refused.
    pub async fn delete_user(&self, user_id: Uuid) -> bool {
        self.project.users.delete(user_id).await.unwrap_or(false)
    }

    /// All objects, by bucket and key.
    #[must_use]
    pub fn objects(&self) -> Vec<ObjectView> {
        self.project.files.view()
    }

    /// The bytes of an object.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.project.files.read(bucket, key)
    }

    /// Requests by operation since the start, refused and failed ones too.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Operation, u64> {
        lock(&self.project.requests).clone()
    }

    /// Adds a fault for calls to come.
    ///
    /// # Panics
    ///
    /// With [`crate::FAULTS_MAX`] live faults, which is an error in the test.
    pub fn script(&self, fault: impl Into<SupabaseFault>) {
        assert!(lock(&self.project.script).add(fault.into()), "too many faults are scripted");
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.project.script).clear();
    }

    /// Moves the clock: tokens and links expire by it.
    pub fn advance(&self, by: Duration) {
        self.project.clock.advance(by);
    }

    /// Stops listening and breaks every connection: clients are refused until [`SupabaseHandle::go_online`].
    pub async fn go_offline(&self) {
        self.running.line().go_offline().await;
    }

    /// Listens again, on the same address.
    pub async fn go_online(&self) {
        self.running.line().go_online().await;
    }
}
