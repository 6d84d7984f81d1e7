//! The bucket of all pictures.
//!
//! At Supabase buckets are rows, and our migrations make ours. The simulator keeps its own, and is told here.

use anyhow::{Context, bail};
use serde_json::json;
use simulators::SupabaseHandle;

use crate::client::http;

/// Its name: what the policies of our migrations are about.
pub const BUCKET: &str = "shootx-images";
/// What the answer says when it is there already.
const EXISTS: &str = "BucketAlreadyExists";

/// Makes the bucket in the simulator, unless it is there.
pub(crate) async fn make(supabase: &SupabaseHandle) -> anyhow::Result<()> {
    let request = http()?.post(format!("{}/storage/v1/bucket", supabase.url())).bearer_auth(supabase.service_key());
    let answer = request.json(&json!({"id": BUCKET, "name": BUCKET, "public": false})).send().await;
    let answer = answer.context("the Supabase simulator does not answer")?;
    let (is_success, text) = (answer.status().is_success(), answer.text().await?);
    if !is_success && !text.contains(EXISTS) {
        bail!("the bucket cannot be made: {text}");
    }
    Ok(())
}
