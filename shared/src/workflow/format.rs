//! What an output is stored and delivered as. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The format of an output: `output_format`, and the extension of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// A picture.
    Webp,
    /// A picture.
    Jpg,
    /// A picture.
    Png,
    /// A picture.
    Avif,
    /// A clip.
    Mp4,
    /// A clip.
    Gif,
}

/// The text names no output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown output format")]
pub struct UnknownFormat;

impl OutputFormat {
    /// Every format, of pictures and clips.
    pub const ALL: [Self; 6] = [Self::Webp, Self::Jpg, Self::Png, Self::Avif, Self::Mp4, Self::Gif];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Jpg => "jpg",
            Self::Png => "png",
            Self::Avif => "avif",
            Self::Mp4 => "mp4",
            Self::Gif => "gif",
        }
    }

    /// The extension of its files, without the dot.
    #[must_use]
    pub const fn ext(self) -> &'static str {
        self.as_str()
    }

    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Webp => "image/webp",
            Self::Jpg => "image/jpeg",
            Self::Png => "image/png",
            Self::Avif => "image/avif",
            Self::Mp4 => "video/mp4",
            Self::Gif => "image/gif",
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OutputFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::{OutputFormat, UnknownFormat};

    #[test]
    fn every_format_reads_back_from_its_name() {
        for format in OutputFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            assert_eq!(serde_json::to_value(format).expect("a string"), format.as_str());
        }
        assert_eq!("jpeg".parse::<OutputFormat>(), Err(UnknownFormat));
        assert_eq!("PNG".parse::<OutputFormat>(), Err(UnknownFormat));
    }
}
