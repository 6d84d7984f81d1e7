//! `GET /files/{path}`: pictures of the local image store, under the links it signed. With other stores nothing is here.

use poem::http::header;
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;
use shared::images::OpenError;

use crate::error::ApiError;
use crate::state::ApiState;

/// The parts of a link beside its path.
#[derive(Debug, Deserialize)]
struct Signed {
    /// When it expires, unix seconds.
    e: i64,
    /// The signature.
    s: String,
}

/// A picture, to whoever holds its link.
#[handler]
pub(crate) async fn find_file(
    state: Data<&ApiState>,
    Path(path): Path<String>,
    signed: Option<Query<Signed>>,
) -> poem::Result<Response> {
    let (Some(files), Some(Query(signed))) = (&state.files, signed) else { return Err(ApiError::NotFound.into()) };
    let download =
        files.open_link(&path, signed.e, &signed.s).await.map_err(|error: OpenError| ApiError::from(error))?;
    Ok(Response::builder()
        .content_type(download.content_type)
        .header(header::CACHE_CONTROL, format!("private, max-age={}", download.fresh.as_secs()))
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox")
        .body(download.bytes))
}
