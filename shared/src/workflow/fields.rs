//! Reading a JSON object of a customer's: both spellings of a name, every fault with its JSON pointer. Pure.

use serde_json::{Map, Value};

/// The most faults that one answer lists; the last then says that there are more.
pub const FAULTS_MAX: usize = 100;

/// The longest part of an unknown name that is repeated to the caller, in characters.
const NAME_ECHO_CHARS_MAX: usize = 64;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901); the empty pointer is the whole body.
    pub pointer: String,
    /// What is wrong, for a person to read.
    pub detail: String,
}

/// The faults found so far, at most [`FAULTS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault; beyond the bound it is dropped, and the last one says so.
    pub(super) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() + 1 < FAULTS_MAX {
            self.0.push(Fault { pointer: pointer.into(), detail: detail.into() });
        } else if self.0.len() < FAULTS_MAX {
            let detail = "has more faults than are listed here".to_owned();
            self.0.push(Fault { pointer: String::new(), detail });
        }
    }

    /// The value, if nothing was wrong.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// An object whose names are all known. Unknown names have been noted as faults.
pub(super) struct Fields<'a> {
    pointer: String,
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// Reads `value` as an object with no other names than `known`, which are in `snake_case`.
    ///
    /// What is no object is noted as one fault and then reads as one without fields.
    pub(super) fn of(value: &'a Value, pointer: &str, known: &[&str], faults: &mut Faults) -> Self {
        let map = value.as_object();
        if map.is_none() {
            faults.add(pointer, "must be an object");
        }
        for name in map.into_iter().flatten().map(|(name, _)| name) {
            if !known.iter().any(|known| name == known || *name == camel(known)) {
                faults.add(join(pointer, &echo(name)), "is not a known name");
            }
        }
        Self { pointer: pointer.to_owned(), map }
    }

    /// Whether there was an object at all.
    pub(super) fn is_object(&self) -> bool {
        self.map.is_some()
    }

    /// The value under `name` in either spelling, with its pointer as the customer spelt it. `null` is none.
    pub(super) fn get(&self, name: &str, faults: &mut Faults) -> (String, Option<&'a Value>) {
        let camel = camel(name);
        let value = |name: &str| self.map.and_then(|map| map.get(name)).filter(|value| !value.is_null());
        let plain = join(&self.pointer, name);
        match (value(name), value(&camel)) {
            (Some(one), Some(other)) if camel != name && one != other => {
                let detail = format!("is given twice, as {name} and {camel}, with different values");
                faults.add(join(&self.pointer, &camel), detail);
                (plain, Some(one))
            }
            (Some(one), _) => (plain, Some(one)),
            (None, Some(other)) => (join(&self.pointer, &camel), Some(other)),
            (None, None) => (plain, None),
        }
    }
}

/// `age_range` as `ageRange`.
pub(super) fn camel(name: &str) -> String {
    let mut spelt = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' {
            raise = true;
        } else if raise {
            spelt.push(letter.to_ascii_uppercase());
            raise = false;
        } else {
            spelt.push(letter);
        }
    }
    spelt
}

/// Appends a name to a JSON pointer, escaped as RFC 6901 wants.
pub(super) fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Text of at most `chars_max` characters, in which only line breaks and tabs are control characters.
pub(super) fn check_text(text: &str, chars_max: usize) -> Result<&str, String> {
    if text.chars().nth(chars_max).is_some() {
        return Err(format!("must be at most {chars_max} characters"));
    }
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text)
}

/// One line of text without the blanks around it, `None` where that is nothing, or what is wrong with it.
pub(super) fn line(value: &Value, chars_max: usize) -> Result<Option<String>, String> {
    let text = value.as_str().ok_or("must be a string")?.trim();
    check_text(text, chars_max)?;
    if text.contains(['\n', '\r', '\t']) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// An unknown name, cut to what is worth repeating.
fn echo(name: &str) -> String {
    match name.char_indices().nth(NAME_ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{FAULTS_MAX, Faults, Fields, camel, join};

    #[test]
    fn names_are_spelt_and_escaped() {
        assert_eq!(camel("age_range"), "ageRange");
        assert_eq!(camel("pose"), "pose");
        assert_eq!(join("/input_data", "a/b~c"), "/input_data/a~1b~0c");
    }

    #[test]
    fn the_list_of_faults_is_bounded_and_says_when_it_ends_early() {
        let many: Map<String, Value> = (0..500).map(|n| (format!("k{n}"), Value::Null)).collect();
        let mut faults = Faults::default();
        Fields::of(&Value::from(many), "", &[], &mut faults);
        let faults = faults.or(Some(())).expect_err("500 unknown names");
        assert_eq!(faults.len(), FAULTS_MAX);
        assert_eq!(faults[FAULTS_MAX - 1].detail, "has more faults than are listed here");
    }

    #[test]
    fn a_very_long_name_is_cut_before_it_is_repeated() {
        let body = json!({ "é".repeat(10_000): 1 });
        let mut faults = Faults::default();
        Fields::of(&body, "", &[], &mut faults);
        let faults = faults.or(Some(())).expect_err("an unknown name");
        assert!(faults[0].pointer.chars().count() < 70);
    }
}
