//! The check every picture passes before it is stored, and its conversion to the format that was asked for.

mod codec;
mod container;
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
use tokio::sync::Semaphore;

use self::container::Broken;
use crate::workflow::OutputFormat;

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
    /// Cut off, or damaged, or contradicting itself.
    #[error("the file is damaged: {reason}")]
    Broken { reason: String },
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

/// Pictures in work at once in this process. Each keeps a core busy and may hold a few hundred megabytes of pixels, so
/// the bound is on memory and does not grow with the machine; to do more at once, run more processes.
const AT_ONCE: usize = 2;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What is said of a file on which a decoder panicked.
const GAVE_UP: &str = "its decoder gave up";

/// Checks a file by its bytes and gives it back as `wanted`.
///
/// A still picture is decoded to its end, turned as its EXIF says, and encoded anew only where it is of another format;
/// otherwise it keeps its pixels bit by bit and loses metadata (text chunks, EXIF, comments), where generators leave
/// their prompts. A clip, and an AVIF that is wanted as AVIF, is checked by its boxes and kept as it is.
///
/// Waits for its turn, then works on a blocking thread. Dropping the future does not end work that has begun.
///
/// # Errors
/// [`PictureError`]; a decoder that panics on a file has found it damaged.
pub async fn prepare(bytes: Bytes, wanted: OutputFormat) -> Result<Picture, PictureError> {
    // What needs no decoding is refused without waiting for a turn.
    inspect(&bytes)?;
    let prepared = in_turn(move || prepare_now(&bytes, wanted)).await;
    prepared.unwrap_or_else(|| Err(PictureError::Broken { reason: GAVE_UP.to_owned() }))
}

/// Waits for a turn and does `work` on a blocking thread; `None` if it panicked.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let permit = TURNS.acquire().await.expect("the semaphore is never closed");
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    work.await.ok()
}

fn prepare_now(bytes: &Bytes, wanted: OutputFormat) -> Result<Picture, PictureError> {
    use OutputFormat::{Avif, Gif, Jpg, Mp4, Png, Webp};

    let found = inspect(bytes)?;
    let survey = container::survey(found.format, bytes)?;
    match (found.format, wanted) {
        (Avif | Png | Webp | Gif, Avif | Png | Webp | Jpg) if survey.animated => Err(PictureError::Animated),
        (Avif, Avif) | (Mp4, Mp4) | (Gif, Gif) => {
            Ok(Picture { bytes: bytes.clone(), format: wanted, width: found.width, height: found.height })
        }
        (Png | Jpg | Webp | Gif, Png | Jpg | Webp | Avif) => {
            prepare_still(bytes, found.format, survey.stripped, wanted)
        }
        (found, wanted) => Err(PictureError::NotConvertible { found, wanted }),
    }
}

fn prepare_still(
    bytes: &Bytes,
    found: OutputFormat,
    stripped: Option<Vec<u8>>,
    wanted: OutputFormat,
) -> Result<Picture, PictureError> {
    let decoded = codec::decode(bytes, found)?;
    let (width, height) = (decoded.image.width(), decoded.image.height());
    let bytes = if found == wanted && !decoded.turned {
        stripped.map_or_else(|| bytes.clone(), Bytes::from)
    } else {
        Bytes::from(codec::encode(decoded.image, wanted)?)
    };
    if bytes.len() > BYTES_MAX {
        return Err(PictureError::TooLarge { size_bytes: bytes.len() });
    }
    Ok(Picture { bytes, format: wanted, width, height })
}
