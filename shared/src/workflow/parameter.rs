//! The parameters of a workflow as data, and what each accepts. Pure.

use serde_json::Value;

use super::fields::check_text;

/// One parameter of a workflow's `input_data`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name in `snake_case`; the `camelCase` of it is accepted too.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// What it is for, for a person to read.
    pub doc: &'static str,
}

/// What a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these whole numbers.
    IntegerChoice(&'static [i64]),
    /// Text of 1 to `chars_max` characters; line breaks and tabs are its only control characters.
    Text {
        /// The longest, in characters.
        chars_max: usize,
    },
    /// `true` or `false`.
    Flag,
    /// A whole number, bounds included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number, bounds included.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// `#RRGGBB`, kept in capitals.
    Colour,
    /// A picture: a storage path, an `https` address, or base64.
    Picture,
    /// Several pictures, each as [`Kind::Picture`].
    Pictures {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// An object with parameters of its own, none of them a picture.
    Object(&'static [Parameter]),
}

/// Whether a parameter may be left out. `null` counts as left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Need {
    /// It must be given.
    Required,
    /// It must be given, unless the flag of this name is true.
    Unless(&'static str),
    /// It may be left out, and then stays out.
    Optional,
    /// It may be left out, and is then this.
    Default(Preset),
}

/// The value of a parameter that was left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preset {
    /// For a choice, text or colour.
    Text(&'static str),
    /// For a flag.
    Flag(bool),
    /// For a whole number.
    Integer(i64),
    /// For a number.
    Number(f64),
}

impl Preset {
    pub(super) const OFF: Self = Self::Flag(false);
    pub(super) const ON: Self = Self::Flag(true);

    /// The value as it is stored.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Text(text) => Value::from(text),
            Self::Flag(flag) => Value::from(flag),
            Self::Integer(number) => Value::from(number),
            Self::Number(number) => Value::from(number),
        }
    }
}

/// A parameter that must be given.
pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::Required, doc }
}

/// A parameter that must be given unless the flag of that name is true.
pub(super) const fn required_unless(
    name: &'static str,
    kind: Kind,
    flag: &'static str,
    doc: &'static str,
) -> Parameter {
    Parameter { name, kind, need: Need::Unless(flag), doc }
}

/// A parameter that may be left out.
pub(super) const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::Optional, doc }
}

/// A parameter that is `preset` when left out.
pub(super) const fn with_default(name: &'static str, kind: Kind, preset: Preset, doc: &'static str) -> Parameter {
    Parameter { name, kind, need: Need::Default(preset), doc }
}

impl Kind {
    /// The value in its stored form, `None` where it is as good as left out, or what is wrong with it.
    ///
    /// Pictures and objects are read by [`super::input_data`], which knows their pointers.
    pub(super) fn check(&self, value: &Value) -> Result<Option<Value>, String> {
        match *self {
            Self::Choice(words) => match value.as_str() {
                Some(word) if words.contains(&word) => Ok(Some(Value::from(word))),
                _ => Err(format!("must be one of {}", words.join(", "))),
            },
            Self::IntegerChoice(numbers) => match value.as_i64() {
                Some(number) if numbers.contains(&number) => Ok(Some(Value::from(number))),
                _ => Err(format!("must be one of {}", list(numbers))),
            },
            Self::Text { chars_max } => match value.as_str() {
                Some(text) if text.trim().is_empty() => Ok(None),
                Some(text) => check_text(text, chars_max).map(|text| Some(Value::from(text))),
                None => Err("must be a string".to_owned()),
            },
            Self::Flag => match value.as_bool() {
                Some(flag) => Ok(Some(Value::from(flag))),
                None => Err("must be true or false".to_owned()),
            },
            Self::Integer { min, max } => match value.as_i64() {
                Some(number) if (min..=max).contains(&number) => Ok(Some(Value::from(number))),
                _ => Err(format!("must be a whole number from {min} to {max}")),
            },
            // Stored as a float always, and zero without a sign, so that 1 and 1.0 are the same request, and 0 and -0.0.
            Self::Number { min, max } => match value.as_f64() {
                Some(number) if (min..=max).contains(&number) => Ok(Some(Value::from(number + 0.0))),
                _ => Err(format!("must be a number from {min} to {max}")),
            },
            Self::Colour => match value.as_str() {
                Some(text) if is_colour(text) => Ok(Some(Value::from(text.to_ascii_uppercase()))),
                _ => Err("must be a colour as #RRGGBB".to_owned()),
            },
            Self::Picture | Self::Pictures { .. } | Self::Object(_) => Err("must be read with its parts".to_owned()),
        }
    }
}

/// `#RRGGBB`, in either case.
fn is_colour(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn list(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Kind;

    #[test]
    fn each_kind_accepts_its_own_and_says_what_it_wants_of_others() {
        let table = [
            (Kind::Choice(&["a", "b"]), json!("b"), Ok::<_, &str>(Some(json!("b")))),
            (Kind::Choice(&["a", "b"]), json!("c"), Err("must be one of a, b")),
            (Kind::Choice(&["a", "b"]), json!(["a"]), Err("must be one of a, b")),
            (Kind::IntegerChoice(&[2, 4]), json!(4), Ok(Some(json!(4)))),
            (Kind::IntegerChoice(&[2, 4]), json!("4"), Err("must be one of 2, 4")),
            (Kind::Text { chars_max: 3 }, json!("äöü"), Ok(Some(json!("äöü")))),
            (Kind::Text { chars_max: 3 }, json!("abcd"), Err("must be at most 3 characters")),
            (Kind::Text { chars_max: 9 }, json!("a\nb\t"), Ok(Some(json!("a\nb\t")))),
            (Kind::Text { chars_max: 9 }, json!("a\u{0}"), Err("must not hold control characters")),
            (Kind::Text { chars_max: 9 }, json!(" \n"), Ok(None)),
            (Kind::Text { chars_max: 9 }, json!(1), Err("must be a string")),
            (Kind::Flag, json!(true), Ok(Some(json!(true)))),
            (Kind::Flag, json!("true"), Err("must be true or false")),
            (Kind::Integer { min: 1, max: 8 }, json!(8), Ok(Some(json!(8)))),
            (Kind::Integer { min: 1, max: 8 }, json!(9), Err("must be a whole number from 1 to 8")),
            (Kind::Integer { min: 1, max: 8 }, json!(1.5), Err("must be a whole number from 1 to 8")),
            (Kind::Number { min: 0.0, max: 1.0 }, json!(1), Ok(Some(json!(1.0)))),
            (Kind::Number { min: 0.0, max: 1.0 }, json!(-0.0), Ok(Some(json!(0.0)))),
            (Kind::Number { min: 0.0, max: 1.0 }, json!(1.01), Err("must be a number from 0 to 1")),
            (Kind::Colour, json!("#12abEF"), Ok(Some(json!("#12ABEF")))),
            (Kind::Colour, json!("12abEF"), Err("must be a colour as #RRGGBB")),
            (Kind::Colour, json!("#12abE"), Err("must be a colour as #RRGGBB")),
        ];
        for (kind, value, expected) in table {
            assert_eq!(kind.check(&value), expected.map_err(str::to_owned), "{kind:?} of {value}");
        }
    }
}
