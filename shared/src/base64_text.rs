//! Base64 as it is found in the wild: either alphabet, with or without padding, line breaks allowed. Pure.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Why a text gives no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It would be more bytes than are wanted.
    #[error("too many bytes")]
    TooLarge,
    /// It is not base64, or nothing at all.
    #[error("not base64")]
    Malformed,
}

/// The text that every decoder reads: standard alphabet, padded.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a base64 text, at least one and at most `bytes_max`.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(text: &str, bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    if text.len() / 4 * 3 > bytes_max {
        return Err(DecodeError::TooLarge);
    }
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let alphabet = if compact.iter().any(|byte| matches!(byte, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    match alphabet.decode(&compact) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, decode, encode};

    #[test]
    fn base64_is_decoded_as_the_wild_writes_it() {
        for text in ["+/+/aGk=", "+/+/aGk", "-_-_aGk=", "-_-_aGk", "+/+/\r\naGk=\n"] {
            assert_eq!(decode(text, 100).expect(text), b"\xfb\xff\xbfhi", "{text}");
        }
        assert_eq!(encode(b"\xfb\xff\xbfhi"), "+/+/aGk=");
        for text in ["", "   ", "a", "!!!!", "+/-_"] {
            assert_eq!(decode(text, 100), Err(DecodeError::Malformed), "{text}");
        }
        assert_eq!(decode("aGloaWhp", 5), Err(DecodeError::TooLarge));
    }
}
