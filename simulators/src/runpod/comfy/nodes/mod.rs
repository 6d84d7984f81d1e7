//! The nodes that this ComfyUI has, of version 0.3.64: their inputs with names, choices and bounds, and what they do. A file is a
//! family. Defaults are not here: the API applies none, an input that is required must be given.

mod alpha;
mod batch;
mod compose;
mod files;
mod filter;
mod models;
mod place;
mod scale;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use raster::Raster;
use serde_json::Value;

use super::disk::{Disk, Saved};
use super::python::{Exception, type_name};

/// ComfyUI's `MAX_RESOLUTION`.
const RESOLUTION_MAX: u64 = 16_384;
/// Samples of one raster at most; more is what a worker without the memory would say.
const SAMPLES_MAX: usize = 200_000_000;

const IMAGE: &str = "IMAGE";
const MASK: &str = "MASK";
const INT: &str = "INT";

const FAMILIES: [&[Node]; 9] = [
    files::NODES,
    source::NODES,
    scale::NODES,
    place::NODES,
    filter::NODES,
    compose::NODES,
    batch::NODES,
    alpha::NODES,
    models::NODES,
];

/// A class of nodes.
pub(super) struct Node {
    pub(super) class_type: &'static str,
    pub(super) inputs: &'static [Input],
    /// The types of its slots.
    pub(super) outputs: &'static [&'static str],
    pub(super) is_output: bool,
    run: fn(&Arguments<'_>, &Disk) -> Result<Made, Exception>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class_type)
    }
}

/// One input of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) is_required: bool,
}

/// What an input takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// Something of that type that another node made.
    Link(&'static str),
    Int {
        min: u64,
        max: u64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Text,
    Boolean,
    Choice(&'static [&'static str]),
    /// The name of a file on the worker's disk.
    File,
}

const fn input(name: &'static str, takes: Takes) -> Input {
    Input { name, takes, is_required: true }
}

const fn image(name: &'static str) -> Input {
    input(name, Takes::Link(IMAGE))
}

const fn mask(name: &'static str) -> Input {
    input(name, Takes::Link(MASK))
}

const fn int(name: &'static str, min: u64, max: u64) -> Input {
    input(name, Takes::Int { min, max })
}

const fn float(name: &'static str, min: f64, max: f64) -> Input {
    input(name, Takes::Float { min, max })
}

const fn choice(name: &'static str, options: &'static [&'static str]) -> Input {
    input(name, Takes::Choice(options))
}

const fn optional(input: Input) -> Input {
    Input { is_required: false, ..input }
}

/// The class of that name.
pub(super) fn find(class_type: &str) -> Option<&'static Node> {
    FAMILIES.into_iter().flatten().find(|node| node.class_type == class_type)
}

impl Node {
    pub(super) fn run(&self, arguments: &Arguments<'_>, disk: &Disk) -> Result<Made, Exception> {
        (self.run)(arguments, disk)
    }
}

/// What stands at a slot.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Image(Arc<Raster>),
    Mask(Arc<Raster>),
    Int(u64),
}

/// What a node made.
pub(super) enum Made {
    Slots(Vec<Data>),
    Files(Vec<Saved>),
    /// Files of the temporary folder, which nobody is given.
    Previews,
}

impl Made {
    fn image(raster: Raster) -> Self {
        Self::Slots(vec![Data::Image(Arc::new(raster))])
    }

    fn mask(raster: Raster) -> Self {
        Self::Slots(vec![Data::Mask(Arc::new(raster))])
    }
}

/// The input of a node when it runs.
#[derive(Clone, Debug)]
pub(super) enum Argument<'a> {
    Linked(Data),
    Value(&'a Value),
}

/// The inputs of a node when it runs, by name.
pub(super) struct Arguments<'a>(pub(super) BTreeMap<&'a str, Argument<'a>>);

impl Arguments<'_> {
    fn raster(&self, name: &str) -> Result<Option<&Raster>, Exception> {
        match self.0.get(name) {
            None | Some(Argument::Value(Value::Null)) => Ok(None),
            Some(Argument::Linked(Data::Image(raster) | Data::Mask(raster))) => Ok(Some(raster)),
            Some(Argument::Linked(Data::Int(_))) => Err(no_shape("int")),
            Some(Argument::Value(value)) => Err(no_shape(type_name(value))),
        }
    }

    fn image(&self, name: &str) -> Result<&Raster, Exception> {
        self.raster(name)?.ok_or_else(|| no_shape("NoneType"))
    }

    fn value(&self, name: &str) -> &Value {
        match self.0.get(name) {
            Some(Argument::Value(value)) => value,
            _ => &Value::Null,
        }
    }

    fn whole(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(Argument::Linked(Data::Int(number))) => *number,
            _ => self.value(name).as_u64().unwrap_or_default(),
        }
    }

    fn count(&self, name: &str) -> usize {
        usize::try_from(self.whole(name)).unwrap_or(usize::MAX)
    }

    fn float(&self, name: &str) -> f64 {
        self.value(name).as_f64().unwrap_or_default()
    }

    #[expect(clippy::cast_possible_truncation, reason = "tensors compute in f32")]
    fn float32(&self, name: &str) -> f32 {
        self.float(name) as f32
    }

    fn text(&self, name: &str) -> &str {
        self.value(name).as_str().unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }
}

fn no_shape(type_name: &str) -> Exception {
    Exception::new("AttributeError", format!("'{type_name}' object has no attribute 'shape'"))
}

/// Two tensors differ where they must not.
fn mismatch(a: usize, b: usize, dimension: usize) -> Exception {
    let message = format!(
        "The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dimension}"
    );
    Exception::new("RuntimeError", message)
}

/// Whether there is memory for so many pictures of that size.
fn room(batch: usize, (width, height): (usize, usize), channels: usize) -> Result<(), Exception> {
    let samples = batch.saturating_mul(width).saturating_mul(height).saturating_mul(channels);
    if samples <= SAMPLES_MAX {
        return Ok(());
    }
    let message = format!(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate {} \
         bytes. Error code 12 (Cannot allocate memory)",
        samples.saturating_mul(4)
    );
    Err(Exception::new("RuntimeError", message))
}

#[expect(clippy::cast_precision_loss, reason = "sides and pixels are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Python's `round`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and no side is so long"
)]
fn round(side: f64) -> usize {
    side.round_ties_even() as usize
}
