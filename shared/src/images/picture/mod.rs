//! The check every picture passes before it is stored, and its conversion to the format that was asked for.

mod budget;
mod codec;
mod container;
mod cost;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod input;
mod inspect;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use thiserror::Error;

use self::container::Broken;
use self::cost::Needs;
use crate::workflow::OutputFormat;

pub use self::budget::set_picture_memory;
pub use self::input::{INPUT_BYTES_MAX, InputError, InputPicture, check_input, fit_inputs, inspect_input};
pub use self::inspect::{BYTES_MAX, Inspected, PIXELS_MAX, inspect};

/// A file that may be delivered.
#[derive(Clone, Debug)]
pub struct Picture {
    pub bytes: Bytes,
    pub format: OutputFormat,
    pub width: u32,
    pub height: u32,
}

/// Why a file is not delivered. None of these passes by itself: the same bytes fail again.
#[derive(Debug, Error)]
pub enum PictureError {
    #[error("the file is empty")]
    Empty,
    #[error("the file has {size_bytes} bytes, more than {BYTES_MAX}")]
    TooLarge { size_bytes: usize },
    /// Not PNG, JPEG, WebP, GIF, AVIF or MP4, whatever its name says.
    #[error("the file is of no known picture type")]
    UnknownType,
    #[error("the picture of {width} x {height} pixels is too large")]
    TooManyPixels { width: u32, height: u32 },
    /// It could be decoded, but not in the memory that pictures may take here.
    #[error("a {kind} may have at most {megapixels_max} megapixels here, and this one has {width} x {height} pixels")]
    TooMuchMemory { kind: String, width: u32, height: u32, megapixels_max: u64 },
    /// Cut off, or damaged, or contradicting itself.
    #[error("the file is damaged: {reason}")]
    Broken { reason: String },
    /// A valid JPEG, as far as was read, of a kind that cannot be decoded reliably here.
    #[error("this kind of JPEG is not supported: {reason}")]
    UnsupportedJpeg { reason: &'static str },
    /// Several frames where one picture is wanted.
    #[error("the file is an animation")]
    Animated,
    /// A clip for a picture or the reverse, or an AVIF to be made into something else: it cannot be decoded here.
    #[error("{found} cannot be made into {wanted}")]
    NotConvertible { found: OutputFormat, wanted: OutputFormat },
    /// The wanted format cannot express this picture.
    #[error("the picture cannot be written as {wanted}: {reason}")]
    Unencodable { wanted: OutputFormat, reason: String },
}

impl PictureError {
    pub(super) fn broken(error: image::ImageError) -> Self {
        Self::Broken { reason: error.to_string() }
    }
}

impl From<Broken> for PictureError {
    fn from(broken: Broken) -> Self {
        Self::Broken { reason: broken.to_string() }
    }
}

/// What is said of a file on which a decoder panicked.
const GAVE_UP: &str = "its decoder gave up";

/// Checks a file by its bytes and gives it back as `wanted`, or as it was made.
///
/// A still picture is decoded to its end, turned as its EXIF says, and encoded anew only where it is of another format;
/// otherwise its pixels stay exactly as stored, and it loses metadata (text chunks, EXIF, comments), where generators leave
/// their prompts. A clip, and an AVIF that is wanted as AVIF, is checked by its boxes and kept as it is.
///
/// A picture that cannot be encoded anew in the memory that pictures may take keeps the format that it was made in: the
/// answer's `format` says which. One that cannot even be decoded in it is checked by its structure alone. Neither is
/// turned.
///
/// Waits for its turn and for room, then works on a blocking thread. Dropping the future does not end work that has
/// begun.
///
/// # Errors
/// [`PictureError`]; a decoder that panics on a file has found it damaged.
pub async fn prepare(bytes: Bytes, wanted: OutputFormat) -> Result<Picture, PictureError> {
    // What needs no decoding is refused without waiting for a turn.
    let found = inspect(&bytes)?;
    let plan = Plan::of(&bytes, &found, wanted)?;
    let prepared = budget::within(plan.cost, move || prepare_as(&bytes, wanted, &plan)).await;
    prepared.unwrap_or_else(|| Err(PictureError::Broken { reason: GAVE_UP.to_owned() }))
}

/// How a file is made into an output, and what that takes in memory.
struct Plan {
    found: Inspected,
    how: How,
    cost: u64,
}

/// What is done with the pixels of a file, in the memory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// They are decoded, and encoded anew where that is needed.
    Convert,
    /// The same, unless something shows through: an alpha channel takes more to encode.
    ConvertOpaque,
    /// They are decoded to see that they are whole.
    Keep,
    /// They are not decoded.
    KeepUnread,
}

