//! Tells users by mail how their generations ended. Safe to run twice: one worker at a time sends mail to a user.

use shared::ids::UserId;
use shared::notification::{Ended, Taken, mailing};
use shared::retry;

use super::{COMMIT_TRIES_MAX, LEASE_LOST, NOTHING_TO_DO, StepError};
use crate::state::WorkerState;

/// Fixes the mail, sends it, and writes what came of it.
///
/// # Errors
/// Only if that could not be written; then the same mail is sent again when its lease has expired.
pub async fn notify(state: &WorkerState, user_id: UserId) -> Result<&'static str, StepError> {
    // Rows of a time when mail was on wait until it is again, or are too old by then.
    let Some(mailer) = &state.mailer else { return Ok(NOTHING_TO_DO) };
    let Taken::Mail(mail) = mailing::take(&state.pool, user_id).await? else { return Ok(NOTHING_TO_DO) };
    let end = mailer.send(&mail).await;
    let mut tries = 1;
    loop {
        match mailing::conclude(&state.pool, &mail, end).await {
            Ok(Ended::Written) => return Ok(end.as_str()),
            Ok(Ended::LeaseLost) => return Ok(LEASE_LOST),
            Err(error) if tries >= COMMIT_TRIES_MAX => return Err(error.into()),
            Err(error) => tracing::warn!(mail_id = %mail.mail_id, %error, "the end of a mail is not written yet"),
        }
        tokio::time::sleep(retry::delay(tries)).await;
        tries += 1;
    }
}
