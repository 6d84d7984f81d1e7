//! Forms as Stripe's clients encode them: `line_items[0][price_data][currency]=usd`, `expand[]=line_items`.

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// Pairs in one form, and how deep a name may nest.
const PAIRS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 6;

/// Keys of one object's metadata, and the characters of a key and of a value.
const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 40;
const METADATA_VALUE_CHARS_MAX: usize = 500;

/// Reads an encoded form: all leaves are text.
pub(super) fn parse(encoded: &str) -> Result<Map<String, Value>, Refusal> {
    let mut form = Map::new();
    // The URL parser of the HTTP client decodes forms; the rest of this URL stands for nothing.
    let url = reqwest::Url::parse(&format!("http://form/?{encoded}"));
    let url = url.map_err(|_| Refusal::invalid("Invalid form encoding"))?;
    for (count, (name, value)) in url.query_pairs().enumerate() {
        if count == PAIRS_MAX {
            return Err(Refusal::invalid("Too many parameters"));
        }
        let invalid = || Refusal::invalid(format!("Invalid parameter name: {name}")).param(name.as_ref());
        let (first, rest) = name.split_once('[').unwrap_or((&name, ""));
        let mut path = vec![first];
        if !rest.is_empty() {
            path.extend(rest.strip_suffix(']').ok_or_else(invalid)?.split("]["));
        }
        if path.len() > DEPTH_MAX || !insert(&mut form, &path, &value) {
            return Err(invalid());
        }
    }
    Ok(form)
}

/// Puts a value at its path; false when something else is in the way.
fn insert(form: &mut Map<String, Value>, path: &[&str], value: &str) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    // `name[]` appends.
    let key = if first.is_empty() { form.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        return form.insert(key, value.into()).is_none_or(|before| before.is_string());
    }
    match form.entry(key).or_insert_with(|| json!({})) {
        Value::Object(inner) => insert(inner, rest, value),
        _ => false,
    }
}

/// The fields of a form or of a part of it, with the names that refusals use.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn of(map: &'a Map<String, Value>) -> Self {
        Self { map, path: String::new() }
    }

    /// What refusals call a field.
    pub(super) fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}[{field}]", self.path) }
    }

    /// Refuses what Stripe does not know, which finds misspelt names.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let unknown = self.map.keys().find(|name| !known.contains(&name.as_str()) && *name != "expand");
        unknown.map_or(Ok(()), |name| Err(Refusal::parameter_unknown(&self.name(name))))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// An empty text unsets, as if it were not there.
    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>, Refusal> {
        match self.map.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Refusal::invalid("Invalid string").param(self.name(field))),
        }
    }

    pub(super) fn required(&self, field: &str) -> Result<&'a str, Refusal> {
        self.text(field)?.ok_or_else(|| Refusal::parameter_missing(&self.name(field)))
    }

    pub(super) fn integer(&self, field: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let invalid = |_| {
            let refusal = Refusal::invalid(format!("Invalid integer: {text}")).code("parameter_invalid_integer");
            refusal.param(self.name(field))
        };
        text.parse().map(Some).map_err(invalid)
    }

    pub(super) fn boolean(&self, field: &str) -> Result<Option<bool>, Refusal> {
        match self.text(field)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid(format!("Invalid boolean: {other}")).param(self.name(field))),
        }
    }

    /// A part that is itself fields.
    pub(super) fn part(&self, field: &str) -> Result<Option<Fields<'a>>, Refusal> {
        match self.map.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields { map, path: self.name(field) })),
            Some(_) => Err(Refusal::invalid("Invalid object").param(self.name(field))),
        }
    }

    /// A list whose entries are fields, in the order of their numbers.
    pub(super) fn list(&self, field: &str) -> Result<Vec<Fields<'a>>, Refusal> {
        let Some(list) = self.part(field)? else { return Ok(Vec::new()) };
        let invalid = || Refusal::invalid("Invalid array").param(self.name(field));
        let mut numbers = Vec::new();
        for key in list.map.keys() {
            numbers.push(key.parse::<u32>().map_err(|_| invalid())?);
        }
        numbers.sort_unstable();
        numbers.iter().map(|number| list.part(&number.to_string())?.ok_or_else(invalid)).collect()
    }

    /// A list of texts.
    pub(super) fn texts(&self, field: &str) -> Vec<String> {
        let list = self.map.get(field).and_then(Value::as_object);
        list.into_iter().flat_map(Map::values).filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The object's metadata after this request: what is empty is removed from what was there.
    pub(super) fn metadata(&self, before: &Value) -> Result<Value, Refusal> {
        let mut metadata = before.as_object().cloned().unwrap_or_default();
        let Some(part) = self.part("metadata")? else { return Ok(Value::Object(metadata)) };
        for key in part.map.keys() {
            let Some(value) = part.text(key)? else {
                metadata.remove(key);
                continue;
            };
            if key.chars().count() > METADATA_KEY_CHARS_MAX || value.chars().count() > METADATA_VALUE_CHARS_MAX {
                return Err(Refusal::invalid("Metadata keys can have up to 40 characters, and values up to 500.")
                    .param(part.name(key)));
            }
            metadata.insert(key.clone(), value.into());
        }
        if metadata.len() > METADATA_KEYS_MAX {
            return Err(Refusal::invalid("You can have up to 50 metadata keys.").param(self.name("metadata")));
        }
        Ok(Value::Object(metadata))
    }
}