impl Plan {
    fn of(file: &[u8], found: &Inspected, wanted: OutputFormat) -> Result<Self, PictureError> {
        let plan = |how, cost| Ok(Self { found: *found, how, cost });
        let unread = file.len() as u64;
        if matches!(found.format, OutputFormat::Avif | OutputFormat::Mp4)
            || matches!(wanted, OutputFormat::Gif | OutputFormat::Mp4)
        {
            return plan(How::KeepUnread, unread);
        }
        let needs = Needs::of(file, found)?;
        let most = budget::bytes_max();
        let encoded = found.format != wanted || needs.turned();
        let options = [
            (How::Convert, if encoded { needs.converting(wanted) } else { needs.decoding() }),
            (How::ConvertOpaque, needs.converting_opaque(wanted)),
            (How::Keep, needs.decoding()),
        ];
        let (how, cost) = options.into_iter().find(|(_, cost)| *cost <= most).unwrap_or((How::KeepUnread, unread));
        plan(how, cost)
    }

    /// Whether a picture that has been decoded is encoded anew.
    fn converts(&self, decoded: &codec::Decoded, wanted: OutputFormat) -> bool {
        let needed = self.found.format != wanted || decoded.turned;
        needed
            && match self.how {
                How::Convert => true,
                How::ConvertOpaque => codec::is_opaque(&decoded.image),
                How::Keep | How::KeepUnread => false,
            }
    }
}

/// What [`prepare`] does, without waiting.
#[cfg(test)]
fn prepare_now(bytes: &Bytes, wanted: OutputFormat) -> Result<Picture, PictureError> {
    prepare_as(bytes, wanted, &Plan::of(bytes, &inspect(bytes)?, wanted)?)
}

fn prepare_as(bytes: &Bytes, wanted: OutputFormat, plan: &Plan) -> Result<Picture, PictureError> {
    use OutputFormat::{Avif, Gif, Jpg, Mp4, Png, Webp};

    let found = plan.found;
    let survey = container::survey(found.format, bytes)?;
    match (found.format, wanted) {
        (Avif | Png | Webp | Gif, Avif | Png | Webp | Jpg) if survey.animated => Err(PictureError::Animated),
        (Avif, Avif) | (Mp4, Mp4) | (Gif, Gif) => {
            Ok(Picture { bytes: bytes.clone(), format: wanted, width: found.width, height: found.height })
        }
        (Png | Jpg | Webp | Gif, Png | Jpg | Webp | Avif) => prepare_still(bytes, survey.stripped, wanted, plan),
        (found, wanted) => Err(PictureError::NotConvertible { found, wanted }),
    }
}

fn prepare_still(
    bytes: &Bytes,
    stripped: Option<Vec<u8>>,
    wanted: OutputFormat,
    plan: &Plan,
) -> Result<Picture, PictureError> {
    let Inspected { format: found, width, height } = plan.found;
    let as_made = || stripped.map_or_else(|| bytes.clone(), Bytes::from);
    let decoded = if plan.how == How::KeepUnread { None } else { Some(codec::decode(bytes, found)?) };
    let picture = match decoded {
        Some(decoded) if plan.converts(&decoded, wanted) => {
            let (width, height) = (decoded.image.width(), decoded.image.height());
            let bytes = Bytes::from(codec::encode(decoded.image, wanted)?);
            Picture { bytes, format: wanted, width, height }
        }
        Some(_) | None => Picture { bytes: as_made(), format: found, width, height },
    };
    if picture.format != wanted {
        tracing::warn!(%found, %wanted, width, height, "the picture is too large to be encoded anew");
    }
    if picture.bytes.len() > BYTES_MAX {
        return Err(PictureError::TooLarge { size_bytes: picture.bytes.len() });
    }
    Ok(picture)
}
