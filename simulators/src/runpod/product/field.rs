//! One parameter of a workflow: its name, what it may be, and whether it must be there.

use serde_json::{Map, Value};

use super::Refusal;
use super::pictures;

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Choice(&'static [&'static str]),
    Integer {
        min: u64,
        max: u64,
    },
    IntegerChoice(&'static [u64]),
    Number {
        min: f64,
        max: f64,
    },
    /// Over 0.
    Factor {
        max: f64,
    },
    Flag,
    /// `#RRGGBB`.
    Color,
    Text {
        chars_max: usize,
    },
    Object(&'static [Field]),
    Picture,
    Pictures {
        max: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Need {
    Required,
    /// Required unless that flag is true.
    Unless(&'static str),
    Optional,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    need: Need,
}

pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, need: Need::Required }
}

pub(super) const fn required_unless(name: &'static str, flag: &'static str, kind: Kind) -> Field {
    Field { name, kind, need: Need::Unless(flag) }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, need: Need::Optional }
}

/// Checks the members of an object; `path` is what stands before their names, empty or ending in a dot.
///
/// # Errors
///
/// The first thing that is wrong: what is missing or not as it should be in the order of `fields`, then an unknown name.
pub(super) fn check(members: &Map<String, Value>, fields: &[Field], path: &str) -> Result<(), Refusal> {
    for field in fields {
        let at = format!("{path}{}", field.name);
        match members.get(field.name).filter(|value| !value.is_null()) {
            Some(value) => check_value(value, field.kind, &at)?,
            None if is_needed(field, members) => {
                return Err(Refusal::invalid(&at, format!("Missing required parameter '{at}'")));
            }
            None => {}
        }
    }
    match members.keys().find(|name| fields.iter().all(|field| field.name != name.as_str())) {
        Some(name) => {
            let at = format!("{path}{name}");
            Err(Refusal::invalid(&at, format!("Unknown parameter '{at}'")))
        }
        None => Ok(()),
    }
}

fn is_needed(field: &Field, members: &Map<String, Value>) -> bool {
    match field.need {
        Need::Required => true,
        Need::Unless(flag) => members.get(flag) != Some(&Value::Bool(true)),
        Need::Optional => false,
    }
}

fn check_value(value: &Value, kind: Kind, at: &str) -> Result<(), Refusal> {
    let within = |min: f64, max: f64| value.as_f64().is_some_and(|number| (min..=max).contains(&number));
    let (valid, expected) = match kind {
        Kind::Picture => return pictures::check(value, at).map(|_size| ()),
        Kind::Pictures { max } => return check_pictures(value, max, at),
        Kind::Object(fields) => match value {
            Value::Object(members) => return check(members, fields, &format!("{at}.")),
            _ => (false, "an object".to_owned()),
        },
        Kind::Choice(allowed) => {
            (value.as_str().is_some_and(|value| allowed.contains(&value)), format!("one of {}", allowed.join(", ")))
        }
        Kind::Integer { min, max } => (
            value.as_u64().is_some_and(|number| (min..=max).contains(&number)),
            format!("an integer of {min} to {max}"),
        ),
        Kind::IntegerChoice(allowed) => {
            (value.as_u64().is_some_and(|number| allowed.contains(&number)), format!("one of {allowed:?}"))
        }
        Kind::Number { min, max } => (within(min, max), format!("a number of {min} to {max}")),
        Kind::Factor { max } => (within(f64::MIN_POSITIVE, max), format!("a number over 0 and up to {max}")),
        Kind::Flag => (value.is_boolean(), "true or false".to_owned()),
        Kind::Color => (value.as_str().and_then(read_color).is_some(), "a color as #RRGGBB".to_owned()),
        Kind::Text { chars_max } => (
            value.as_str().is_some_and(|text| !text.trim().is_empty() && text.chars().count() <= chars_max),
            format!("a text of 1 to {chars_max} characters"),
        ),
    };
    if valid { Ok(()) } else { Err(Refusal::invalid(at, format!("'{at}' must be {expected}"))) }
}

fn check_pictures(value: &Value, max: usize, at: &str) -> Result<(), Refusal> {
    match value.as_array().filter(|pictures| (1..=max).contains(&pictures.len())) {
        Some(pictures) => pictures
            .iter()
            .enumerate()
            .try_for_each(|(index, picture)| pictures::check(picture, &format!("{at}[{index}]")).map(|_size| ())),
        None => Err(Refusal::invalid(at, format!("'{at}' must be an array of 1 to {max} pictures"))),
    }
}

/// The channels of `#RRGGBB`.
pub(in crate::runpod) fn read_color(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}
