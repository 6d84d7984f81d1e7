//! What happened to a generation, and why a user was refunded.

use std::process::ExitCode;

use shared::ids::{GenerationId, UserId};
use shared::operations::{self, Happening, Refund};
use sqlx::PgPool;

use super::{OperationError, seconds};

pub(super) async fn tell(pool: &PgPool, id: GenerationId, json: bool) -> Result<ExitCode, OperationError> {
    let Some(story) = operations::tell_story(pool, id).await.map_err(OperationError::Read)? else {
        eprintln!("there is no generation {id} of this backend");
        return Ok(ExitCode::FAILURE);
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&story)?);
        return Ok(ExitCode::SUCCESS);
    }
    let delivered = story.outputs_delivered.unwrap_or(0);
    println!("generation {id}: {} of user {}, {}", story.workflow, story.user_id, story.stage);
    println!("request {}; {} of {} outputs, price {}", story.request_id, delivered, story.outputs_asked, story.price);
    if let Some(code) = &story.error_code {
        println!("failed with {code}; the user was told: {}", story.error_message.as_deref().unwrap_or("nothing"));
    }
    for Happening { at, of, what } in &story.happenings {
        println!("{}  {of:8} {what}", seconds(*at));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn refunds(pool: &PgPool, user: UserId, json: bool) -> Result<ExitCode, OperationError> {
    let refunds = operations::list_refunds(pool, user).await.map_err(OperationError::Read)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&refunds)?);
        return Ok(ExitCode::SUCCESS);
    }
    if refunds.is_empty() {
        println!("user {user} was never refunded");
    }
    refunds.iter().for_each(|refund| println!("{}", line(refund)));
    Ok(ExitCode::SUCCESS)
}

fn line(refund: &Refund) -> String {
    let of = refund.generation_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    let why = match (&refund.error_code, refund.outputs_delivered, refund.outputs_asked) {
        (Some(code), ..) => format!("{code}: {}", refund.error_message.as_deref().unwrap_or("no text")),
        (None, Some(delivered), Some(asked)) => format!("{delivered} of {asked} outputs were delivered"),
        (None, ..) => "of before this backend".to_owned(),
    };
    let price = refund.price.map_or_else(String::new, |price| format!(" of {price}"));
    format!("{}  {} credits{price} for generation {of}: {why}", seconds(refund.at), refund.credits)
}
