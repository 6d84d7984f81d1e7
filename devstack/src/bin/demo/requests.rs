//! What the demo asks for: every workflow, by every road of a picture, in every format.

use anyhow::Context;
use devstack::builders::{RequestBuilder, request};
use devstack::client::{Auth, SignedIn};
use devstack::samples::{Sample, base64};
use image::ImageFormat;
use serde_json::{Value, json};
use shared::workflow::OutputFormat;
use uuid::Uuid;

/// The side of the pictures that are sent.
const SIDE: u32 = 640;
/// The side of the one that is enlarged, and how many times.
const SMALL_SIDE: u32 = 320;
const UPSCALE: u32 = 4;
const RESIZED: (u32, u32) = (800, 450);
const POSTER: (u32, u32) = (768, 960);

/// One request, and what its outputs must be.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) workflow: &'static str,
    pub(super) body: Value,
    pub(super) format: OutputFormat,
    /// Where the request fixes it.
    pub(super) size: Option<(u32, u32)>,
}

impl Request {
    fn new(workflow: &'static str, format: OutputFormat, body: RequestBuilder) -> Self {
        Self { workflow, body: body.format(format.as_str()).build(), format, size: None }
    }

    fn of_size(self, size: (u32, u32)) -> Self {
        Self { size: Some(size), ..self }
    }
}

/// The pictures that are sent, by name.
pub(super) struct Inputs {
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    garment: String,
    mug: String,
    bottle: String,
    small_bottle: String,
    mask: String,
    logo: String,
}

impl Inputs {
    /// Draws the pictures and uploads some of them, as `user` would; the others go along inside of the requests.
    pub(super) async fn prepare(auth: &Auth, user: &SignedIn) -> anyhow::Result<Self> {
        let draw = || {
            let [mug, logo] = [Sample::Mug, Sample::Logo].map(|sample| sample.file(SIDE, ImageFormat::Png));
            [
                Sample::Garment.file(SIDE, ImageFormat::Jpeg),
                mug,
                Sample::Bottle.file(SIDE, ImageFormat::WebP),
                Sample::Bottle.file(SMALL_SIDE, ImageFormat::Png),
                Sample::MugMask.file(SIDE, ImageFormat::Png),
                logo,
            ]
        };
        let drawn = tokio::task::spawn_blocking(draw).await.context("the samples cannot be drawn")?;
        let [garment, mug, bottle, small_bottle, mask, logo] = drawn;
        Ok(Self {
            garment: auth.upload(user, "garment.jpg", garment.clone(), "image/jpeg").await?,
            mug: auth.upload(user, "mug.png", mug.clone(), "image/png").await?,
            bottle: auth.upload(user, "bottle.webp", bottle.clone(), "image/webp").await?,
            small_bottle: base64(&small_bottle),
            mask: format!("data:image/png;base64,{}", base64(&mask)),
            logo: base64(&logo),
            files: vec![
                ("garment, uploaded", garment),
                ("mug, uploaded", mug),
                ("bottle, uploaded", bottle),
                ("mask, as base64", mask),
                ("logo, as base64", logo),
            ],
        })
    }

    /// All workflows but [`Inputs::tryon`], and two of them once more in another format; [`model`] only as that.
    pub(super) fn requests(&self) -> Vec<Request> {
        let mut requests = self.graphs();
        requests.extend(self.scenes());
        requests
    }

    fn graphs(&self) -> Vec<Request> {
        vec![
            Request::new(
                "color_change",
                OutputFormat::Png,
                request("color_change")
                    .picture("input_image", self.mug.as_str())
                    .picture("mask", self.mask.as_str())
                    .input("target_color", "#8E44AD"),
            )
            .of_size((SIDE, SIDE)),
            Request::new(
                "upscale",
                OutputFormat::Webp,
                request("upscale").picture("input_image", self.small_bottle.as_str()).input("upscale_level", UPSCALE),
            )
            .of_size((SMALL_SIDE * UPSCALE, SMALL_SIDE * UPSCALE)),
            Request::new(
                "graphic_transfer",
                OutputFormat::Jpg,
                request("graphic_transfer")
                    .picture("base_image", self.garment.as_str())
                    .picture("graphic_image", self.logo.as_str())
                    .input("position", json!({"x": 0.5, "y": 0.5}))
                    .input("scale", 0.3),
            )
            .of_size((SIDE, SIDE)),
            Request::new(
                "resize",
                OutputFormat::Png,
                request("resize")
                    .picture("input_image", self.bottle.as_str())
                    .input("target_width", RESIZED.0)
                    .input("target_height", RESIZED.1)
                    .input("fill_mode", "letterbox"),
            )
            .of_size(RESIZED),
        ]
    }

    fn scenes(&self) -> Vec<Request> {
        let pictures = [&self.mug, &self.garment, &self.bottle].map(String::as_str);
        let video = || request("video").picture("input_images", pictures.to_vec()).input("duration", 2);
        let poster = request("poster")
            .picture("input_image", self.mug.as_str())
            .input("dimensions", json!({"width": POSTER.0, "height": POSTER.1}))
            .input("text_overlay", json!({"text": "Good morning", "position": "top", "font": "bold"}))
            .input("style", "vibrant");
        vec![
            Request::new("background", OutputFormat::Jpg, {
                let input = request("background").picture("input_image", self.mug.as_str());
                input.prompt("a beach in the evening sun")
            }),
            Request::new("lifestyle", OutputFormat::Webp, {
                let input = request("lifestyle").picture("product_image", self.bottle.as_str());
                input.input("scene", "kitchen").input("time_of_day", "morning")
            }),
            Request::new("video", OutputFormat::Mp4, video()),
            Request::new("video", OutputFormat::Gif, video().input("transition", "slide")),
            Request::new("poster", OutputFormat::Png, poster).of_size(POSTER),
            Request::new("model", OutputFormat::Avif, {
                let input = request("model").outputs(1).input("gender", "male").input("pose", "sitting");
                input.input("background", "studio_gray").input("clothing_style", "formal")
            }),
        ]
    }

    /// The garment on a model that was made before.
    pub(super) fn tryon(&self, user: &SignedIn, model_id: Uuid) -> Request {
        let model = format!("{}/{model_id}/1.{}", user.user_id, OutputFormat::Webp);
        let input = request("tryon").picture("model_image", model).picture("garment_image", self.garment.as_str());
        Request::new("tryon", OutputFormat::Jpg, input)
    }
}

/// A model, which needs no picture.
pub(super) fn model() -> Request {
    let input = request("model").outputs(2).input("pose", "walking").input("background", "natural");
    Request::new("model", OutputFormat::Webp, input.input("clothing_style", "fashion"))
}
