//! What a customer sends to be generated -> a validated request. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::{Fault, Faults, Fields, join, line};
use super::input_data::{self, InputData};
use super::picture::{PathOwner, PictureSource, RequestPicture, outgrows, path_owner};
use super::{CATALOGUE, OUTPUTS_MAX, OutputFormat, Workflow, find};
use crate::credits::Credits;
use crate::ids::{QuoteId, UserId};
use crate::images::PIXELS_MAX;
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

/// What is said of a storage path that leads to nothing of the caller's.
pub const NO_SUCH_PICTURE: &str = "names no picture of yours: neither an upload nor an output";

/// What the body may hold.
const BODY_FIELDS: [&str; 9] = [
    "user_id",
    "quote_id",
    "workflow_type",
    "input_data",
    "settings",
    "project_id",
    "brand_name",
    "campaign_name",
    "tags",
];

/// What `settings` may hold.
const SETTINGS_FIELDS: &[&str] = &["method", "output_count", "output_format"];

/// The parameter that names the format of a clip.
const FORMAT: &str = "format";

/// One validated request to run one workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose request the body says it is; to be compared with who is asking, never to be trusted.
    pub claimed_user_id: Option<UserId>,
    /// The quote whose price it asks for; not yet known to be the caller's, nor to be about this request.
    pub quote_id: Option<QuoteId>,
    /// What to run.
    pub workflow: &'static Workflow,
    /// How the customer chose to work; kept for them, without effect on the result.
    pub method: String,
    /// The workflow's parameters in `snake_case`, defaults filled in. Pictures stand here as storage paths and
    /// addresses; those that came inside the request only after [`Request::for_user`].
    pub parameters: Map<String, Value>,
    /// Its pictures, in the order of the catalogue.
    pub pictures: Vec<RequestPicture>,
    /// Where the parameters stand in the body, as JSON pointers in the customer's spelling.
    pub(super) pointers: BTreeMap<&'static str, String>,
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
        let fields = Fields::of(body, "", &BODY_FIELDS, &mut faults);
        let claimed_user_id = uuid(&fields, "user_id", &mut faults).map(UserId);
        let quote_id = uuid(&fields, "quote_id", &mut faults).map(QuoteId);
        let workflow = workflow(&fields, &mut faults);
        let InputData { mut parameters, pictures, pointers } = input_data::read(&fields, workflow, &mut faults);
        let mut settings = settings(&fields, workflow, &mut faults);
        agree_on_format(&fields, workflow, &mut parameters, &mut settings, &mut faults);
        let project_id = uuid(&fields, "project_id", &mut faults);
        let brand_name = text(&fields, "brand_name", &mut faults);
        let campaign_name = text(&fields, "campaign_name", &mut faults);
        let tags = tags(&fields, &mut faults);

        faults.or(workflow.map(|workflow| Self {
            claimed_user_id,
            quote_id,
            workflow,
            method: settings.method.unwrap_or_else(|| METHOD_AUTOMATIC.to_owned()),
            parameters,
            pictures,
            pointers,
            outputs_asked: settings.outputs_asked.unwrap_or(workflow.outputs_default),
            output_format: settings.output_format.unwrap_or_else(|| workflow.format_default()),
            project_id,
            brand_name,
            campaign_name,
            tags,
        }))
    }

    /// The same request with every picture where this user's pictures are.
    ///
    /// # Errors
    /// A fault for each storage path that the user may not use, whether or not it exists.
    pub fn for_user(mut self, user_id: UserId) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        for picture in &self.pictures {
            match &picture.source {
                PictureSource::Path(path) if path_owner(path, user_id) == PathOwner::Foreign => {
                    faults.add(&picture.pointer, NO_SUCH_PICTURE);
                }
                PictureSource::Inline(inline)
                    if outgrows(self.workflow.kind, &self.parameters, inline.width, inline.height) =>
                {
                    faults.add(&picture.pointer, format!("would become larger than {PIXELS_MAX} pixels"));
                }
                PictureSource::Inline(inline) => {
                    input_data::put(&mut self.parameters, &picture.name, inline.path(user_id));
                }
                PictureSource::Path(_) | PictureSource::Url(_) => {}
            }
        }
        faults.or(Some(self))
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
            faults.add(
                pointer,
                match workflow {
                    Some(workflow) if outputs_max == 1 => format!("must be 1: {} makes one output", workflow.kind),
                    _ => format!("must be a whole number from 1 to {outputs_max}"),
                },
            );
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

/// A clip's format may be asked for in `input_data` too; both must say the same, and what is stored says it.
fn agree_on_format(
    fields: &Fields<'_>,
    workflow: Option<&Workflow>,
    parameters: &mut Map<String, Value>,
    settings: &mut Settings,
    faults: &mut Faults,
) {
    let Some(workflow) = workflow.filter(|workflow| workflow.parameters.iter().any(|one| one.name == FORMAT)) else {
        return;
    };
    let named = parameters.get(FORMAT).and_then(Value::as_str).and_then(|name| name.parse::<OutputFormat>().ok());
    match (named, settings.output_format) {
        (Some(named), Some(asked)) if named != asked => {
            let (pointer, _) = fields.get("input_data", faults);
            faults.add(join(&pointer, FORMAT), format!("differs from output_format, which is {asked}"));
        }
        (named, asked) => {
            let format = asked.or(named).unwrap_or_else(|| workflow.format_default());
            settings.output_format = Some(format);
            parameters.insert(FORMAT.to_owned(), Value::from(format.as_str()));
        }
    }
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

#[cfg(test)]
mod tests;
