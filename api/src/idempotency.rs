//! The caller's name for one intent: the `Idempotency-Key` header.

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::error::ApiError;

/// Longest key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// The key of a request, if it has one: 1 to 255 visible ASCII characters.
///
/// A key that cannot be read is refused rather than dropped: without it a repeat would be charged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl IdempotencyKey {
    fn parse<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Self, ApiError> {
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let is_readable = (1..=KEY_CHARS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(value) {
            Ok(key) if is_readable && values.next().is_none() => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::Malformed(format!(
                "Idempotency-Key must be 1 to {KEY_CHARS_MAX} visible ASCII characters, sent once"
            ))),
        }
    }
}

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema {
            min_length: Some(1),
            max_length: Some(KEY_CHARS_MAX),
            pattern: Some("^[!-~]+$".to_owned()),
            ..MetaSchema::new("string")
        };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let values = request.headers().get_all(options.name).iter();
        Ok(Self::parse(values.map(poem::http::HeaderValue::as_bytes))?)
    }
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn a_key_is_taken_as_it_is_or_refused_but_never_dropped() {
        let parse = |values: &[&[u8]]| IdempotencyKey::parse(values.iter().copied());
        assert_eq!(parse(&[]).unwrap(), IdempotencyKey(None));
        assert_eq!(parse(&[b"a-1!"]).unwrap(), IdempotencyKey(Some("a-1!".to_owned())));
        assert!(parse(&["x".repeat(255).as_bytes()]).is_ok());
        let long = "x".repeat(256);
        for refused in
            [&[&b""[..]][..], &[b"two words"], &["schl\u{fc}ssel".as_bytes()], &[long.as_bytes()], &[b"a", b"a"]]
        {
            assert!(parse(refused).is_err(), "{refused:?}");
        }
    }
}
