//! How Python writes values and decodes base64: its texts end up in a job's error, and its leniency decides what is one.

use serde_json::Value;

/// What a node or the server raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    /// The class, as ComfyUI names it.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Exception {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{}: {}", repr_text(name), repr(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

pub(super) fn repr_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            _ if character == quote => {
                written.push('\\');
                written.push(quote);
            }
            _ => written.push(character),
        }
    }
    written.push(quote);
    written
}

/// `str(value)`.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// The name of a value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// `base64.b64decode(text)`: what does not belong to the alphabet is skipped, what is missing at the end is an error.
///
/// # Errors
///
/// The text of `binascii.Error`.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut held, mut padding, mut characters) = (0_u32, 0_u8, 0_u8, 0_usize);
    for character in text.bytes() {
        let digit = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                if held >= 2 && held + padding >= 4 {
                    return Ok(bytes);
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        characters += 1;
        group = (group << 6 | u32::from(digit)) & 0x00ff_ffff;
        held = (held + 1) % 4;
        if held != 1 {
            let shift = [0, 0, 4, 2][usize::from(held)];
            bytes.push((group >> shift).to_be_bytes()[3]);
        }
    }
    match held {
        0 => Ok(bytes),
        1 => Err(format!(
            "Invalid base64-encoded string: number of data characters ({characters}) cannot be 1 more than a multiple of 4"
        )),
        _ => Err("Incorrect padding".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({"a": [1, 2.5, null, true], "b": "it's \"so\"\n", "c": "it's"});
        assert_eq!(repr(&value), r#"{'a': [1, 2.5, None, True], 'b': 'it\'s "so"\n', 'c': "it's"}"#);
        assert_eq!(text(&json!("plain")), "plain");
    }

    #[test]
    fn base64_is_decoded_whatever_stands_between() {
        for length in 0..9 {
            let bytes: Vec<u8> = (250..250 + length).map(|byte: u16| byte.to_be_bytes()[1]).collect();
            let text = STANDARD.encode(&bytes);
            assert_eq!(decode_base64(&text), Ok(bytes.clone()));
            assert_eq!(decode_base64(&format!("\n% {text} %")), Ok(bytes));
        }
    }

    #[test]
    fn base64_that_ends_too_early_is_none() {
        assert_eq!(decode_base64("QUI"), Err("Incorrect padding".to_owned()));
        assert!(decode_base64("QUJDR").is_err_and(|error| error.contains("(5)")));
        assert!(decode_base64("%%% this is not base64 %%%").is_err());
    }
}
