//! Who is asking: the signed-in user of a Supabase access token.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod jwks;
mod token;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use shared::generation::has_profile;
use shared::ids::UserId;

use crate::error::ApiError;
use crate::http::Seen;
use crate::payload::may_be_large;
use crate::state::ApiState;

pub(crate) use jwks::Jwks;
pub(crate) use token::TokenVerifier;

/// The scheme's name in the document.
const SCHEME: &str = "access_token";

/// The signed-in user who sent the request. Extracting them charges the request to their rate limit at this process.
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
}

/// A [`Caller`] who may spend or buy credits: not an anonymous user, and, if the request has a large body, a user with
/// a profile (checked before the body is read).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedUp(Caller);

impl SignedUp {
    /// Whose credits are spent.
    pub(crate) fn user_id(self) -> UserId {
        self.0.user_id
    }
}

impl<'a> ApiExtractor<'a> for SignedUp {
    const TYPES: &'static [ApiExtractorType] = Caller::TYPES;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let caller = Caller::from_request(request, body, options).await?;
        if caller.is_anonymous {
            return Err(ApiError::AnonymousUser.into());
        }
        if may_be_large(request) {
            let state: &ApiState = request.data().expect("the app gives every request its state");
            let is_there = has_profile(&*state.database(caller.user_id).await?, caller.user_id).await;
            if !is_there.map_err(ApiError::from)? {
                return Err(ApiError::NoProfile.into());
            }
        }
        Ok(Self(caller))
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
                // Charged before any other work is done for the user, whatever the operation.
                let left = state.budgets.take_user(verified.user_id);
                if let Some(seen) = request.data::<Seen>() {
                    seen.note_user(verified.user_id);
                    left.iter().for_each(|left| seen.note_rate(left.clone()));
                }
                left.map_err(|retry_after| ApiError::RateLimited { retry_after })?;
                Ok(Self { user_id: verified.user_id, is_anonymous: verified.is_anonymous })
            }
            Err(reason) => {
                tracing::info!(%reason, "the access token was refused");
                Err(ApiError::InvalidToken.into())
            }
        }
    }
}
