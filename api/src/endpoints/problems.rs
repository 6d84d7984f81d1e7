//! `GET /problems/{code}`: what a problem's `type` points to.

use poem::web::Path;
use poem::{Response, handler};

use crate::error::{ApiError, Code};

/// A problem in words.
#[handler]
pub(crate) fn find_problem(Path(name): Path<String>) -> poem::Result<Response> {
    let code = Code::find(&name).ok_or(ApiError::NotFound)?;
    let text = format!("{} ({})\n\n{}\n", code.title(), code.status().as_u16(), code.advice());
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(text))
}
