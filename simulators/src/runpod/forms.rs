//! The forms of a result and of an error, and the ways a picture in it can be spoiled.

use serde::{Deserialize, Serialize};

/// Where a product endpoint's error stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorForm {
    /// COMPLETED, `output: {"status": "error", "error": {code, message, details}}`.
    #[default]
    Completed,
    /// FAILED, `error` the message, the same `output`.
    Failed,
    /// FAILED, `error` the JSON `{code, message, details}` inside a string, no `output`.
    FailedJson,
    /// FAILED, `error: "CODE: message"`, no `output`.
    FailedText,
}

/// How a picture is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoil {
    /// Plain text.
    Text,
    /// An HTML page.
    Html,
    /// An SVG with a script.
    Svg,
    /// A genuine GIF of one frame.
    Gif,
    /// A genuine JPEG.
    Jpeg,
    /// A genuine WebP.
    Webp,
    /// A genuine PNG: a still picture where a clip was promised.
    Png,
    /// A genuine MP4.
    Mp4,
    /// No bytes at all.
    Empty,
    /// The first half of the file.
    Truncated,
    /// Not base64; for the URL forms, as [`Spoil::Text`].
    BadBase64,
    /// A URL that answers 404.
    BrokenLink,
    /// A URL that redirects to the picture.
    RedirectLink,
    /// A URL of a host that is none of the provider's.
    ForeignLink,
    /// The genuine file padded to 64 MB. Beyond the result limit unless given by URL.
    ManyBytes,
    /// A genuine PNG file of 9,000 × 9,000 pixels, and a few hundred kilobytes.
    ManyPixels,
}

/// How pictures are given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageForm {
    /// `"<base64>"`.
    #[default]
    Base64,
    /// `"data:image/png;base64,.."`, or `video/mp4` or `image/gif`.
    DataUri,
    /// `"http://../files/.."`, served by the simulator.
    Url,
    /// `{url, width, height, format, size_bytes}`.
    UrlObject,
    /// Of worker-comfyui 5: `{filename, type: "base64", data}`.
    ComfyBase64,
    /// Of worker-comfyui 5: `{filename, type: "s3_url", data}`.
    ComfyUrl,
    /// Of worker-comfyui before 5: `{"status": "success", "message": "<base64>"}`, the first picture only.
    ComfyMessage,
}

impl ImageForm {
    pub(super) fn is_url(self) -> bool {
        matches!(self, Self::Url | Self::UrlObject | Self::ComfyUrl)
    }
}
