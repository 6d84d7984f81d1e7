//! What happened to a generation, and why a user was refunded.

use std::process::ExitCode;

use shared::ids::{GenerationId, UserId};
use shared::operations::{self, Happening, Refund, Story};
use sqlx::PgPool;

use super::{OperationError, print, seconds};

pub(super) async fn tell(pool: &PgPool, id: GenerationId, json: bool) -> Result<ExitCode, OperationError> {
    let Some(story) = operations::tell_story(pool, id).await.map_err(OperationError::Read)? else {
        eprintln!("there is no generation {id} of this backend");
        return Ok(ExitCode::FAILURE);
    };
    print(&story, json, lines)?;
    Ok(ExitCode::SUCCESS)
}

fn lines(story: &Story) {
    let Story { generation_id, user_id, workflow, stage, .. } = story;
    println!("generation {generation_id}: {workflow} of user {user_id}, {stage}");
    let (delivered, asked) = (story.outputs_delivered.unwrap_or(0), story.outputs_asked);
    println!("request {}; {delivered} of {asked} outputs, price {}", story.request_id, story.price);
    if let Some(code) = &story.error_code {
        println!("failed with {code}; the user was told: {}", story.error_message.as_deref().unwrap_or("nothing"));
    }
    for Happening { at, of, what } in &story.happenings {
        println!("{}  {of:8} {what}", seconds(*at));
    }
}

pub(super) async fn refunds(pool: &PgPool, user: UserId, json: bool) -> Result<ExitCode, OperationError> {
    let refunds = operations::list_refunds(pool, user).await.map_err(OperationError::Read)?;
    print(&refunds, json, |refunds| {
        if refunds.is_empty() {
            println!("user {user} was never refunded");
        }
        refunds.iter().for_each(|refund| println!("{}", line(refund)));
    })?;
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
