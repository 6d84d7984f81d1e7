//! `input_data` against the parameters of a workflow: every fault, every default, every picture. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Faults, Fields, join};
use super::picture::{self, PictureSource, RequestPicture};
use super::{Kind, Need, Parameter, Workflow};

/// What a request gives its workflow.
#[derive(Debug, Default)]
pub(super) struct InputData {
    /// In `snake_case`, defaults filled in. A picture that came as base64 leaves its place empty.
    pub(super) parameters: Map<String, Value>,
    /// In the order of the catalogue.
    pub(super) pictures: Vec<RequestPicture>,
    /// Where the parameters stand in the body, in the customer's spelling.
    pub(super) pointers: BTreeMap<&'static str, String>,
}

/// Reads `input_data` of the body.
pub(super) fn read(body: &Fields<'_>, workflow: Option<&Workflow>, faults: &mut Faults) -> InputData {
    let mut found = InputData::default();
    let (pointer, value) = body.get("input_data", faults);
    let Some(workflow) = workflow else {
        // Which names would be right is not known; that it is an object can be said all the same.
        if value.is_some_and(|value| !value.is_object()) {
            faults.add(pointer, "must be an object");
        }
        return found;
    };
    let empty = Value::Object(Map::new());
    let value = value.unwrap_or(&empty);
    found.parameters = object(value, &pointer, workflow.parameters, &mut found.pictures, faults).unwrap_or_default();
    found.pointers = pointers(value, &pointer, workflow);
    found
}

fn pointers(value: &Value, pointer: &str, workflow: &Workflow) -> BTreeMap<&'static str, String> {
    // What is wrong has been noted.
    let given = Fields::of(value, pointer, &[], &mut Faults::default());
    let names = workflow.parameters.iter().map(|parameter| parameter.name);
    names.map(|name| (name, given.get(name, &mut Faults::default()).0)).collect()
}

/// Sets the picture of that name: `mask`, `input_images/2`.
pub fn put(parameters: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let slot = match name.split_once('/') {
        None => parameters.get_mut(name),
        Some((name, index)) => {
            parameters.get_mut(name).zip(index.parse::<usize>().ok()).and_then(|(list, n)| list.get_mut(n))
        }
    };
    if let Some(slot) = slot {
        *slot = value.into();
    }
}

/// The parameters of one object; `None` where it is none.
fn object(
    value: &Value,
    pointer: &str,
    parameters: &[Parameter],
    pictures: &mut Vec<RequestPicture>,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let names: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
    let given = Fields::of(value, pointer, &names, faults);
    if !given.is_object() {
        return None;
    }
    let mut found = Map::new();
    for parameter in parameters {
        let (pointer, value) = given.get(parameter.name, faults);
        let checked = match value.map(|value| one(value, &pointer, parameter, pictures, faults)) {
            Some(Err(Faulty)) => continue,
            Some(Ok(value)) => value,
            None => None,
        };
        let excused = |flag: &str| given.get(flag, &mut Faults::default()).1 == Some(&Value::Bool(true));
        match (checked, parameter.need) {
            (Some(value), _) => drop(found.insert(parameter.name.to_owned(), value)),
            (None, Need::Default(preset)) => drop(found.insert(parameter.name.to_owned(), preset.to_value())),
            (None, Need::Required) => faults.add(pointer, "is required"),
            (None, Need::Unless(flag)) if !excused(flag) => {
                faults.add(pointer, format!("is required unless {flag} is true"))
            }
            (None, Need::Unless(_) | Need::Optional) => {}
        }
    }
    Some(found)
}

/// What is wrong with it has been noted.
struct Faulty;

/// One value in its stored form, `None` where it is as good as left out.
fn one(
    value: &Value,
    pointer: &str,
    parameter: &Parameter,
    pictures: &mut Vec<RequestPicture>,
    faults: &mut Faults,
) -> Result<Option<Value>, Faulty> {
    match parameter.kind {
        Kind::Object(parts) => {
            object(value, pointer, parts, pictures, faults).map(|map| Some(Value::Object(map))).ok_or(Faulty)
        }
        Kind::Picture => picture_at(value, pointer, parameter.name.to_owned(), pictures, faults).map(Some),
        Kind::Pictures { min, max } => {
            let Some(values) = value.as_array().filter(|values| (min..=max).contains(&values.len())) else {
                faults.add(pointer, format!("must be a list of {min} to {max} pictures"));
                return Err(Faulty);
            };
            let each = values.iter().enumerate().map(|(index, value)| {
                let name = format!("{}/{index}", parameter.name);
                picture_at(value, &join(pointer, &index.to_string()), name, pictures, faults).unwrap_or_default()
            });
            Ok(Some(each.collect()))
        }
        _ => parameter.kind.check(value).map_err(|detail| {
            faults.add(pointer, detail);
            Faulty
        }),
    }
}

/// Keeps the picture aside; what is stored for it now is its path or address, or nothing yet.
fn picture_at(
    value: &Value,
    pointer: &str,
    name: String,
    pictures: &mut Vec<RequestPicture>,
    faults: &mut Faults,
) -> Result<Value, Faulty> {
    let source = picture::read(value).map_err(|detail| {
        faults.add(pointer, detail);
        Faulty
    })?;
    let stored = match &source {
        PictureSource::Path(path) => Value::from(path.as_str()),
        PictureSource::Url(url) => Value::from(url.as_str()),
        PictureSource::Inline(_) => Value::Null,
    };
    pictures.push(RequestPicture { pointer: pointer.to_owned(), name, source });
    Ok(stored)
}
