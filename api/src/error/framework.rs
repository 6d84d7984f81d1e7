//! The framework's own refusals, taken through the same door as ours.

use poem::error::{MethodNotAllowedError, NotFoundError, ParseJsonError};
use poem::http::StatusCode;
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError};

use super::ApiError;

impl ApiError {
    /// Takes an error of the framework through the same door as ours.
    pub(crate) fn from_framework(error: poem::Error) -> Self {
        if error.is::<Self>() {
            return error.downcast::<Self>().unwrap_or_else(Self::internal);
        }
        if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
            return Self::NotFound;
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::MethodNotAllowed;
        }
        if error.is::<ContentTypeError>() {
            return Self::UnsupportedMediaType;
        }
        if let Some(ParseParamError { name, .. }) = error.downcast_ref() {
            return Self::Malformed(format!("the parameter {name} cannot be read"));
        }
        if error.is::<ParseRequestPayloadError>() || error.is::<ParseJsonError>() {
            return Self::Malformed("the body is not valid JSON".to_owned());
        }
        match error.status() {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::UNAUTHORIZED => Self::InvalidToken,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge("the body is too large".to_owned()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            status if status.is_client_error() => Self::Malformed("the request cannot be read".to_owned()),
            _ => Self::Internal(Box::new(error)),
        }
    }
}
