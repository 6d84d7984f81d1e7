//! What may be set in a template: typed bindings of single inputs, and the values they take. Pure.

use serde_json::Value;

use crate::workflow::{OUTPUTS_MAX, SEED_MAX};

/// The longest side of a picture in ComfyUI, in pixels.
pub(super) const SIDE_MAX: u32 = 16_384;

/// The longest file name of a picture, in bytes.
const FILE_NAME_BYTES_MAX: usize = 80;

/// The longest start of an output's file name, in bytes.
pub(super) const PREFIX_BYTES_MAX: usize = 80;

/// How strongly each output shows what was asked for: the first in full, the others so much less that one sees it.
pub(super) const OUTPUT_STRENGTHS: [f64; OUTPUTS_MAX as usize] = [1.0, 0.85, 0.7, 0.55];

/// One input of one node that is set for every request.
#[derive(Debug)]
pub(super) struct Binding {
    /// The id of the node in the template.
    pub(super) node: u32,
    /// The class that the node must have, so that a renumbered template is noticed.
    pub(super) class: &'static str,
    /// The input that is set.
    pub(super) input: &'static str,
    /// What it takes.
    pub(super) accepts: Accepts,
    /// Where its value comes from.
    pub(super) source: Source,
}

/// What an input takes, bounds included. There is no kind for text: no customer's word enters a graph.
#[derive(Debug)]
pub(super) enum Accepts {
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of our own words.
    Word(&'static [&'static str]),
    /// The file name of an uploaded picture, made by the server.
    FileName,
    /// The start of an output's file name, made by the server.
    Prefix,
}

/// Where the value of a binding comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Source {
    /// The file name of the picture that was given for this parameter.
    Picture(&'static str),
    /// This number of the request's parameters as it is; when left out, what stands in the template.
    Parameter(&'static str),
    /// What was worked out for this request under this name.
    Computed(&'static str),
    /// A number for each output, in order, so that outputs of one request differ.
    Variant(&'static [f64; OUTPUTS_MAX as usize]),
    /// The seed of the output.
    Seed,
    /// The start of the output's file name.
    Prefix,
}

/// A value that was worked out. Words are our own: a customer's text cannot become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Integer(i64),
    Number(f64),
    Word(&'static str),
}

impl Scalar {
    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Integer(number) => Value::from(number),
            Self::Number(number) => Value::from(number),
            Self::Word(word) => Value::from(word),
        }
    }
}

impl From<u32> for Scalar {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl Source {
    /// Whether each output has a value of its own, and so a node of its own.
    pub(super) fn is_per_output(self) -> bool {
        match self {
            Self::Variant(_) | Self::Seed | Self::Prefix => true,
            Self::Picture(_) | Self::Parameter(_) | Self::Computed(_) => false,
        }
    }
}

impl Accepts {
    /// The value in the type that ComfyUI shall see, if it is one that the input takes.
    pub(super) fn check(&self, value: &Value) -> Option<Value> {
        match *self {
            Self::Integer { min, max } => value.as_i64().filter(|number| (min..=max).contains(number)).map(Value::from),
            Self::Number { min, max } => value.as_f64().filter(|number| (min..=max).contains(number)).map(Value::from),
            Self::Word(words) => value.as_str().filter(|word| words.contains(word)).map(Value::from),
            Self::FileName => value.as_str().filter(|name| is_file_name(name)).map(Value::from),
            Self::Prefix => value.as_str().filter(|prefix| is_prefix(prefix)).map(Value::from),
        }
    }
}

/// Letters and digits, a dot, an ending that ComfyUI reads: no folders, and no ` [output]`, which would name another
/// folder of the worker's.
fn is_file_name(name: &str) -> bool {
    let stem = ["png", "jpg", "webp"].iter().find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
    name.len() <= FILE_NAME_BYTES_MAX
        && stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Small letters, digits and dashes: ComfyUI reads `%date%` and folders in it otherwise.
pub(super) fn is_prefix(prefix: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=PREFIX_BYTES_MAX).contains(&prefix.len()) && prefix.bytes().all(is_plain)
}

/// The file of `LoadImage` or `LoadImageMask`.
pub(super) const fn picture(node: u32, class: &'static str, parameter: &'static str) -> Binding {
    Binding { node, class, input: "image", accepts: Accepts::FileName, source: Source::Picture(parameter) }
}

/// A width or height in pixels.
pub(super) const fn side(node: u32, class: &'static str, input: &'static str, source: Source) -> Binding {
    Binding { node, class, input, accepts: Accepts::Integer { min: 1, max: SIDE_MAX as i64 }, source }
}

/// A place in a picture, in pixels.
pub(super) const fn place(node: u32, class: &'static str, input: &'static str, source: Source) -> Binding {
    Binding { node, class, input, accepts: Accepts::Integer { min: 0, max: SIDE_MAX as i64 }, source }
}

/// How much of the second picture shows.
pub(super) const fn blend_factor(node: u32, source: Source) -> Binding {
    let accepts = Accepts::Number { min: 0.0, max: 1.0 };
    Binding { node, class: "ImageBlend", input: "blend_factor", accepts, source }
}

/// The colour of `EmptyImage`, as `0xRRGGBB`.
pub(super) const fn color(node: u32, source: Source) -> Binding {
    Binding { node, class: "EmptyImage", input: "color", accepts: Accepts::Integer { min: 0, max: 0xFF_FFFF }, source }
}

/// The seed of `ImageAddNoise`.
pub(super) const fn seed(node: u32) -> Binding {
    let accepts = Accepts::Integer { min: 0, max: SEED_MAX };
    Binding { node, class: "ImageAddNoise", input: "seed", accepts, source: Source::Seed }
}

/// The file of `SaveImage`.
pub(super) const fn save(node: u32) -> Binding {
    Binding { node, class: "SaveImage", input: "filename_prefix", accepts: Accepts::Prefix, source: Source::Prefix }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Accepts;

    #[test]
    fn each_kind_takes_its_own_and_nothing_else() {
        let integer = Accepts::Integer { min: 1, max: 8 };
        let number = Accepts::Number { min: 0.0, max: 1.0 };
        let word = Accepts::Word(&["multiply"]);
        let table = [
            (&integer, json!(8), Some(json!(8))),
            (&integer, json!(9), None),
            (&integer, json!(2.0), None),
            (&integer, json!("2"), None),
            (&integer, json!(["9", 0]), None),
            (&number, json!(1), Some(json!(1.0))),
            (&number, json!(1.01), None),
            (&number, json!(true), None),
            (&word, json!("multiply"), Some(json!("multiply"))),
            (&word, json!("normal"), None),
            (&Accepts::FileName, json!("0af3.webp"), Some(json!("0af3.webp"))),
            (&Accepts::Prefix, json!("a-1"), Some(json!("a-1"))),
        ];
        for (accepts, value, expected) in table {
            assert_eq!(accepts.check(&value), expected, "{accepts:?} of {value}");
        }
    }

    #[test]
    fn names_that_mean_something_to_the_worker_are_refused() {
        let long = format!("{}.png", "a".repeat(80));
        for name in ["", "png", ".png", "a.gif", "../a.png", "a/b.png", "a.png [output]", "a b.png", "é.png", &long] {
            assert_eq!(Accepts::FileName.check(&json!(name)), None, "{name}");
        }
        let long = "a".repeat(81);
        for prefix in ["", "a/b", "..", "%date%", "A", "a b", "a_b", "é", &long] {
            assert_eq!(Accepts::Prefix.check(&json!(prefix)), None, "{prefix}");
        }
    }
}
