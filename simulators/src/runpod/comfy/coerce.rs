//! What ComfyUI makes of a value before it looks whether it fits: `int(..)`, `float(..)`, `str(..)`, `bool(..)`.

use serde_json::{Number, Value};

use super::nodes::Takes;
use super::python::{Exception, repr_text, text, type_name};

/// The value as the node will see it.
///
/// # Errors
///
/// It cannot be converted.
pub(super) fn coerce(value: &Value, takes: &Takes) -> Result<Value, Exception> {
    match takes {
        Takes::Int { .. } => int(value),
        Takes::Float { .. } => float(value).and_then(number),
        Takes::Text => Ok(Value::String(text(value))),
        Takes::Boolean => Ok(Value::Bool(truth(value))),
        Takes::Link(_) | Takes::Choice(_) | Takes::File => Ok(value.clone()),
    }
}

/// The name that ComfyUI's messages have for what an input takes.
pub(super) fn kind_name(takes: &Takes) -> String {
    match takes {
        Takes::Link(kind) => (*kind).to_owned(),
        Takes::Int { .. } => "INT".to_owned(),
        Takes::Float { .. } => "FLOAT".to_owned(),
        Takes::Text => "STRING".to_owned(),
        Takes::Boolean => "BOOLEAN".to_owned(),
        Takes::Choice(options) => options_text(options),
        Takes::File => "COMBO".to_owned(),
    }
}

pub(super) fn options_text(options: &[&str]) -> String {
    format!("[{}]", options.iter().map(|option| repr_text(option)).collect::<Vec<_>>().join(", "))
}

#[expect(clippy::cast_possible_truncation, reason = "Python cuts off what stands behind the point, too")]
fn int(value: &Value) -> Result<Value, Exception> {
    match value {
        Value::Bool(flag) => Ok(u64::from(*flag).into()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Ok((float as i64).into()),
            _ => Ok(value.clone()),
        },
        Value::String(digits) => {
            let trimmed = digits.trim();
            let read = trimmed.parse::<u64>().map(Value::from).or_else(|_| trimmed.parse::<i64>().map(Value::from));
            read.map_err(|_| {
                Exception::new("ValueError", format!("invalid literal for int() with base 10: {}", repr_text(digits)))
            })
        }
        other => Err(wrong_type("int()", "a string, a bytes-like object or a real number", other)),
    }
}

fn float(value: &Value) -> Result<f64, Exception> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::INFINITY)),
        Value::String(digits) => digits.trim().parse().map_err(|_| {
            Exception::new("ValueError", format!("could not convert string to float: {}", repr_text(digits)))
        }),
        other => Err(wrong_type("float()", "a string or a real number", other)),
    }
}

/// JSON has no infinity; a text can name one, and no bound lets it pass.
fn number(float: f64) -> Result<Value, Exception> {
    let number = Number::from_f64(float.clamp(f64::MIN, f64::MAX));
    number.map(Value::Number).ok_or_else(|| Exception::new("ValueError", "cannot convert float NaN to integer"))
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn wrong_type(function: &str, wanted: &str, value: &Value) -> Exception {
    Exception::new("TypeError", format!("{function} argument must be {wanted}, not '{}'", type_name(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INT: Takes = Takes::Int { min: 0, max: 9 };
    const FLOAT: Takes = Takes::Float { min: 0.0, max: 9.0 };

    #[test]
    fn values_are_converted_as_python_converts_them() {
        for (value, takes, expected) in [
            (json!(33.9), INT, json!(33)),
            (json!(-0.5), INT, json!(0)),
            (json!(" 2 "), INT, json!(2)),
            (json!(true), INT, json!(1)),
            (json!(u64::MAX), INT, json!(u64::MAX)),
            (json!("1.5"), FLOAT, json!(1.5)),
            (json!(2), FLOAT, json!(2.0)),
            (json!(5), Takes::Text, json!("5")),
            (json!(null), Takes::Text, json!("None")),
            (json!({"a": true}), Takes::Text, json!("{'a': True}")),
            (json!("false"), Takes::Boolean, json!(true)),
            (json!(""), Takes::Boolean, json!(false)),
            (json!(0), Takes::Boolean, json!(false)),
        ] {
            assert_eq!(coerce(&value, &takes), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_python_cannot_convert_is_an_error_with_its_text() {
        for (value, takes, message) in [
            (json!("33.9"), INT, "invalid literal for int() with base 10: '33.9'"),
            (json!(null), INT, "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'"),
            (json!("wide"), FLOAT, "could not convert string to float: 'wide'"),
            (json!({}), FLOAT, "float() argument must be a string or a real number, not 'dict'"),
        ] {
            assert_eq!(coerce(&value, &takes).map_err(|error| error.message), Err(message.to_owned()), "{value}");
        }
    }
}
