//! What a customer sends to be generated -> a validated request. Pure.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::{Fault, Faults, Fields, check_text, join};
use super::{CATALOGUE, Need, OUTPUTS_MAX, OutputFormat, Workflow, find};
use crate::credits::Credits;
use crate::ids::UserId;
use crate::pricing;

/// The method of a request that names none.
pub const METHOD_AUTOMATIC: &str = "automatic";

/// The longest name of a method, in characters.
pub const METHOD_CHARS_MAX: usize = 40;

/// The longest brand or campaign name, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// The most tags of one generation.
pub const TAGS_MAX: usize = 20;

/// The longest tag, in characters.
pub const TAG_CHARS_MAX: usize = 50;

/// What the body may hold.
const BODY_FIELDS: &[&str] =
    &["user_id", "workflow_type", "input_data", "settings", "project_id", "brand_name", "campaign_name", "tags"];

/// What `settings` may hold.
const SETTINGS_FIELDS: &[&str] = &["method", "output_count", "output_format"];

/// One validated request to run one workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose request the body says it is; to be compared with who is asking, never to be trusted.
    pub claimed_user_id: Option<UserId>,
    /// What to run.
    pub workflow: &'static Workflow,
    /// How the customer chose to work; kept for her, without effect on the result.
    pub method: String,
    /// The workflow's parameters in `snake_case`, defaults filled in.
    pub parameters: Map<String, Value>,
    /// How many outputs, at least 1.
    pub outputs_asked: u8,
    /// What they are delivered as.
    pub output_format: OutputFormat,
    /// The project it belongs to; not yet known to be the caller's.
    pub project_id: Option<Uuid>,
    /// A name of the customer's own.
    pub brand_name: Option<String>,
    /// A name of the customer's own.
    pub campaign_name: Option<String>,
    /// Words of the customer's own.
    pub tags: Vec<String>,
}

/// The `settings` of a request, as far as they are sound.
struct Settings {
    method: Option<String>,
    outputs_asked: Option<u8>,
    output_format: Option<OutputFormat>,
}

impl Request {
    /// Reads a request and checks all of it.
    ///
    /// # Errors
    ///
    /// Every fault, at most [`super::FAULTS_MAX`], in the order of the fields.
    pub fn parse(body: &Value) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let fields = Fields::of(body, "", BODY_FIELDS, &mut faults);
        let claimed_user_id = uuid(&fields, "user_id", &mut faults).map(UserId);
        let workflow = workflow(&fields, &mut faults);
        let parameters = parameters(&fields, workflow, &mut faults);
        let settings = settings(&fields, workflow, &mut faults);
        let project_id = uuid(&fields, "project_id", &mut faults);
        let brand_name = text(&fields, "brand_name", &mut faults);
        let campaign_name = text(&fields, "campaign_name", &mut faults);
        let tags = tags(&fields, &mut faults);

        faults.or(workflow.map(|workflow| Self {
            claimed_user_id,
            workflow,
            method: settings.method.unwrap_or_else(|| METHOD_AUTOMATIC.to_owned()),
            parameters,
            outputs_asked: settings.outputs_asked.unwrap_or(workflow.outputs_default),
            output_format: settings.output_format.unwrap_or_else(|| workflow.format_default()),
            project_id,
            brand_name,
            campaign_name,
            tags,
        }))
    }

    /// What it costs if all of it is delivered.
    #[must_use]
    pub fn price(&self) -> Credits {
        pricing::price(self.workflow.cost, self.outputs_asked.into(), self.workflow.outputs_default.into())
    }
}

