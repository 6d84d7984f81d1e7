//! worker-comfyui's handler: takes a job's input, uploads its pictures, queues its workflow, and collects what was saved.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Failure;
use super::disk::{Disk, upload_path};
use super::execute::{Outcome, Remembered, execute};
use super::fault::NodeErrors;
use super::graph::{Graph, Rejection};
use super::python::{decode_base64, text, type_name};
use super::validate::validate;

const UPLOAD_URL: &str = "http://127.0.0.1:8188/upload/image";
const PROMPT_URL: &str = "http://127.0.0.1:8188/prompt";

/// What the handler reads of a job's input.
struct Request<'a> {
    workflow: Cow<'a, Value>,
    images: Vec<(Value, Value)>,
}

/// Does a job on that disk.
///
/// # Errors
///
/// The job ends as FAILED.
pub(super) fn handle(input: &Value, disk: &Disk, remembered: &Remembered) -> Result<Outcome, Failure> {
    let request = read(input)?;
    upload(&request.images, disk)?;
    let (graph, outputs) = queue(&request.workflow, disk)?;
    let mut outcome = execute(&graph, &outputs, disk, remembered);
    match outcome.error.take() {
        Some(error) if outcome.saved.is_empty() => {
            Err(Failure { error: "Job processing failed".to_owned(), details: vec![error] })
        }
        error => Ok(Outcome { error, ..outcome }),
    }
}

fn failure(error: impl Into<String>) -> Failure {
    Failure { error: error.into(), details: Vec::new() }
}

/// An error that the handler does not catch: the SDK makes a JSON document of it.
fn uncaught(kind: &str, message: &str) -> Failure {
    let error = json!({
        "error_type": format!("<class '{kind}'>"),
        "error_message": message,
        "error_traceback": format!("Traceback (most recent call last):\n  File \"/handler.py\", line 118, in validate_input\n{kind}: {message}\n"),
        "hostname": "9f2c41b7d0aa-64410d5e",
        "worker_id": "9f2c41b7d0aa",
        "runpod_version": "1.7.13",
    });
    failure(error.to_string())
}

fn read(input: &Value) -> Result<Request<'_>, Failure> {
    let input = match input {
        Value::String(json) => {
            Cow::Owned(serde_json::from_str(json).map_err(|_| failure("Invalid JSON format in input"))?)
        }
        input => Cow::Borrowed(input),
    };
    if !input.is_object() {
        let message = format!("'{}' object has no attribute 'get'", type_name(&input));
        return Err(uncaught("AttributeError", &message));
    }
    let images = read_images(input.get("images"))?;
    let workflow = match input {
        Cow::Borrowed(input) => input.get("workflow").map(Cow::Borrowed),
        Cow::Owned(mut input) => input.get_mut("workflow").map(|workflow| Cow::Owned(workflow.take())),
    };
    let workflow = workflow.filter(|workflow| !workflow.is_null());
    Ok(Request { workflow: workflow.ok_or_else(|| failure("Missing 'workflow' parameter"))?, images })
}

fn read_images(images: Option<&Value>) -> Result<Vec<(Value, Value)>, Failure> {
    let refused = || failure("'images' must be a list of objects with 'name' and 'image' keys");
    match images {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(images)) => {
            let image = |image: &Value| Some((image.get("name")?.clone(), image.get("image")?.clone()));
            images.iter().map(|one| image(one).ok_or_else(refused)).collect()
        }
        Some(_) => Err(refused()),
    }
}

/// All are tried; what was written stays, even where another fails.
fn upload(images: &[(Value, Value)], disk: &Disk) -> Result<(), Failure> {
    let details: Vec<String> =
        images.iter().filter_map(|(name, image)| upload_one(&text(name), image, disk).err()).collect();
    if details.is_empty() {
        return Ok(());
    }
    Err(Failure { error: "Failed to upload one or more input images".to_owned(), details })
}

fn upload_one(name: &str, image: &Value, disk: &Disk) -> Result<(), String> {
    let Some(data) = image.as_str() else {
        let kind = type_name(image);
        return Err(format!("Unexpected error uploading {name}: argument of type '{kind}' is not iterable"));
    };
    let base64 = data.split_once(',').map_or(data, |(_, base64)| base64);
    let bytes = decode_base64(base64).map_err(|error| format!("Error decoding base64 for {name}: {error}"))?;
    let path = upload_path(name).map_err(|status| {
        let answer =
            if status == 400 { "400 Client Error: Bad Request" } else { "500 Server Error: Internal Server Error" };
        format!("Error uploading {name}: {answer} for url: {UPLOAD_URL}")
    })?;
    disk.write(path, Arc::from(bytes));
    Ok(())
}

/// A graph that was accepted, with those of its outputs that may run.
fn queue(workflow: &Value, disk: &Disk) -> Result<(Graph, Vec<usize>), Failure> {
    let mut graph = Graph::read(workflow).map_err(|rejection| failure(rejected(&rejection)))?;
    let outputs = validate(&mut graph, disk).map_err(|errors| failure(invalid(&errors)))?;
    Ok((graph, outputs))
}

fn rejected(rejection: &Rejection) -> String {
    match rejection {
        Rejection::ServerError => {
            format!("Error queuing workflow: 500 Server Error: Internal Server Error for url: {PROMPT_URL}")
        }
        Rejection::Invalid { kind, message, details } => raw(message, kind, message, details),
    }
}

/// What the handler tells of an answer that names no node.
fn raw(told: &str, kind: &str, message: &str, details: &str) -> String {
    let (message, details) = (json!(message), json!(details));
    format!(
        "{told}. Raw response: {{\"error\": {{\"type\": \"{kind}\", \"message\": {message}, \"details\": {details}, \
         \"extra_info\": {{}}}}, \"node_errors\": {{}}}}"
    )
}

fn invalid(errors: &[NodeErrors]) -> String {
    let told = "Workflow validation failed";
    let lines: Vec<String> = errors.iter().flat_map(NodeErrors::lines).collect();
    if lines.is_empty() {
        return raw(told, "prompt_outputs_failed_validation", "Prompt outputs failed validation", "");
    }
    let bullets: Vec<String> = lines.iter().map(|line| format!("• {line}")).collect();
    let mut message = format!("{told}:\n{}", bullets.join("\n"));
    if lines.iter().any(|line| line.contains("not in list") && line.contains("ckpt_name")) {
        message.push_str("\n\nNo checkpoint models appear to be available. Please check your model installation.");
    }
    message
}
