//! `/api/v1/notifications/unsubscribe`: where the link at the end of our mails leads. The link is the credential.
//!
//! Programs that look into mails follow their links, so reading the page changes nothing; its button, and the mail
//! program's own (RFC 8058), send a POST.

use poem::http::header;
use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::param::Query;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use shared::ids::UserId;
use shared::notification::{self, unsubscribe};

use super::{Tag, responses};
use crate::error::{ApiError, Code};
use crate::state::ApiState;

/// The page asks, and sends its answer to where it came from.
const ASK: &str = "<p>Do you want no more mails about your generations?</p>\
    <form method=\"post\"><button type=\"submit\">No more mails</button></form>";
const DONE: &str =
    "<p>You will get no more mails about your generations. You can switch them on again in your settings.</p>";
/// What its browser may do with a page: send the form, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'";
const CONTENT_TYPE: &str = "text/html; charset=utf-8";

pub(crate) struct NotificationsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Notifications")]
impl NotificationsApi {
    /// Show the page to unsubscribe
    ///
    /// A page with a button that unsubscribes, linked from every mail. Opening it changes nothing.
    #[oai(path = "/notifications/unsubscribe", method = "get", operation_id = "find_unsubscription")]
    async fn find_unsubscription(
        &self,
        state: Data<&ApiState>,
        /// The user.
        u: Query<Option<String>>,
        /// The signature of the user id.
        s: Query<Option<String>>,
    ) -> Result<Page, ApiError> {
        user_of(&state, u.0, s.0)?;
        Ok(Page(ASK))
    }

    /// Stop mails about generations
    ///
    /// Sent by the button of the page, or by the user's mail program (RFC 8058, one click). A body is not read. Safe to
    /// repeat. Users can switch mails on again in their settings.
    #[oai(path = "/notifications/unsubscribe", method = "post", operation_id = "create_unsubscription")]
    async fn create_unsubscription(
        &self,
        state: Data<&ApiState>,
        /// The user.
        u: Query<Option<String>>,
        /// The signature of the user id.
        s: Query<Option<String>>,
    ) -> Result<Page, ApiError> {
        let user_id = user_of(&state, u.0, s.0)?;
        notification::stop(&*state.database(user_id).await?, user_id).await?;
        tracing::info!(%user_id, "a user wants no more mails");
        Ok(Page(DONE))
    }
}

fn user_of(state: &ApiState, u: Option<String>, s: Option<String>) -> Result<UserId, ApiError> {
    let (Some(u), Some(s)) = (u, s) else { return Err(ApiError::InvalidSignature) };
    unsubscribe::verify(&state.settings.unsubscribe_secrets, &u, &s).map_err(|_| ApiError::InvalidSignature)
}

/// 200 with a small page.
struct Page(&'static str);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ShootX: mails</title></head>\
             <body>{}</body></html>\n",
            self.0
        );
        Response::builder().content_type(CONTENT_TYPE).header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY).body(html)
    }
}

impl ApiResponse for Page {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let answer = MetaResponse {
            description: "A page.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType { content_type: CONTENT_TYPE, schema }],
            headers: vec![],
        };
        responses(answer, &[Code::InvalidSignature, Code::InternalError, Code::Unavailable])
    }

    fn register(_registry: &mut Registry) {}
}
