//! Who is asking: the signed-in user of a Supabase access token.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod jwks;
mod token;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use shared::ids::UserId;

use crate::error::ApiError;
use crate::http::Seen;
use crate::state::ApiState;

pub(crate) use jwks::Jwks;
pub(crate) use token::TokenVerifier;

/// The scheme's name in the document.
const SCHEME: &str = "access_token";

/// The signed-in user who sent the request.
///
/// A token stays valid until it expires, whatever happened to the user since; what spends credits therefore
/// checks in its own transaction that the profile still exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    user_id: UserId,
    is_anonymous: bool,
}

impl Caller {
    /// Whose rows this request may see.
    pub(crate) fn user_id(self) -> UserId {
        self.user_id
    }

    /// Takes this request from her budget at this process, and notes what is left of it for the answer's headers.
    pub(crate) fn within_budget(self, state: &ApiState, seen: &Seen) -> Result<Self, ApiError> {
        let left =
            state.budgets.take_user(self.user_id).map_err(|retry_after| ApiError::RateLimited { retry_after })?;
        seen.note_rate(left);
        Ok(self)
    }

    /// Refuses users who never signed up, whom paid work is not for.
    pub(crate) fn signed_up(self) -> Result<Self, ApiError> {
        if self.is_anonymous { Err(ApiError::AnonymousUser) } else { Ok(self) }
    }
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: Some("The access token of a signed-in user, as Supabase Auth issued it."),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: Some("JWT"),
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let state: &ApiState = request.data().expect("the app gives every request its state");
        match state.tokens.verify(request.headers()).await {
            Ok(verified) => {
                if let Some(seen) = request.data::<Seen>() {
                    seen.note_user(verified.user_id);
                }
                Ok(Self { user_id: verified.user_id, is_anonymous: verified.is_anonymous })
            }
            Err(reason) => {
                tracing::info!(%reason, "the access token was refused");
                Err(ApiError::InvalidToken.into())
            }
        }
    }
}