fn workflow(fields: &Fields<'_>, faults: &mut Faults) -> Option<&'static Workflow> {
    let (pointer, value) = fields.get("workflow_type", faults);
    let workflow = value.and_then(Value::as_str).and_then(find);
    if workflow.is_none() && fields.is_object() {
        let names: Vec<_> = CATALOGUE.iter().map(|workflow| workflow.kind.as_str()).collect();
        let wanted = names.join(", ");
        match value {
            None => faults.add(pointer, format!("is required: one of {wanted}")),
            Some(_) => faults.add(pointer, format!("must be one of {wanted}")),
        }
    }
    workflow
}

fn parameters(fields: &Fields<'_>, workflow: Option<&Workflow>, faults: &mut Faults) -> Map<String, Value> {
    let mut found = Map::new();
    let (pointer, value) = fields.get("input_data", faults);
    let Some(workflow) = workflow else {
        // Which names would be right is not known; that it is an object can be said all the same.
        if value.is_some_and(|value| !value.is_object()) {
            faults.add(pointer, "must be an object");
        }
        return found;
    };
    let empty = Value::Object(Map::new());
    let names: Vec<_> = workflow.parameters.iter().map(|parameter| parameter.name).collect();
    let given = Fields::of(value.unwrap_or(&empty), &pointer, &names, faults);
    if !given.is_object() {
        return found;
    }
    for parameter in workflow.parameters {
        let (pointer, value) = given.get(parameter.name, faults);
        let checked = match value.map(|value| parameter.kind.check(value)) {
            Some(Ok(value)) => value,
            Some(Err(detail)) => {
                faults.add(pointer, detail);
                continue;
            }
            None => None,
        };
        match (checked, parameter.need) {
            (Some(value), _) => drop(found.insert(parameter.name.to_owned(), value)),
            (None, Need::Default(preset)) => drop(found.insert(parameter.name.to_owned(), preset.to_value())),
            (None, Need::Required) => faults.add(pointer, "is required"),
            (None, Need::Optional) => {}
        }
    }
    found
}

fn settings(fields: &Fields<'_>, workflow: Option<&Workflow>, faults: &mut Faults) -> Settings {
    let (pointer, value) = fields.get("settings", faults);
    let empty = Value::Object(Map::new());
    let given = Fields::of(value.unwrap_or(&empty), &pointer, SETTINGS_FIELDS, faults);

    let (pointer, value) = given.get("method", faults);
    let method = value.and_then(|value| {
        let name = value.as_str().filter(|name| is_method(name));
        if name.is_none() {
            let detail = format!("must be a name in snake_case of at most {METHOD_CHARS_MAX} characters");
            faults.add(pointer, detail);
        }
        name.map(str::to_owned)
    });

    let (pointer, value) = given.get("output_count", faults);
    let outputs_max = workflow.map_or(OUTPUTS_MAX, |workflow| workflow.outputs_max);
    let outputs_asked = value.and_then(|value| {
        let count = value.as_u64().and_then(|count| u8::try_from(count).ok());
        let count = count.filter(|count| (1..=outputs_max).contains(count));
        if count.is_none() {
            faults.add(pointer, format!("must be a whole number from 1 to {outputs_max}"));
        }
        count
    });

    let (pointer, value) = given.get("output_format", faults);
    let formats = workflow.map_or(&OutputFormat::ALL[..], |workflow| workflow.formats);
    let output_format = value.and_then(|value| {
        let format = value.as_str().and_then(|name| name.parse().ok());
        let format = format.filter(|format| formats.contains(format));
        if format.is_none() {
            let names: Vec<_> = formats.iter().map(|format| format.as_str()).collect();
            faults.add(pointer, format!("must be one of {}", names.join(", ")));
        }
        format
    });
    Settings { method, outputs_asked, output_format }
}

/// `automatic`, `manual_mask`: the list of methods is the front end's, so only their form is checked.
fn is_method(name: &str) -> bool {
    name.len() <= METHOD_CHARS_MAX
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn uuid(fields: &Fields<'_>, name: &str, faults: &mut Faults) -> Option<Uuid> {
    let (pointer, value) = fields.get(name, faults);
    let value = value?;
    let uuid = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
    if uuid.is_none() {
        faults.add(pointer, "must be a UUID");
    }
    uuid
}

/// A name of the customer's own; what is blank counts as left out.
fn text(fields: &Fields<'_>, name: &str, faults: &mut Faults) -> Option<String> {
    let (pointer, value) = fields.get(name, faults);
    match line(value?, NAME_CHARS_MAX) {
        Ok(text) => text,
        Err(detail) => {
            faults.add(pointer, detail);
            None
        }
    }
}

fn tags(fields: &Fields<'_>, faults: &mut Faults) -> Vec<String> {
    let (pointer, value) = fields.get("tags", faults);
    let Some(value) = value else { return Vec::new() };
    let Some(given) = value.as_array().filter(|given| given.len() <= TAGS_MAX) else {
        faults.add(pointer, format!("must be a list of at most {TAGS_MAX} strings"));
        return Vec::new();
    };
    let mut tags: Vec<String> = Vec::with_capacity(given.len());
    for (index, value) in given.iter().enumerate() {
        match line(value, TAG_CHARS_MAX) {
            Ok(Some(tag)) if !tags.contains(&tag) => tags.push(tag),
            Ok(Some(_)) => {}
            Ok(None) => faults.add(join(&pointer, &index.to_string()), "must not be empty"),
            Err(detail) => faults.add(join(&pointer, &index.to_string()), detail),
        }
    }
    tags
}

/// One line of text without the blanks around it, `None` where that is nothing, or what is wrong with it.
fn line(value: &Value, chars_max: usize) -> Result<Option<String>, String> {
    let text = value.as_str().ok_or("must be a string")?.trim();
    check_text(text, chars_max)?;
    if text.contains(['\n', '\r', '\t']) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests;
